#include "relay/api/downloads.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "relay/api/export_resource.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api::downloads_test {
namespace {

using std::chrono::milliseconds;

constexpr int kDevices = 20'000;  // some 2 MiB of lines: more than two sockets' buffers hold
constexpr std::chrono::seconds kDeadline{20};

class DownloadsTest : public testing::Test {
 protected:
  DownloadsTest() {
    std::vector<std::string> names;
    for (int i = 0; i < kDevices; ++i)
      names.push_back("device-with-a-long-name-" + std::to_string(i));
    std::vector<store::DeviceRegistration> devices(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      devices[i].app = "video";
      devices[i].device = devices[i].token = names[i];
      devices[i].platform = store::Platform::kFcm;
    }
    EXPECT_TRUE(room_.store->put_devices(devices, 1'700'000'000'000));
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
  }
  ~DownloadsTest() override { hang_up(); }
  void hang_up() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  void begin(Downloads& downloads, Downloads::Framing framing = Downloads::Framing::kChunked) {
    auto place = downloads.reserve();
    ASSERT_TRUE(place);
    downloads.add(std::move(place), ends_[1],
                  std::make_shared<exporting::Exporter>(*room_.store->export_devices("video"),
                                                        exporting::Exporter::Options{}),
                  framing);
  }
  // Everything until the end of the stream.
  std::string read_all() const {
    std::string all;
    std::array<char, 65'536> block;
    for (;;) {
      pollfd wait{.fd = ends_[0], .events = POLLIN, .revents = 0};
      const bool ready = ::poll(&wait, 1, static_cast<int>(milliseconds(kDeadline).count())) > 0;
      EXPECT_TRUE(ready) << "nothing came";
      const ssize_t got = ready ? ::read(ends_[0], block.data(), block.size()) : 0;
      if (got <= 0) return all;
      all.append(block.data(), static_cast<std::size_t>(got));
    }
  }
  static void wait_until_none_is_left(const Downloads& downloads) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (downloads.count() != 0) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "its place was not given back";
      std::this_thread::yield();
    }
  }

  RelayRoom room_;
  std::array<int, 2> ends_{-1, -1};  // the client's, the relay's
};

TEST_F(DownloadsTest, SendTheWholeAndSayWhereItEnds) {
  Downloads downloads({});
  begin(downloads);
  const std::string all = read_all();
  EXPECT_GT(all.size(), 2'000'000U);
  EXPECT_TRUE(all.ends_with("\r\n0\r\n\r\n"));
  wait_until_none_is_left(downloads);
}

TEST_F(DownloadsTest, SendLinesAsTheyAreToAClientOfHttp10) {
  Downloads downloads({});
  begin(downloads, Downloads::Framing::kClose);
  const std::string all = read_all();
  EXPECT_TRUE(all.starts_with("{\"device\":"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), kDevices);
}

TEST_F(DownloadsTest, HaveSoManyPlacesAndNoMore) {
  Downloads downloads({.downloads_max = 2});
  auto first = downloads.reserve();
  const auto second = downloads.reserve();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(downloads.reserve());
  EXPECT_EQ(downloads.count(), 2U);
  first.reset();
  EXPECT_TRUE(downloads.reserve());
}

TEST_F(DownloadsTest, DropAClientThatDoesNotRead) {
  Downloads downloads({.stall_max = milliseconds(50)});
  begin(downloads);
  wait_until_none_is_left(downloads);
  EXPECT_FALSE(read_all().ends_with("\r\n0\r\n\r\n")) << "it cannot be taken for the whole";
}

TEST_F(DownloadsTest, DropAClientThatReadsTooSlowly) {
  // Nobody reads two megabytes at a terabyte a second, however often a few bytes go.
  Downloads downloads({.stall_max = milliseconds(1), .bytes_per_second_min = 1'000'000'000'000});
  begin(downloads);
  std::string all;
  std::array<char, 64> block;
  for (ssize_t got = 1; got > 0;) {
    got = ::read(ends_[0], block.data(), block.size());
    if (got > 0) all.append(block.data(), static_cast<std::size_t>(got));
  }
  EXPECT_FALSE(all.ends_with("\r\n0\r\n\r\n"));
  wait_until_none_is_left(downloads);
}

TEST_F(DownloadsTest, EndWithTheirClient) {
  Downloads downloads({});
  begin(downloads);
  hang_up();
  wait_until_none_is_left(downloads);
}

TEST_F(DownloadsTest, EndAtOnceWhenTheRelayStops) {
  Downloads downloads({});
  begin(downloads);
  downloads.stop();
  EXPECT_EQ(downloads.count(), 0U);
  EXPECT_FALSE(read_all().ends_with("\r\n0\r\n\r\n"));
}

TEST(AcceptedCoding, IsWhatTheClientLikesBest) {
  using coding::Coding;
  struct Case {
    std::string_view field;
    Coding coding;
  };
  for (const auto& [field, expected] : {
           Case{"", Coding::kNone},
           Case{"gzip", Coding::kGzip},
           Case{"GZIP", Coding::kGzip},
           Case{"gzip, deflate, br, zstd", Coding::kZstd},
           Case{"zstd;q=0.5, gzip;q=0.8", Coding::kGzip},
           Case{"zstd;q=0, gzip", Coding::kGzip},
           Case{"zstd ; q=0", Coding::kNone},
           Case{"identity, gzip;q=0.5", Coding::kNone},
           Case{"identity;q=0, gzip", Coding::kGzip},
           Case{"*", Coding::kZstd},
           Case{"*;q=0", Coding::kNone},
           Case{"*;q=0.5, zstd;q=0", Coding::kGzip},
           Case{"gzip;q=much", Coding::kNone},
           Case{",;=,", Coding::kNone},
           Case{"br, deflate", Coding::kNone},
       }) {
    EXPECT_EQ(accepted_coding(field), expected) << field;
  }
}

}  // namespace
}  // namespace carillon::api::downloads_test
