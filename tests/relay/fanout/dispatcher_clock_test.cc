// A clock that is set by an hour, either way, while devices wait for something.
#include <gtest/gtest.h>

#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_clock_test {
namespace {

using push::VerdictKind;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kMinuteMs = 60'000;

class SetClock : public DispatcherTest {
 protected:
  // The relay looks at its clocks at least once a second while it has something to do.
  void set_clock(std::int64_t by_ms) {
    dispatcher_->notice(now_);
    now_.calendar_ms += by_ms;
  }
  store::EventId publish_now(std::int64_t ttl_ms) {
    const store::EventId event = publish("news", ttl_ms);
    dispatcher_->notice(now_);
    dispatcher_->take_up(0, {.job = job(event), .notification = {.title = title_}});
    return event;
  }
};

TEST_F(SetClock, ARetryWaitsNoLongerBecauseTheClockWasSetBack) {
  subscribe(0, 3);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer({.kind = VerdictKind::kUnavailable, .retry_after = std::chrono::seconds(30)});
  answer_all();
  record_all();
  set_clock(-kHourMs);
  pass(20'000);
  EXPECT_TRUE(provider.open.empty());
  pass(10'001 + 30'000 / kRetryAfterSpread);
  ASSERT_EQ(provider.open.size(), 1u);
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 3u);
}

TEST_F(SetClock, ARetryThatIsRecordedAfterTheClockWasSetBackWaitsForItsTime) {
  subscribe(0, 3);
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  set_clock(-kHourMs);
  answer({.kind = VerdictKind::kUnavailable, .retry_after = std::chrono::seconds(30)});
  answer_all();
  record_all();
  pass(20'000);
  EXPECT_TRUE(provider.open.empty());
  pass(10'001 + 30'000 / kRetryAfterSpread);
  EXPECT_EQ(provider.open.size(), 1u);
}

TEST_F(SetClock, AProviderThatAskedForAPauseIsUsedAgainAfterItWhateverTheCalendarSays) {
  subscribe(0, 200);
  publish();
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  turn();
  answer({.kind = VerdictKind::kThrottled,
          .scope = push::ThrottleScope::kProject,
          .retry_after = std::chrono::seconds(9)});
  answer_all();
  set_clock(-kHourMs);
  pass(8'000);
  EXPECT_TRUE(provider.open.empty());
  pass(1'000);
  EXPECT_FALSE(provider.open.empty());
}

TEST_F(SetClock, AnEventsTimeEndsWhenItHasPassedThoughTheClockWasSetBack) {
  subscribe(0, 200);
  const auto event = publish("news", kMinuteMs);
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  turn();
  set_clock(-kHourMs);
  pass(kMinuteMs);
  answer_all();
  record_all();
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  EXPECT_GT(counters(event).expired, 150u);
}

TEST_F(SetClock, AnEventThatIsPublishedAfterTheClockWasSetBackHasItsTimeAndNoMore) {
  subscribe(0, 200);
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  set_clock(-kHourMs);
  const auto event = publish_now(kMinuteMs);
  pass(kMinuteMs / 2);
  EXPECT_FALSE(provider.open.empty()) << "its time has not passed";
  pass(kMinuteMs / 2);
  answer_all();
  record_all();
  EXPECT_EQ(state(event), store::EventState::kCompleted) << "its time has passed";
  EXPECT_GT(counters(event).expired, 150u);
}

TEST_F(SetClock, AClockThatIsSetBackAndPutRightAgainLeavesNothingBehind) {
  subscribe(0, 200);
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  set_clock(-kHourMs);
  turn();
  set_clock(kHourMs);
  const auto event = publish_now(kMinuteMs);
  pass(kMinuteMs / 2);
  EXPECT_FALSE(provider.open.empty());
  pass(kMinuteMs / 2);
  answer_all();
  record_all();
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

// It cannot be told from a machine that stood still for an hour.
TEST_F(SetClock, AClockThatIsSetAheadAgesWhatWaits) {
  subscribe(0, 200);
  const auto brief = publish("news", kMinuteMs);
  const auto lasting = publish("news", 2 * kHourMs);
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  turn();
  set_clock(kHourMs);
  run_to_the_end();
  EXPECT_GT(counters(brief).expired, 0u);
  EXPECT_EQ(counters(brief).targeted, counters(brief).settled());
  EXPECT_EQ(counters(lasting).accepted, 200u);
}

TEST_F(SetClock, AStepOfLessThanTheLimitIsBelieved) {
  subscribe(0, 200);
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  set_clock(-kClockStepMs + 1);
  const auto event = publish_now(kMinuteMs);
  pass(kMinuteMs - 1);
  EXPECT_FALSE(provider.open.empty());
  answer_all();
  pass(1);
  record_all();
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  set_clock(-kClockStepMs);
  publish_now(kMinuteMs);
  pass(kMinuteMs - 1);
  EXPECT_FALSE(provider.open.empty()) << "who is published after the step has its time";
}

TEST_F(SetClock, WhoRegistersAfterTheClockWasSetBackIsNotRemovedForAnAnswerToBefore) {
  limits_.dead_answers_min = 20;
  limits_.dead_percent_max = 50;
  subscribe(0, 60);
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  pass(1'000);  // some are read a moment after it was taken up
  ASSERT_GE(provider.open.size(), 20u);
  set_clock(-kHourMs);
  for (int device : {0, 1}) {
    const std::string name = "d-" + std::to_string(device);
    ASSERT_TRUE(store_->put_device({.app = "video",
                                    .device = name,
                                    .platform = store::Platform::kApns,
                                    .token = token(device),
                                    .subscriber = name,
                                    .by_app = true},
                                   now_.calendar_ms));
  }
  // One of each kind: FCM tells no time, Apple's is of before.
  answer({.kind = VerdictKind::kTokenDead, .since_ms = std::chrono::milliseconds(-1)});
  answer({.kind = VerdictKind::kTokenDead,
          .since_ms = std::chrono::milliseconds(now_.calendar_ms - 1'000)});
  answer_all();
  run_to_the_end();
  EXPECT_TRUE(store_->device("video", "d-0"));
  EXPECT_TRUE(store_->device("video", "d-1"));
  EXPECT_EQ(totals_.tokens_removed, 2u) << "the words were believed as such";
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_clock_test
