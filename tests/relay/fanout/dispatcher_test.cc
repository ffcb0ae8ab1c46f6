#include "relay/fanout/dispatcher.h"

#include <random>

#include "storage/event_report.h"
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout {
namespace {

using push::Verdict;
using push::VerdictKind;

TEST_F(DispatcherTest, HandsEveryDeviceOutOnceAndAccountsForIt) {
  subscribe(0, 1'000);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  run_to_the_end();
  EXPECT_EQ(provider.times_sent.size(), 1'000u);
  for (const auto& [token, times] : provider.times_sent) EXPECT_EQ(times, 1) << token;
  EXPECT_EQ(counters(event).accepted, 1'000u);
  EXPECT_EQ(counters(event).pending(), 0u);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

TEST_F(DispatcherTest, NeverHandsOutMoreThanTheBoundBeyondWhatIsRecorded) {
  subscribe(0, 1'000);
  publish();
  ScriptedProvider provider;
  provider.window_size = 100'000;
  start(&provider);
  for (int i = 0; i < 50; ++i) {
    pass(100);
    answer_all();  // answered, but the store never comes back
    ASSERT_LE(dispatcher_->uncovered(), limits_.repeat_bound);
  }
  EXPECT_EQ(provider.times_sent.size(), limits_.repeat_bound - limits_.repeat_bound / kUrgentPart)
      << "what is left is for urgent events";
}

TEST_F(DispatcherTest, HandsOutNoMoreThanTheProvidersWindowAllows) {
  subscribe(0, 100);
  publish();
  ScriptedProvider provider;
  provider.window_size = 4;
  start(&provider);
  turn();
  EXPECT_LE(provider.open.size(), 6u) << "one and a half windows: the next half is on its way";
  EXPECT_GE(provider.open.size(), 4u);
}

TEST_F(DispatcherTest, AfterACrashNothingIsLostAndRepeatsStayWithinTheBound) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  subscribe(0, 600);
  const auto event = publish();
  std::map<std::string, int> times_sent;
  std::map<std::string, std::set<std::array<std::uint8_t, 16>>> identities;
  int crashes = 0;
  for (bool done = false; !done; ++crashes) {
    ScriptedProvider provider;
    start(&provider);
    const int steps = crashes < 12 ? static_cast<int>(random() % 60) : 100'000;
    for (int step = 0; step < steps && dispatcher_->jobs() > 0; ++step) {
      switch (random() % 4) {
        case 0:
          pass(static_cast<std::int64_t>(random() % 20));
          break;
        case 1:
          record();
          break;
        default:
          for (std::size_t n = random() % 10; n > 0 && !provider.open.empty(); --n) {
            const bool yes = random() % 5 != 0;
            answer({.kind = yes ? VerdictKind::kAccepted : VerdictKind::kUnavailable},
                   random() % provider.open.size());
          }
      }
      // Retries come due only when time passes.
      if (provider.open.empty()) pass(500);
    }
    done = dispatcher_->jobs() == 0;
    for (const auto& [token, times] : provider.times_sent) times_sent[token] += times;
    for (const auto& [token, ids] : provider.identities) {
      identities[token].insert(ids.begin(), ids.end());
    }
    const store::Counters seen = counters(event);
    ASSERT_EQ(seen.targeted, 600u);
    ASSERT_LE(seen.settled(), 600u);
  }
  EXPECT_EQ(times_sent.size(), 600u) << "after " << crashes << " starts";
  for (const auto& [token, ids] : identities) EXPECT_EQ(ids.size(), 1u) << token;
  const store::Counters end = counters(event);
  EXPECT_EQ(end.accepted + end.dead_lettered, 600u);
  EXPECT_EQ(end.pending(), 0u);
}

TEST_F(DispatcherTest, ARestartRepeatsNoMoreThanTheBoundAllows) {
  subscribe(0, 600);
  publish();
  ScriptedProvider before;
  start(&before);
  for (int i = 0; i < 5; ++i) {
    pass(10);
    answer_all();
    record();
  }
  pass(10);
  answer_all();
  const std::size_t sent_before = before.times_sent.size();
  ScriptedProvider after;
  crash(&after);
  run_to_the_end();
  const std::size_t repeats = sent_before + after.times_sent.size() - 600;
  EXPECT_LE(repeats, limits_.repeat_bound);
  EXPECT_GT(repeats, 0u) << "the last answers were not recorded";
}

TEST_F(DispatcherTest, WhatWasHandedOutLastAndNotAnsweredIsSentAgainAfterACrash) {
  subscribe(0, 10);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  ASSERT_EQ(provider.open.size(), 10u);
  for (int i = 0; i < 5; ++i) answer({.kind = VerdictKind::kAccepted});
  record_all();
  ASSERT_EQ(counters(event).accepted, 5u);
  ScriptedProvider after;
  crash(&after);
  run_to_the_end();
  EXPECT_EQ(after.times_sent.size(), 5u);
  EXPECT_EQ(counters(event).accepted, 10u);
}

TEST_F(DispatcherTest, ARetryIsDurableAndWaitsForItsTimeAcrossARestart) {
  subscribe(0, 3);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer({.kind = VerdictKind::kUnavailable, .retry_after = std::chrono::seconds(30)});
  answer_all();
  record_all();
  EXPECT_EQ(counters(event).accepted, 2u);
  EXPECT_EQ(counters(event).pending(), 1u);

  ScriptedProvider after;
  crash(&after);
  pass(20'000);
  EXPECT_EQ(after.open.size(), 0u);
  pass(10'001 + 30'000 / kRetryAfterSpread);
  ASSERT_EQ(after.open.size(), 1u);
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 3u);
}

TEST_F(DispatcherTest, ADeviceThatIsRetriedTooOftenIsDeadLettered) {
  limits_.attempts_max = 3;
  subscribe(0, 1);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  for (int i = 0; i < 40 && dispatcher_->jobs() > 0; ++i) {
    pass(1'000);
    answer_all(VerdictKind::kUnavailable);
    record();
  }
  EXPECT_EQ(provider.times_sent[token(0)], 3);
  EXPECT_EQ(counters(event).dead_lettered, 1u);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

TEST_F(DispatcherTest, WhoUnsubscribesBeforeTheirTurnIsSuppressedAndWhoComesLaterIsNotReached) {
  subscribe(0, 200);
  const auto event = publish();
  ScriptedProvider provider;
  provider.window_size = 10;
  start(&provider);
  turn();
  ASSERT_TRUE(store_->unsubscribe("video", "news", "d-199"));
  ASSERT_TRUE(store_->erase_device("video", "d-198"));
  subscribe(200, 210);
  run_to_the_end();
  EXPECT_EQ(counters(event).suppressed, 2u);
  EXPECT_EQ(counters(event).accepted, 198u);
  EXPECT_FALSE(provider.times_sent.contains(token(199)));
  EXPECT_FALSE(provider.times_sent.contains(token(205)));
}

TEST_F(DispatcherTest, WhoUnsubscribesWhileARetryWaitsIsSuppressed) {
  subscribe(0, 2);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer_all(VerdictKind::kUnavailable);
  pass(10);
  record();
  ASSERT_TRUE(store_->unsubscribe("video", "news", "d-1"));
  run_to_the_end();
  EXPECT_EQ(counters(event).suppressed, 1u);
  EXPECT_EQ(counters(event).accepted, 1u);
}

TEST_F(DispatcherTest, ADeviceThatAnswersLateDoesNotHoldUpTheCursorAndItsAnswerStillCounts) {
  subscribe(0, 500);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  const ScriptedProvider::Sent late = provider.open.front();
  provider.open.pop_front();
  for (int i = 0; i < 200 && counters(event).accepted < 499; ++i) {
    pass(10);
    answer_all();
    record();
  }
  EXPECT_EQ(counters(event).accepted, 499u);
  EXPECT_LE(job(event).beyond.size(), limits_.repeat_bound);
  EXPECT_EQ(job(event).retries, 1u) << "recorded, in case the relay dies before the answer";
  EXPECT_EQ(counters(event).pending(), 1u);
  provider.open.push_back(late);
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 500u);
  EXPECT_EQ(provider.times_sent[late.token], 1);
}

TEST_F(DispatcherTest, WhatIsNotSentInTimeExpires) {
  subscribe(0, 300);
  const auto event = publish("news", /*ttl_ms=*/60'000);
  ScriptedProvider provider;
  start(&provider);
  turn();
  const std::size_t sent = provider.open.size();
  answer_all();
  now_.calendar_ms += 60'000;
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, sent);
  EXPECT_EQ(counters(event).expired, 300 - sent);
}

TEST_F(DispatcherTest, DevicesOfAPlatformWithoutAProviderAreSuppressedWithTheReason) {
  subscribe(0, 50);
  const auto event = publish();
  start(nullptr);
  for (int i = 0; i < 10; ++i) {
    pass(10);
    record();
  }
  EXPECT_EQ(counters(event).suppressed, 50u);
  EXPECT_EQ(store_->event(event)->reasons.at(0).reason, "NoProvider");
  EXPECT_EQ(store_->explain(event, "d-7")->kind, store::DeviceFate::Kind::kSuppressed);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

TEST_F(DispatcherTest, AnEventThatCannotBeRenderedAnyMoreIsRejectedDeviceByDevice) {
  title_ = "unrenderable";
  subscribe(0, 50);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  for (int i = 0; i < 10; ++i) {
    pass(10);
    record();
  }
  EXPECT_EQ(counters(event).rejected, 50u);
  EXPECT_TRUE(provider.times_sent.empty());
}

TEST_F(DispatcherTest, WhatTheStoreFailedToRecordIsRecordedLaterAndCountedOnce) {
  subscribe(0, 200);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  fail_records_ = 3;
  for (int i = 0; i < 10; ++i) {
    pass(10);
    if (!provider.open.empty()) answer({.kind = VerdictKind::kUnavailable});
    answer_all();
    record();
  }
  EXPECT_EQ(dispatcher_->store_error(), "no space");
  for (int i = 0; i < 30; ++i) {
    pass(500);
    answer_all();
    record();
  }
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 200u);
  EXPECT_EQ(dispatcher_->store_error(), "");
}

TEST_F(DispatcherTest, ASmallEventDoesNotWaitForALargeOneOfTheSamePriority) {
  subscribe(0, 2'000, "large");
  subscribe(2'000, 2'003, "small");
  publish("large");
  ScriptedProvider provider;
  provider.window_size = 20;
  start(&provider);
  turn();
  answer_all();
  record();
  const auto small = publish("small");
  auto jobs = store_->jobs(small);
  dispatcher_->take_up(0, {.job = jobs->front(), .notification = {.title = "small"}});
  for (int i = 0; i < 4; ++i) {
    turn();
    answer_all();
  }
  EXPECT_TRUE(provider.times_sent.contains(token(2'000)));
  EXPECT_LT(provider.times_sent.size(), 300u);
}

TEST_F(DispatcherTest, AThrottledProjectIsGivenNothingUntilItSaid) {
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
  pass(100);
  EXPECT_TRUE(provider.open.empty());
  pass(8'000);
  EXPECT_TRUE(provider.open.empty());
  pass(1'000);
  EXPECT_FALSE(provider.open.empty());
}

TEST_F(DispatcherTest, AnAnswerThatNothingWaitsForIsCountedAndChangesNothing) {
  subscribe(0, 40);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  const auto sent = provider.open;
  ASSERT_EQ(sent.size(), 30u);
  const auto say = [&](std::uint64_t tag, VerdictKind kind) {
    const push::Verdict verdict{.tag = tag, .kind = kind, .status = 599, .reason = "NobodyKnows"};
    dispatcher_->on_verdicts(0, std::span(&verdict, 1), now_);
  };
  answer({.kind = VerdictKind::kAccepted});
  answer({.kind = VerdictKind::kUnavailable});  // to be sent again
  std::uint64_t unexpected = 0;
  for (const VerdictKind kind :
       {VerdictKind::kAccepted, VerdictKind::kTokenDead, VerdictKind::kThrottled}) {
    say(sent[0].tag, kind);
    say(sent[1].tag, kind);
    say(sent.back().tag + 1, kind);         // not handed out yet
    say(sent[0].tag | 1ULL << 39, kind);    // no retry
    say(sent[0].tag + (1ULL << 40), kind);  // no job
    say(~std::uint64_t{0}, kind);
    unexpected += 6;
  }
  EXPECT_EQ(totals_.answers_unexpected, unexpected);
  EXPECT_EQ(dispatcher_->uncovered(), 30u) << "2 answered and not recorded, 28 on their way";
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 40u);
  EXPECT_EQ(totals_.accepted, 40u);
  EXPECT_EQ(totals_.answers_unexpected, unexpected);
  EXPECT_EQ(dispatcher_->uncovered(), 0u);
}

TEST_F(DispatcherTest, AnAnswerForAJobThatHasEndedIsNotTakenForOneOfTheJobAfterIt) {
  subscribe(0, 8);
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  const auto first = provider.open;
  ASSERT_EQ(first.size(), 8u);
  answer({.kind = VerdictKind::kUnavailable});
  run_to_the_end();
  const auto second = publish();
  dispatcher_->take_up(0, {.job = job(second), .notification = {.title = title_}});
  turn();
  ASSERT_EQ(provider.open.size(), 8u);
  EXPECT_EQ(provider.open.front().tag >> 40, first.front().tag >> 40) << "it has the same place";
  for (const auto& sent : first) {
    const push::Verdict late{.tag = sent.tag, .kind = VerdictKind::kTokenDead};
    dispatcher_->on_verdicts(0, std::span(&late, 1), now_);
  }
  EXPECT_EQ(totals_.answers_unexpected, 8u);
  run_to_the_end();
  EXPECT_EQ(counters(second).accepted, 8u);
}

TEST_F(DispatcherTest, DrainingHandsNothingOutAndRecordsWhatIsAnswered) {
  subscribe(0, 200);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  const std::size_t sent = provider.open.size();
  dispatcher_->drain();
  answer_all();
  turn();
  EXPECT_TRUE(provider.open.empty());
  while (record()) turn();
  EXPECT_TRUE(dispatcher_->settled());
  EXPECT_EQ(counters(event).accepted, sent);
}

TEST_F(DispatcherTest, AFailedCheckpointIsTriedAgainSoonWhileDraining) {
  subscribe(0, 10);
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer_all();
  pass(limits_.checkpoint_interval_ms);
  fail_records_ = 2;
  ASSERT_TRUE(record());
  turn();
  ASSERT_FALSE(pending_record_) << "a second has not passed";
  dispatcher_->drain();
  turn();
  ASSERT_TRUE(record()) << "whatever the store said before";
  turn();
  EXPECT_EQ(wish_, now_.monotonic_ms + kDrainRetryMs);
  pass(kDrainRetryMs - 1);
  ASSERT_FALSE(pending_record_);
  pass(1);
  ASSERT_TRUE(record());
  EXPECT_TRUE(dispatcher_->settled());
  EXPECT_EQ(counters(event).accepted, 10u);
}

TEST_F(DispatcherTest, WhatWasRenderedAtAcceptIsRenderedAgainOnlyWhenItHasAged) {
  subscribe(0, 1);
  ScriptedProvider provider;
  start(&provider);
  const auto rendered_at_accept = std::make_shared<const push::RenderedMessage>();
  for (const auto& [age_ms, times] : {std::pair(kRenderedForMs - 1, 0), {kRenderedForMs, 1}}) {
    const auto event = publish();
    provider.times_rendered = 0;
    dispatcher_->take_up(0, {.job = job(event),
                             .notification = {.title = "hello"},
                             .message = rendered_at_accept,
                             .rendered_ms = now_.calendar_ms - age_ms});
    turn();
    EXPECT_EQ(provider.times_rendered, times) << age_ms << " ms";
    run_to_the_end();
  }
}

}  // namespace
}  // namespace carillon::fanout
