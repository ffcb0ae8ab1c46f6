// Who takes charge of a running event: what stops, from when on, and what a crash leaves of it.
#include <gtest/gtest.h>

#include <random>

#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_steering_test {
namespace {

using push::VerdictKind;
using Why = SteeringRefusal::Kind;

class Steering : public DispatcherTest {
 protected:
  // Asks, and lets nothing be recorded yet.
  void ask(const store::EventId& event, Wish wish) {
    answer_.reset();
    dispatcher_->steer({.event = event,
                        .wish = wish,
                        .done = [this](SteeringResult result) { answer_ = std::move(result); }},
                       now_);
  }
  // Asks and waits for the disk.
  Steered steer(const store::EventId& event, Wish wish) {
    ask(event, wish);
    for (int i = 0; i < 10 && !answer_; ++i) {
      turn();
      record();
    }
    EXPECT_TRUE(answer_ && *answer_) << (answer_ ? answer_->error().message : "no answer");
    return answer_ && *answer_ ? **answer_ : Steered{};
  }
  SteeringRefusal refused(const store::EventId& event, Wish wish) {
    ask(event, wish);
    for (int i = 0; i < 10 && !answer_; ++i) {
      turn();
      record();
    }
    EXPECT_TRUE(answer_ && !*answer_);
    return answer_ && !*answer_ ? answer_->error() : SteeringRefusal{};
  }
  // Some batches are on their way, some answered and recorded.
  void get_going() {
    for (int i = 0; i < 3; ++i) {
      pass(10);
      answer_all();
      record();
    }
    pass(10);
    ASSERT_FALSE(provider_->open.empty());
  }
  void expect_accounted(const store::EventId& event) {
    const store::Counters now = sum(event);
    EXPECT_EQ(now.targeted, now.settled() + now.pending());
  }
  store::Counters sum(const store::EventId& event) {
    store::Counters total = counters(event);
    for (const auto& job : store_->event(event)->jobs) total.cancelled += job.counters.cancelled;
    return total;
  }
  std::size_t sent() const {
    std::size_t total = 0;
    for (const auto& [token, times] : provider_->times_sent)
      total += static_cast<std::size_t>(times);
    return total;
  }

