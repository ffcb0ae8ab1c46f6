// SIGKILL at random moments: what was acknowledged is there, and nothing is there by half.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/seeds.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store {
namespace {

constexpr std::uint32_t kKills = 12;
constexpr int kThreads = 4;
constexpr int kDevicesPerThread = 40;  // names in play

// What the child says after a call has answered. Smaller than PIPE_BUF: written whole.
struct Report {
  enum class What : std::uint32_t { kPut, kErased, kAccepted, kRecorded, kBatch, kBegins };
  What what = What::kPut;
  std::uint32_t thread = 0;
  std::uint32_t number = 0;   // of the device, the event or the batch
  std::uint32_t version = 0;  // of the token; devices settled
};
static_assert(sizeof(Report) <= 512);

std::string device_name(std::uint32_t thread, std::uint32_t number) {
  return "d-" + std::to_string(thread) + "-" + std::to_string(number);
}
std::string token(std::uint32_t thread, std::uint32_t number, std::uint32_t version) {
  return "t-" + std::to_string(thread) + "-" + std::to_string(number) + "-" +
         std::to_string(version);
}

// Runs in the child until it is killed.
class Workload {
 public:
  Workload(Store& store, int pipe, std::uint32_t seed) : store_(store), pipe_(pipe), seed_(seed) {}

  [[noreturn]] void run() {
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([this, t] { devices(t); });
    }
    threads.emplace_back([this] { events(); });
    threads.emplace_back([this] { batches(); });
    for (auto& thread : threads) thread.join();
    ::_exit(3);
  }

 private:
  void report(Report report) {
    if (::write(pipe_, &report, sizeof report) != sizeof report) ::_exit(4);
  }

  [[noreturn]] static void give_up(const Error& error) {
    std::fprintf(stderr, "the child: %s\n", error.message.c_str());
    ::_exit(5);
  }

  void devices(std::uint32_t thread) {
    std::mt19937 random(seed_ * 100 + thread);
    for (std::uint32_t version = 1;; ++version) {
      const auto number = static_cast<std::uint32_t>(random() % kDevicesPerThread);
      const std::string name = device_name(thread, number);
      report({Report::What::kBegins, thread, number, version});
      if (random() % 4 == 0) {
        (void)store_.erase_device("video", name);
        report({Report::What::kErased, thread, number, version});
        continue;
      }
      const std::string text = token(thread, number, version);
      const std::vector<std::string_view> topics = {"news"};
      // A few devices each: an ordinal is not given out twice while events run.
      const std::string subscriber =
          "u-" + std::to_string(thread) + "-" + std::to_string(number / 3);
      const auto put =
          store_.put_device({.app = "video",
                             .device = name,
                             .token = text,
                             .subscriber = number % 2 ? std::string_view() : subscriber,
                             .locale = {},
                             .timezone = {},
                             .topics = topics},
                            1);
      if (!put) give_up(put.error());
      report({Report::What::kPut, thread, number, version});
    }
  }

  void events() {
    for (std::uint32_t number = 1;; ++number) {
      NewEvent event;
      event.id = event_id(seed_ << 16 | number);
      event.app = "video";
      event.audience.topics = {"news"};
      const auto accepted = store_.accept(event);
      if (!accepted) give_up(accepted.error());
      report({Report::What::kAccepted, 0, seed_ << 16 | number, 0});
      const JobKey job{event.id, Platform::kApns};
      for (std::uint64_t i = 0; i < accepted->targeted[0]; i += 7) {
        Checkpoint checkpoint{.job = job, .cursor = i};
        checkpoint.added.accepted = std::min<std::uint64_t>(7, accepted->targeted[0] - i);
        const auto recorded = record_now(store_, {checkpoint});
        if (!recorded) give_up(recorded.error());
        report({Report::What::kRecorded, 0, seed_ << 16 | number,
                static_cast<std::uint32_t>(i + checkpoint.added.accepted)});
      }
    }
  }

  void batches() {
    for (std::uint32_t batch = 0;; ++batch) {
      std::vector<std::string> names;
      for (int i = 0; i < 200; ++i) {
        names.push_back("b-" + std::to_string(seed_) + "-" + std::to_string(batch) + "-" +
                        std::to_string(i));
      }
      std::vector<DeviceRegistration> lines;
      for (const std::string& name : names) {
        lines.push_back({.app = "video", .device = name, .token = name, .subscriber = name});
      }
      const auto put = store_.put_devices(lines, 1);
      if (!put) give_up(put.error());
      report({Report::What::kBatch, 0, batch, 0});
    }
  }

  Store& store_;
  const int pipe_;
  const std::uint32_t seed_;
};

// What must be there after the kill, from what was said before it.
struct Acknowledged {
  struct Device {
    std::uint32_t version = 0;  // 0: erased
    bool pending = false;       // the next change had begun and may have happened
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Device> devices;
  std::map<std::uint32_t, std::uint32_t> events;  // settled at least
  std::vector<std::uint32_t> batches;

