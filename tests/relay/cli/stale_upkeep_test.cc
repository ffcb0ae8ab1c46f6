// Stale devices, by the relay and by hand, in a real store with clocks that a test moves.
#include "relay/cli/stale_upkeep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "relay/cli/devices_command.h"
#include "relay/cli/exit_code.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::stale_upkeep_test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kToday = 20'000;  // days since 1970

class StaleDevices : public testing::Test {
 protected:
  StaleDevices() {
    store_ = store::open_sqlite_store({.path = folder_ / "store.db"}).value();
    config_.apps["video"].stale = {.leave_out_after_days = 90, .remove_after_days = 365};
    config_.apps["mail"];
  }
  // Seen so many days ago.
  void put(const std::string& name, std::int64_t days, const std::string& app = "video") {
    const std::string_view topics[] = {"news"};
    const auto put = store_->put_device({.app = app,
                                         .device = name,
                                         .platform = store::Platform::kFcm,
                                         .token = name,
                                         .subscriber = {},
                                         .locale = {},
                                         .timezone = {},
                                         .topics = topics,
                                         .last_seen_ms = (kToday - days) * kDayMs + 1},
                                        calendar_ms_);
    ASSERT_TRUE(put) << put.error().message;
  }
  bool stale(const std::string& name) { return store_->device("video", name).value().stale; }
  bool known(const std::string& name, const std::string& app = "video") {
    return store_->device(app, name).has_value();
  }
  // As the relay does it: calls, and comes back when it is told to.
  void run_for(std::chrono::milliseconds time) {
    for (const auto end = now_ + time; now_ < end;) {
      const auto pause = upkeep().work();
      EXPECT_GT(pause, 0ms);
      now_ = std::min(now_ + pause, end);
    }
  }
  StaleUpkeep& upkeep() {
    if (!upkeep_) {
      upkeep_.emplace(*store_, config_.apps,
                      StaleUpkeep::Clocks{.monotonic = [this] { return now_; },
                                          .calendar_ms = [this] { return calendar_ms_; }});
    }
    return *upkeep_;
  }
  int sweep(SweepOptions options) {
    options.app = "video";
    options.now_ms = [this] { return calendar_ms_; };
    return run_devices_sweep(at_.terminal, *store_, config_, options);
  }

  const TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  config::Config config_;
  StaleUpkeep::Clock::time_point now_{1h};
  std::int64_t calendar_ms_ = kToday * kDayMs;
  std::optional<StaleUpkeep> upkeep_;
  StringTerminal at_;
};

TEST_F(StaleDevices, AreLeftOutAfterSoManyDaysAndRemovedAfterMore) {
  put("d-89", 89);
  put("d-90", 90);  // until the end of that day: not yet 90 whole ones
  put("d-91", 91);
  put("d-365", 365);
  put("d-366", 366);
  run_for(1h);
  EXPECT_FALSE(stale("d-89"));
  EXPECT_FALSE(stale("d-90"));
  EXPECT_TRUE(stale("d-91"));
  EXPECT_TRUE(stale("d-365"));
  EXPECT_FALSE(known("d-366"));
  const auto totals = upkeep().totals();
  ASSERT_EQ(totals.size(), 1U);
  EXPECT_EQ(totals[0].app, "video");
  EXPECT_EQ(totals[0].left_out, 2U);
  EXPECT_EQ(totals[0].removed, 1U);
}