  static constexpr Wish kPause{.kind = Wish::Kind::kPause};
  static constexpr Wish kResume{.kind = Wish::Kind::kResume};
  static constexpr Wish kCancel{.kind = Wish::Kind::kCancel};
  static Wish rate(std::uint32_t per_second) {
    return {.kind = Wish::Kind::kSetRate, .per_second = per_second};
  }
  std::optional<SteeringResult> answer_;
};

TEST_F(Steering, APausedEventHandsNothingOutFromTheMomentItIsAsked) {
  subscribe(0, 500);
  const auto event = publish();
  limits_.repeat_bound = 4'096;
  ScriptedProvider provider;
  provider.window_size = 20;
  start(&provider);
  get_going();
  const std::size_t before = sent();
  const std::size_t open = provider.open.size();
  ask(event, kPause);
  for (int i = 0; i < 20; ++i) answer({.kind = VerdictKind::kAccepted});  // there is room for more
  for (int i = 0; i < 5; ++i) pass(20);  // the disk takes its time
  EXPECT_EQ(sent(), before);
  EXPECT_FALSE(answer_) << "not durable yet";
  while (!answer_ && record()) turn();
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ(state(event), store::EventState::kPaused) << "durable when it is answered";
  ASSERT_EQ((*answer_)->jobs.size(), 1u);
  const Boundary& boundary = (*answer_)->jobs[0];
  EXPECT_EQ(boundary.targeted, 500u);
  EXPECT_EQ(boundary.unanswered, open - 20);
  EXPECT_EQ(boundary.settled + boundary.unanswered, before);
  EXPECT_EQ(boundary.not_handed_out, 500u - before);
  answer_all();
  record_all();
  EXPECT_EQ(counters(event).accepted, before) << "what was on its way got its outcome";
  pass(60'000);
  EXPECT_EQ(sent(), before);
}

TEST_F(Steering, WhatWasPausedGoesOnWhereItStoodAndReachesEverybodyOnce) {
  subscribe(0, 500);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  for (int round = 0; round < 4; ++round) {
    get_going();
    EXPECT_TRUE(steer(event, kPause).changed);
    answer_all();
    record_all();
    EXPECT_TRUE(steer(event, kResume).changed);
    EXPECT_EQ(state(event), store::EventState::kRunning);
  }
  run_to_the_end();
  EXPECT_EQ(provider.times_sent.size(), 500u);
  for (const auto& [token, times] : provider.times_sent) EXPECT_EQ(times, 1) << token;
  EXPECT_EQ(counters(event).accepted, 500u);
}

TEST_F(Steering, TheSameWishTwiceIsAnsweredAlikeAndChangesNothing) {
  subscribe(0, 200);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  get_going();
  EXPECT_TRUE(steer(event, kPause).changed);
  const std::uint64_t checkpoints = dispatcher_->checkpoints();
  EXPECT_FALSE(steer(event, kPause).changed);
  EXPECT_EQ(dispatcher_->checkpoints(), checkpoints) << "nothing to be written";
  EXPECT_TRUE(steer(event, kResume).changed);
  EXPECT_FALSE(steer(event, kResume).changed);
  EXPECT_TRUE(steer(event, rate(7)).changed);
  EXPECT_FALSE(steer(event, rate(7)).changed);
}

TEST_F(Steering, APauseOutlivesACrashAndTheEventGoesOnWhenItIsResumed) {
  subscribe(0, 300);
  const auto event = publish();
  ScriptedProvider before;
  start(&before);
  get_going();
  steer(event, kPause);
  const auto taken = before.times_sent;  // some were answered, the last ones not recorded
  ScriptedProvider after;
  crash(&after);
  pass(10'000);
  EXPECT_TRUE(after.times_sent.empty()) << "paused across the restart";
  EXPECT_EQ(state(event), store::EventState::kPaused);
  steer(event, kResume);
  run_to_the_end();
  std::set<std::string> reached;
  for (const auto& [token, times] : taken) reached.insert(token);
  for (const auto& [token, times] : after.times_sent) reached.insert(token);
  EXPECT_EQ(reached.size(), 300u);
  EXPECT_EQ(counters(event).accepted, 300u);
}

TEST_F(Steering, AWishThatCannotBeRecordedIsRefusedAndTheEventGoesOn) {
  subscribe(0, 200);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  get_going();
  for (const Wish& wish : {kPause, kCancel, rate(1)}) {
    record_all();
    fail_records_ = 1;
    EXPECT_EQ(refused(event, wish).kind, Why::kStoreFull);
    EXPECT_EQ(state(event), store::EventState::kRunning);
    pass(2'000);
  }
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 200u);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

TEST_F(Steering, ACancelledEventCountsWhatWasNotHandedOutAndWaitsForTheRest) {
  subscribe(0, 500);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  get_going();
  const std::size_t before = sent();
  const std::size_t open = provider.open.size();
  const Steered steered = steer(event, kCancel);
  ASSERT_EQ(steered.jobs.size(), 1u);
  EXPECT_EQ(steered.jobs[0].not_handed_out, 500u - before);
  EXPECT_EQ(job(event).counters.cancelled, 500u - before);
  EXPECT_EQ(job(event).counters.pending(), open);
  EXPECT_TRUE(job(event).cancelling);
  EXPECT_EQ(state(event), store::EventState::kRunning);
  EXPECT_FALSE(steer(event, kCancel).changed);
  EXPECT_EQ(refused(event, kPause).kind, Why::kFinished);
  EXPECT_EQ(refused(event, kResume).kind, Why::kFinished);
  // Of the last answers one says yes, the others want to be tried again: nobody is.
  answer({.kind = VerdictKind::kAccepted});
  record_all();
  EXPECT_EQ(job(event).counters.pending(), open - 1);
  answer_all(VerdictKind::kUnavailable);
  record_all();
  EXPECT_EQ(dispatcher_->jobs(), 0u);
  EXPECT_EQ(state(event), store::EventState::kCancelled);
  EXPECT_EQ(job(event).counters.pending(), 0u);
  EXPECT_EQ(job(event).counters.accepted, before - open + 1);
  EXPECT_EQ(job(event).counters.cancelled, 500u - before + open - 1);
  EXPECT_EQ(totals_.cancelled, job(event).counters.cancelled);
  EXPECT_EQ(sent(), before);
  EXPECT_EQ(refused(event, kPause).kind, Why::kFinished);
}

TEST_F(Steering, ACrashAfterACancelSendsNothingMore) {
  subscribe(0, 300);
  const auto event = publish();
  ScriptedProvider before;
  start(&before);
  get_going();
  answer({.kind = VerdictKind::kUnavailable});  // a retry
  steer(event, kCancel);
  ASSERT_TRUE(job(event).cancelling);
  ScriptedProvider after;
  crash(&after);
  for (int i = 0; i < 5; ++i) {
    pass(30'000);
    record();
  }
  EXPECT_TRUE(after.times_sent.empty());
  EXPECT_EQ(dispatcher_->jobs(), 0u);
  EXPECT_EQ(state(event), store::EventState::kCancelled);
  EXPECT_EQ(job(event).counters.pending(), 0u);
}

TEST_F(Steering, AnEventThatExpiresWhilePausedIsSettledAtOnce) {
  subscribe(0, 300);
  const auto event = publish("news", 60'000);
  ScriptedProvider provider;
  start(&provider);
  get_going();
  steer(event, kPause);
  answer_all();
  record_all();
  const std::size_t before = sent();
  pass(61'000);
  for (int i = 0; i < 20; ++i) {
    pass(20);
    record();
  }
  EXPECT_EQ(sent(), before);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  EXPECT_EQ(counters(event).expired, 300u - before);
}

TEST_F(Steering, APausedEventOfWhichEverythingWasHandedOutCompletes) {
  subscribe(0, 10);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  ASSERT_EQ(provider.open.size(), 10u);
  steer(event, kPause);
  answer_all();
  record_all();
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  EXPECT_EQ(dispatcher_->jobs(), 0u);
}

TEST_F(Steering, RetriesOfAPausedEventWaitUntilItIsResumed) {
  subscribe(0, 5);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer_all(VerdictKind::kUnavailable);
  record_all();
  const Steered steered = steer(event, kPause);
  EXPECT_EQ(steered.jobs[0].retrying, 5u);
  EXPECT_EQ(steered.jobs[0].not_handed_out, 0u);
  pass(120'000);
  record_all();
  EXPECT_TRUE(provider.open.empty());
  steer(event, kResume);
  turn();
  EXPECT_EQ(provider.open.size(), 5u);
  answer_all();
  record_all();
  EXPECT_EQ(counters(event).accepted, 5u);
}

TEST_F(Steering, PausedEventsTakeNobodysTurn) {
  subscribe(0, 3);
  std::vector<store::EventId> events;
  for (std::size_t i = 0; i < kActiveJobsMax + 6; ++i) events.push_back(publish());
  ScriptedProvider provider;
  start(&provider);
  for (const auto& event : events) ask(event, kPause);
  turn();
  record();
  for (const auto& event : events) EXPECT_EQ(state(event), store::EventState::kPaused);
  const auto last = publish();
  auto jobs = store_->jobs(last);
  dispatcher_->take_up(0, {.job = jobs->front(), .notification = {.title = "hello"}});
  for (int i = 0; i < 10; ++i) {
    pass(10);
    answer_all();
    record();
  }
  EXPECT_EQ(counters(last).accepted, 3u);
}

TEST_F(Steering, AnEventsRateHoldsOverASecondAndIsTakenAwayAgain) {
  subscribe(0, 400);
  const auto event = publish();
  limits_.repeat_bound = 4096;
  ScriptedProvider provider;
  provider.window_size = 0;
  start(&provider);
  steer(event, rate(50));
  provider.window_size = 1'000;
  const std::size_t already = sent();
  EXPECT_EQ(store_->event(event)->rate_per_second, 50u);
  for (int i = 0; i < 100; ++i) {  // a second
    pass(10);
    answer_all();
    record();
  }
  EXPECT_LE(sent() - already, 55u);
  EXPECT_GE(sent() - already, 45u);
  ScriptedProvider after;
  after.window_size = 1'000;
  crash(&after);
  for (int i = 0; i < 100; ++i) {
    pass(10);
    answer_all();
    record();
  }
  EXPECT_LE(sent(), 55u) << "it outlives a restart";
  EXPECT_GE(sent(), 45u);
  steer(event, rate(0));
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 400u);
}

TEST_F(Steering, SoManyEventsHaveARateAndNoMore) {
  subscribe(0, 2);
  std::vector<store::EventId> events;
  for (std::size_t i = 0; i <= kSlowedEventsMax; ++i) events.push_back(publish());
  ScriptedProvider provider;
  provider.window_size = 0;
  start(&provider);
  for (std::size_t i = 0; i < kSlowedEventsMax; ++i) steer(events[i], rate(1));
  EXPECT_EQ(refused(events.back(), rate(1)).kind, Why::kTooMany);
  EXPECT_TRUE(steer(events[0], rate(2)).changed) << "one that has one may have another";
  EXPECT_TRUE(steer(events[0], rate(0)).changed);
  EXPECT_TRUE(steer(events.back(), rate(1)).changed);
}

TEST_F(Steering, SoManyJobsMayBePausedAndNoMore) {
  subscribe(0, 2);
  const auto last = publish();
  const auto beyond = publish();
  ScriptedProvider provider;
  start(&provider);
  // Paused jobs of other events, as they are found at a start: nothing is read for them.
  for (std::size_t i = 0; i + 1 < kPausedJobsMax; ++i) {
    const auto byte = [&](int shift) { return static_cast<std::uint8_t>(i >> shift); };
    store::Job job{.key = {store::EventId{1, byte(8), byte(0)}, store::Platform::kApns},
                   .app = "video",
                   .expires_ms = now_.calendar_ms + 3'600'000,
                   .state = store::EventState::kPaused};
    job.counters.targeted = 1;
    dispatcher_->take_up(0, {.job = std::move(job), .notification = {.title = title_}});
  }
  for (std::size_t i = 0; i <= kPausedJobsMax / kActiveJobsMax; ++i) turn();
  EXPECT_TRUE(steer(last, kPause).changed);
  EXPECT_FALSE(steer(last, kPause).changed) << "it is one of them";
  EXPECT_EQ(refused(beyond, kPause).kind, Why::kTooMany);
  EXPECT_NE(state(beyond), store::EventState::kPaused);
  EXPECT_TRUE(steer(last, kResume).changed);
  EXPECT_TRUE(steer(beyond, kPause).changed);
  EXPECT_EQ(refused(last, kPause).kind, Why::kTooMany);
}

TEST_F(Steering, AnUnknownEventIsNotHere) {
  ScriptedProvider provider;
  start(&provider);
  EXPECT_EQ(refused(store::EventId{}, kPause).kind, Why::kFinished);
}

TEST_F(Steering, WishesAreRefusedWhenTheFanOutEnds) {
  subscribe(0, 2);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  ask(event, kPause);
  dispatcher_->refuse_steering({.kind = Why::kDraining, .message = "over"});
  ASSERT_TRUE(answer_);
  EXPECT_EQ(answer_->error().kind, Why::kDraining);
}

TEST_F(Steering, WhateverIsWishedAndWheneverItCrashesNobodyIsLostAndTheBoundHolds) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  subscribe(0, 400);
  const auto event = publish();
  std::map<std::string, int> times_sent;
  std::size_t crashes = 0;
  for (bool done = false; !done; ++crashes) {
    ScriptedProvider provider;
    start(&provider);
    if (crashes >= 15 && state(event) == store::EventState::kPaused) steer(event, kResume);
    const int steps = crashes < 15 ? static_cast<int>(random() % 80) : 100'000;
    for (int step = 0; step < steps && dispatcher_->jobs() > 0; ++step) {
      const auto dice = static_cast<unsigned>(random() % 12);
      if (dice < 2) {
        ask(event, crashes < 15 && dice == 0 ? kPause : kResume);
      } else if (dice == 2 && random() % 10 == 0) {
        fail_records_ = 1;
      } else if (dice < 5) {
        pass(static_cast<std::int64_t>(random() % 20));
      } else if (dice < 7) {
        record();
      } else {
        for (std::size_t n = random() % 10; n > 0 && !provider.open.empty(); --n) {
          const bool yes = random() % 6 != 0;
          answer({.kind = yes ? VerdictKind::kAccepted : VerdictKind::kUnavailable},
                 random() % provider.open.size());
        }
      }
      ASSERT_LE(dispatcher_->uncovered(), limits_.repeat_bound);
      if (provider.open.empty()) pass(500);
    }
    done = dispatcher_->jobs() == 0;
    for (const auto& [token, times] : provider.times_sent) times_sent[token] += times;
    const store::Counters seen = counters(event);
    ASSERT_EQ(seen.targeted, 400u);
    ASSERT_LE(seen.settled(), 400u);
  }
  EXPECT_EQ(times_sent.size(), 400u);
  EXPECT_EQ(counters(event).accepted + counters(event).dead_lettered, 400u);
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_steering_test
