#include "relay/api/watchers.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace carillon::api {
namespace {

using Steady = std::chrono::steady_clock;

// One watcher's end of a stream, read with a deadline.
class Stream {
 public:
  Stream() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    theirs_ = ends[0];
    ours_ = ends[1];
    const timeval deadline{.tv_sec = 20, .tv_usec = 0};
    setsockopt(ours_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  }
  ~Stream() { leave(); }
  int theirs() const { return theirs_; }
  void leave() {
    if (ours_ >= 0) close(ours_);
    ours_ = -1;
  }
  // Until `end`; what came so far if the stream ends first.
  std::string through(const std::string& end) {
    std::string got;
    char c = 0;
    while (!got.ends_with(end) && recv(ours_, &c, 1, 0) == 1) got.push_back(c);
    return got;
  }
  std::string rest() { return through(std::string(1, '\0')); }

 private:
  int theirs_ = -1;
  int ours_ = -1;
};

class WatchersTest : public testing::Test {
 protected:
  void open(Watchers::Limits limits) {
    watchers_ = std::make_unique<Watchers>(limits, [this](const store::EventId& event) {
      ++reads;
      const std::lock_guard lock(mutex_);
      return read_ ? read_(event) : std::optional<Progress>();
    });
  }
  void tell(std::function<std::optional<Progress>(const store::EventId&)> read) {
    const std::lock_guard lock(mutex_);
    read_ = std::move(read);
  }
  void add(const Stream& stream, std::uint8_t event) {
    store::EventId id{};
    id[0] = event;
    auto place = watchers_->reserve();
    ASSERT_NE(place, nullptr);
    watchers_->add(std::move(place), stream.theirs(), id);
  }
  bool wait_for_count(std::size_t count) const {
    const auto deadline = Steady::now() + std::chrono::seconds(20);
    while (watchers_->count() != count) {
      if (Steady::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::atomic<int> reads{0};
  std::mutex mutex_;
  std::function<std::optional<Progress>(const store::EventId&)> read_;
  std::unique_ptr<Watchers> watchers_;
};

TEST_F(WatchersTest, TellsProgressAtOnceAndThenAtEachTickUntilTheEnd) {
  std::atomic<int> number{0};
  tell([&](const store::EventId&) { return Progress{std::to_string(++number), number == 3}; });
  open({.tick = std::chrono::milliseconds(20)});
  Stream stream;
  add(stream, 1);
  EXPECT_EQ(stream.rest(),
            "event: progress\ndata: 1\n\nevent: progress\ndata: 2\n\n"
            "event: progress\ndata: 3\n\nevent: end\ndata: 3\n\n");
  EXPECT_TRUE(wait_for_count(0)) << "its place is free again";
}

TEST_F(WatchersTest, ReadsAnEventOnceForAllWhoWatchIt) {
  tell([](const store::EventId& id) { return Progress{std::to_string(id[0]), false}; });
  open({.tick = std::chrono::hours(1)});
  Stream streams[3];
  for (const Stream& stream : streams) add(stream, 7);
  for (Stream& stream : streams) EXPECT_EQ(stream.through("\n\n"), "event: progress\ndata: 7\n\n");
  EXPECT_LE(reads, 3) << "only newcomers are told between ticks";
}

TEST_F(WatchersTest, BoundsItsPlaces) {
  open({.watchers_max = 2});
  const auto first = watchers_->reserve();
  auto second = watchers_->reserve();
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(watchers_->reserve(), nullptr);
  second.reset();
  EXPECT_NE(watchers_->reserve(), nullptr);
}

TEST_F(WatchersTest, LetsGoOfWhoLeaves) {
  tell([](const store::EventId&) { return Progress{"1", false}; });
  open({.tick = std::chrono::hours(1)});
  Stream stream;
  add(stream, 1);
  stream.through("\n\n");
  stream.leave();
  EXPECT_TRUE(wait_for_count(0));
}

TEST_F(WatchersTest, IsNotHeldUpByWhoDoesNotReadAndDropsThemInTheEnd) {
  tell([](const store::EventId& id) {
    return Progress{std::string(id[0] == 1 ? 4'000'000 : 1, 'x'), false};
  });
  open({.tick = std::chrono::milliseconds(10), .stall_max = std::chrono::milliseconds(300)});
  Stream deaf;
  Stream listening;
  add(deaf, 1);
  add(listening, 2);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(listening.through("\n\n"), "event: progress\ndata: x\n\n");
  EXPECT_TRUE(wait_for_count(1));
}

TEST_F(WatchersTest, AsksAgainWhenAnEventCannotBeRead) {
  std::atomic<int> asked{0};
  tell([&](const store::EventId&) {
    return ++asked < 3 ? std::nullopt : std::optional(Progress{"1", true});
  });
  open({.tick = std::chrono::milliseconds(10)});
  Stream stream;
  add(stream, 1);
  EXPECT_TRUE(stream.rest().ends_with("event: end\ndata: 1\n\n"));
}

TEST_F(WatchersTest, EndsEveryStreamWhenItStops) {
  tell([](const store::EventId&) { return Progress{"1", false}; });
  open({.tick = std::chrono::hours(1)});
  Stream stream;
  add(stream, 1);
  stream.through("\n\n");
  watchers_->stop();
  EXPECT_EQ(stream.rest(), "");
  EXPECT_EQ(watchers_->count(), 0u);
}

}  // namespace
}  // namespace carillon::api
