// Which job has a turn: small ones beside large ones, urgent ones beside bulk, retries among all.
#include <gtest/gtest.h>

#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_turns_test {
namespace {

constexpr std::uint8_t kUrgentPriority = 1, kBulkPriority = 3;
constexpr std::int64_t kHourMs = 3'600'000;

class DispatcherTurns : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    limits_.repeat_bound = 16'384;
  }
  // Published while the dispatcher runs.
  store::EventId arrive(std::string topic, std::uint8_t priority = 2,
                        std::int64_t ttl_ms = kHourMs) {
    const auto event = publish(std::move(topic), ttl_ms, priority);
    dispatcher_->take_up(0, {.job = job(event), .notification = {.title = title_}});
    return event;
  }
  // Turns until the dispatcher wants none at once.
  void turn_until_idle() {
    do {
      turn();
    } while (wish_ <= now_.monotonic_ms);
  }
};

TEST_F(DispatcherTurns, ManySmallEventsWaitForNoCheckpoint) {
  subscribe(0, 1);
  ScriptedProvider provider;
  provider.window_size = 10'000;
  start(&provider);
  constexpr std::size_t kEvents = 3 * kActiveJobsMax + 1;
  for (std::size_t i = 0; i < kEvents; ++i) arrive("news");
  turn_until_idle();
  EXPECT_EQ(provider.open.size(), kEvents);
  EXPECT_EQ(dispatcher_->checkpoints(), 0u);
  run_to_the_end();
  EXPECT_EQ(totals_.accepted, kEvents);
}

TEST_F(DispatcherTurns, JobsThatRestAreBoundedAndTheOthersFollow) {
  subscribe(0, 1);
  ScriptedProvider provider;
  provider.window_size = 10'000;
  limits_.checkpoint_interval_ms = 1'000'000;
  start(&provider);
  constexpr std::size_t kEvents = kRestingJobsMax + 1;
  for (std::size_t i = 0; i < kEvents; ++i) arrive("news");
  turn_until_idle();
  turn();
  EXPECT_EQ(provider.open.size(), kRestingJobsMax);
  answer_all();
  pass(limits_.checkpoint_interval_ms);
  ASSERT_TRUE(record());
  turn_until_idle();
  EXPECT_EQ(provider.open.size(), 1u);
}

TEST_F(DispatcherTurns, EventsWithARetryThatIsNotDueKeepNobodyFromATurn) {
  subscribe(0, 1);
  ScriptedProvider provider;
  provider.window_size = 10'000;
  start(&provider);
  for (std::size_t i = 0; i < kActiveJobsMax; ++i) arrive("news");
  turn_until_idle();
  answer_all(push::VerdictKind::kUnavailable);
  record_all();
  ASSERT_EQ(dispatcher_->jobs(), kActiveJobsMax);
  ASSERT_TRUE(provider.open.empty()) << "the retries are due in half a second at the earliest";
  arrive("news");
  turn_until_idle();
  EXPECT_EQ(provider.open.size(), 1u);
  answer_all();
  pass(2 * limits_.retry_first_ms);
  turn_until_idle();
  EXPECT_EQ(provider.open.size(), kActiveJobsMax) << "now they are due";
  run_to_the_end();
  EXPECT_EQ(totals_.accepted, kActiveJobsMax + 1);
}

TEST_F(DispatcherTurns, ARetryThatIsNotDueBeforeItsEventEndsExpires) {
  subscribe(0, 1);
  limits_.apns_unavailable_ms = 600'000;
  limits_.retry_max_ms = 600'000;
  ScriptedProvider provider;
  start(&provider);
  const auto event = arrive("news", 2, kHourMs);
  turn_until_idle();
  answer({.kind = push::VerdictKind::kUnavailable, .reason = "Because"});
  record_all();
  ASSERT_EQ(dispatcher_->jobs(), 1u);
  pass(kHourMs);
  record_all();
  EXPECT_EQ(counters(event).expired, 1u);
  EXPECT_EQ(dispatcher_->jobs(), 0u);
}

TEST_F(DispatcherTurns, AnUrgentEventGoesBeyondTheWindowThatABulkEventHasFilled) {
  subscribe(0, 1'000);
  subscribe(1'000, 1'001, "code");
  ScriptedProvider provider;
  provider.window_size = 96;  // 144 are handed out, 9 more are for urgent ones
  start(&provider);
  arrive("news", kBulkPriority);
  turn_until_idle();
  const std::size_t filled = provider.open.size();
  ASSERT_EQ(filled, 144u);
  for (std::size_t i = 0; i < 144 / kUrgentPart + 1; ++i) arrive("code", kUrgentPriority);
  turn_until_idle();
  EXPECT_EQ(provider.open.size(), filled + 144 / kUrgentPart);
  EXPECT_EQ(provider.times_sent[token(1'000)], static_cast<int>(144 / kUrgentPart));
}

TEST_F(DispatcherTurns, AnUrgentEventGoesBeyondTheBoundOnRepeatsThatIsLeftToOthers) {
  limits_.repeat_bound = 64;
  subscribe(0, 1'000);
  subscribe(1'000, 1'001, "code");
  ScriptedProvider provider;
  provider.window_size = 1'000;
  start(&provider);
  arrive("news", kBulkPriority);
  for (int i = 0; i < 20; ++i) {
    turn_until_idle();
    answer_all();  // and the store records nothing
  }
  ASSERT_EQ(dispatcher_->uncovered(), 64 - 64 / kUrgentPart);
  for (std::size_t i = 0; i < 64 / kUrgentPart + 1; ++i) arrive("code", kUrgentPriority);
  turn_until_idle();
  EXPECT_EQ(dispatcher_->uncovered(), 64u) << "the bound holds for urgent ones, too";
  run_to_the_end();
  EXPECT_EQ(totals_.accepted, 1'000u + 64 / kUrgentPart + 1);
}

TEST_F(DispatcherTurns, OnlyUrgentEventsAreMarkedSoForTheProvider) {
  subscribe(0, 1);
  ScriptedProvider provider;
  start(&provider);
  arrive("news", kBulkPriority);
  turn_until_idle();
  EXPECT_EQ(provider.urgent_batches, 0);
  arrive("news", kUrgentPriority);
  turn_until_idle();
  EXPECT_EQ(provider.urgent_batches, 1);
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_turns_test