  void add(const Report& report) {
    Device& device = devices[{report.thread, report.number}];
    switch (report.what) {
      case Report::What::kBegins:
        device.pending = true;
        break;
      case Report::What::kPut:
        device = {report.version, false};
        break;
      case Report::What::kErased:
        device = {0, false};
        break;
      case Report::What::kAccepted:
        events.emplace(report.number, 0);
        break;
      case Report::What::kRecorded:
        events[report.number] = report.version;
        break;
      case Report::What::kBatch:
        batches.push_back(report.number);
        break;
    }
  }
};

class CrashTest : public testing::Test {
 protected:
  std::string path() const { return folder_.file("store.db"); }

  // A child works until it has said `reports` things, then a little longer, then dies.
  void work_and_kill(std::uint32_t seed, std::size_t reports, Acknowledged& acknowledged) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      auto store =
          open_sqlite_store({.path = path(), .exclusive = true, .young_names_max = {100, 500}});
      if (!store) ::_exit(2);
      Workload(**store, ends[1], seed).run();
    }
    ::close(ends[1]);
    Report report;
    std::size_t heard = 0;
    bool killed = false;
    while (::read(ends[0], &report, sizeof report) == sizeof report) {
      if (report.what == Report::What::kAccepted || report.what == Report::What::kRecorded ||
          report.what == Report::What::kBatch) {
        Report event = report;
        event.thread = 1000;  // not a device's
        acknowledged.add(event);
      } else {
        acknowledged.add(report);
      }
      if (++heard >= reports && !killed) {
        ::kill(child, SIGKILL);
        killed = true;  // what it had said by then is still in the pipe
      }
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  }

  void expect_all(std::uint32_t seed, Acknowledged& acknowledged) {
    const auto problems = check_sqlite_store(path(), true);
    ASSERT_TRUE(problems) << problems.error().message;
    ASSERT_TRUE(problems->empty()) << problems->front();
    auto store =
        open_sqlite_store({.path = path(), .exclusive = true, .young_names_max = {100, 500}});
    ASSERT_TRUE(store) << store.error().message;
    for (auto& [key, expected] : acknowledged.devices) {
      if (key.first >= kThreads) continue;
      const auto found = (*store)->device("video", device_name(key.first, key.second));
      if (!expected.pending) {
        ASSERT_EQ(found.has_value(), expected.version != 0) << key.first << "/" << key.second;
        if (found) {
          EXPECT_EQ(found->token, token(key.first, key.second, expected.version));
        }
      }
      // What is there now is what the next life starts from.
      expected.pending = false;
      expected.version = 0;
      if (found) {
        expected.version = static_cast<std::uint32_t>(
            std::stoul(found->token.substr(found->token.rfind('-') + 1)));
      }
    }
    for (const auto& [number, settled] : acknowledged.events) {
      const auto event = (*store)->event(event_id(number));
      ASSERT_TRUE(event) << "an accepted event is lost";
      if (!event->jobs.empty()) {
        EXPECT_GE(event->jobs[0].counters.accepted, settled);
        EXPECT_EQ(event->jobs[0].counters.targeted,
                  event->jobs[0].counters.settled() + event->jobs[0].counters.pending());
      }
    }
    for (const std::uint32_t batch : acknowledged.batches) {
      const std::string name = "b-" + std::to_string(seed) + "-" + std::to_string(batch);
      for (const char* line : {"-0", "-77", "-199"}) {
        EXPECT_TRUE((*store)->device("video", name + line)) << name;
      }
    }
    // The one that was on its way is there whole or not at all.
    const std::string next =
        "b-" + std::to_string(seed) + "-" + std::to_string(acknowledged.batches.size());
    EXPECT_EQ((*store)->device("video", next + "-0").has_value(),
              (*store)->device("video", next + "-199").has_value());
    acknowledged.batches.clear();
  }

  TemporaryFolder folder_;
};

TEST_F(CrashTest, LosesNothingThatWasAcknowledgedAndLeavesNothingByHalf) {
  const std::uint32_t seed = number_from("CARILLON_CRASH_SEED", std::random_device{}());
  SCOPED_TRACE("CARILLON_CRASH_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  Acknowledged acknowledged;
  // What a sanitizer slows down may be asked for fewer.
  const std::uint32_t kills = number_from("CARILLON_CRASH_KILLS", kKills);
  ASSERT_GT(kills, 0U);
  for (std::uint32_t life = 1; life <= kills && !HasFailure(); ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    work_and_kill(life, 1 + random() % 400, acknowledged);
    if (!HasFailure()) expect_all(life, acknowledged);
  }
}

}  // namespace
}  // namespace carillon::store