TEST_F(StaleDevices, OfAnAppWithoutARuleStay) {
  put("d-1", 3'000, "mail");
  run_for(49h);
  EXPECT_TRUE(known("d-1", "mail"));
  EXPECT_FALSE(store_->device("mail", "d-1")->stale);
}

TEST_F(StaleDevices, AreLookedForSomeMinutesAfterTheStartAndThenOnceADay) {
  put("d-1", 91);
  run_for(StaleUpkeep::kFirstWalkAfter - 1ms);
  EXPECT_FALSE(stale("d-1"));
  run_for(1h);
  EXPECT_TRUE(stale("d-1"));
  put("d-2", 91);
  run_for(22h);
  EXPECT_FALSE(stale("d-2"));
  run_for(2h);
  EXPECT_TRUE(stale("d-2"));
}

TEST_F(StaleDevices, AreFoundInSteps) {
  config_.apps["video"].stale.remove_after_days = 0;
  for (int i = 0; i < 1'000; ++i) put("d-" + std::to_string(i), 100);
  std::vector<std::uint64_t> found;
  run_for(StaleUpkeep::kFirstWalkAfter);
  for (std::uint64_t all = 0; all < 1'000 && found.size() < 10;) {
    now_ += upkeep().work();
    const auto now_all = upkeep().totals()[0].left_out;
    if (now_all != all) found.push_back(now_all - all);
    all = now_all;
  }
  // Steps take no time by this clock: each looks at twice as many as the one before.
  EXPECT_EQ(found, (std::vector<std::uint64_t>{SweepPace::kSubscribersFirst,
                                               2 * SweepPace::kSubscribersFirst, 232}));
}

TEST_F(StaleDevices, ComeBackWhenTheyRegisterAgain) {
  put("d-1", 100);
  run_for(1h);
  ASSERT_TRUE(stale("d-1"));
  put("d-1", 0);
  EXPECT_FALSE(stale("d-1"));
  run_for(25h);
  EXPECT_FALSE(stale("d-1"));
}

TEST_F(StaleDevices, StayForNowWhereTheStoreCannotBeWritten) {
  put("d-1", 100);
  store_ = store::open_sqlite_store({.path = folder_ / "store.db", .read_only = true}).value();
  run_for(StaleUpkeep::kFirstWalkAfter + 5min);
  EXPECT_FALSE(stale("d-1"));
  EXPECT_GT(upkeep().work(), 1min) << "it does not try again and again";
}

TEST_F(StaleDevices, AreSweptByHand) {
  put("d-1", 10);
  put("d-2", 20);
  put("d-3", 30);
  EXPECT_EQ(sweep({.unseen_days = 15, .dry_run = true}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("2 of 3 devices not seen for 15 days; nothing was changed"));
  EXPECT_FALSE(stale("d-2") || stale("d-3"));
  EXPECT_EQ(sweep({.unseen_days = 15}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("2 devices not seen for 15 days: left out of audiences"));
  EXPECT_TRUE(stale("d-2") && stale("d-3") && !stale("d-1"));
  EXPECT_EQ(sweep({.unseen_days = 25, .remove = true}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("1 device not seen for 25 days: removed"));
  EXPECT_TRUE(known("d-2") && !known("d-3"));
}

TEST_F(StaleDevices, ThatWereSweptStaySoWhenItIsStopped) {
  for (int i = 0; i < 1'000; ++i) put("d-" + std::to_string(i), 100);
  EXPECT_EQ(sweep({.unseen_days = 15, .rest = [](std::chrono::milliseconds) { return true; }}),
            kExitFailure);
  EXPECT_THAT(at_.out.str(), HasSubstr("256 devices not seen for 15 days: left out"));
  EXPECT_THAT(at_.err.str(), HasSubstr("stopped; what was done stays"));
  EXPECT_EQ(sweep({.unseen_days = 15}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("744 devices not seen for 15 days: left out"));
}

TEST_F(StaleDevices, OfAnUnknownAppAreAMistake) {
  SweepOptions options{.app = "nobody's", .unseen_days = 1, .now_ms = [] { return kDayMs; }};
  EXPECT_EQ(run_devices_sweep(at_.terminal, *store_, config_, options), kExitUsage);
}

TEST(SweepPace, HalvesWhatTookTooLongAndDoublesWhatWasQuick) {
  SweepPace pace;
  for (int i = 0; i < 20; ++i) pace.took(SweepPace::kStepLongest + 1ms);
  EXPECT_EQ(pace.subscribers(), SweepPace::kSubscribersLeast);
  for (int i = 0; i < 20; ++i) pace.took(1ms);
  EXPECT_EQ(pace.subscribers(), SweepPace::kSubscribersMost);
  pace.took(SweepPace::kStepLongest);
  EXPECT_EQ(pace.subscribers(), SweepPace::kSubscribersMost) << "neither";
}

}  // namespace
}  // namespace carillon::cli::stale_upkeep_test
