#include "relay/fanout/dispatcher.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <random>

#include "relay/fanout/event_id.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/fanout/scripted_provider.h"

namespace carillon::fanout {
namespace {

using push::Verdict;
using push::VerdictKind;

constexpr std::int64_t kStart = 1'700'000'000'000;

// A tiny language: an audience on a real store, a provider whose answers the test gives, and time
// that moves by hand. `crash` forgets everything that is not in the store.
class DispatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dispatcher-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open_store();
    limits_.repeat_bound = 64;
    limits_.batch_devices = 16;
    limits_.checkpoint_interval_ms = 10;
    limits_.retry_first_ms = 1'000;
  }
  void TearDown() override {
    dispatcher_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open_store() {
    auto store = store::open_sqlite_store({.path = folder_ / "test.db", .create = true});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  static std::string token(int device) { return fmt::format("{:064x}", device); }

  void subscribe(int from, int to, std::string_view topic = "news") {
    std::vector<std::string> names, tokens;
    for (int i = from; i < to; ++i) {
      names.push_back("d-" + std::to_string(i));
      tokens.push_back(token(i));
    }
    const std::string_view topics[] = {topic};
    std::vector<store::DeviceRegistration> devices;
    for (std::size_t i = 0; i < names.size(); ++i) {
      devices.push_back({.app = "video",
                         .device = names[i],
                         .platform = store::Platform::kApns,
                         .token = tokens[i],
                         .subscriber = names[i],
                         .topics = topics});
    }
    auto stored = store_->put_devices(devices, now_.calendar_ms);
    ASSERT_TRUE(stored) << stored.error().message;
    now_.calendar_ms += 1'000;
  }

  store::EventId publish(std::string topic = "news", std::int64_t ttl_ms = 3'600'000,
                         std::uint8_t priority = 2) {
    const store::EventId id = make_event_id(now_.calendar_ms, {++events_});
    auto accepted = store_->accept({.id = id,
                                    .app = "video",
                                    .audience = {.topics = {topic}},
                                    .content = "{}",
                                    .priority = priority,
                                    .accepted_ms = now_.calendar_ms,
                                    .expires_ms = now_.calendar_ms + ttl_ms});
    EXPECT_TRUE(accepted) << accepted.error().message;
    return id;
  }

  // A fresh dispatcher that takes up what the store says is unfinished.
  void start(ScriptedProvider* provider) {
    provider_ = provider;
    fail_records_ = 0;
    pending_record_.reset();
    dispatcher_ = std::make_unique<Dispatcher>(
        *store_, limits_,
        [this](std::vector<store::Checkpoint> checkpoints, std::int64_t) {
          pending_record_ = std::move(checkpoints);
        },
        7);
    const std::size_t lane = dispatcher_->add_lane(provider, &totals_);
    ASSERT_EQ(lane, 0u);
    auto jobs = store_->unfinished_jobs();
    ASSERT_TRUE(jobs) << jobs.error().message;
    for (store::Job& job : *jobs) {
      dispatcher_->take_up(0, {.job = std::move(job), .notification = {.title = title_}});
    }
  }
  void crash(ScriptedProvider* provider) { start(provider); }

  void turn() { wish_ = dispatcher_->turn(now_); }
  void pass(std::int64_t ms) {
    now_.calendar_ms += ms;
    now_.monotonic_ms += ms;
    turn();
  }
  // Lets the store do what it was asked to record, if anything.
  bool record() {
    if (!pending_record_) return false;
    auto checkpoints = std::move(*pending_record_);
    pending_record_.reset();
    store::Result<void> result;
    if (fail_records_ > 0) {
      --fail_records_;
      result = tl::unexpected(store::Error{store::Error::Kind::kFull, "no space"});
    } else {
      std::promise<store::Result<void>> done;
      store_->record(std::move(checkpoints), now_.calendar_ms,
                     [&](store::Result<void> recorded) { done.set_value(std::move(recorded)); });
      result = done.get_future().get();
      EXPECT_TRUE(result) << result.error().message;
    }
    dispatcher_->on_recorded(result, now_);
    return true;
  }
  void record_all() {
    do {
      pass(10);
    } while (record());
  }
  void answer(Verdict verdict, std::size_t which = 0) {
    verdict.tag = provider_->open[which].tag;
    provider_->open.erase(provider_->open.begin() + static_cast<std::ptrdiff_t>(which));
    dispatcher_->on_verdicts(0, std::span(&verdict, 1), now_);
  }
  void answer_all(VerdictKind kind = VerdictKind::kAccepted) {
    while (!provider_->open.empty()) answer({.kind = kind, .reason = "Because"});
  }
  // Until nothing is left to do, everybody saying yes.
  void run_to_the_end() {
    for (int i = 0; i < 100'000 && dispatcher_->jobs() > 0; ++i) {
      turn();
      answer_all();
      record();
      pass(10);
    }
    ASSERT_EQ(dispatcher_->jobs(), 0u);
  }
  store::Counters counters(const store::EventId& id) {
    auto event = store_->event(id);
    EXPECT_TRUE(event) << event.error().message;
    store::Counters sum;
    for (const auto& job : event->jobs) {
      sum.targeted += job.counters.targeted;
      sum.accepted += job.counters.accepted;
      sum.rejected += job.counters.rejected;
      sum.expired += job.counters.expired;
      sum.suppressed += job.counters.suppressed;
      sum.dead_lettered += job.counters.dead_lettered;
    }
    return sum;
  }
  store::EventState state(const store::EventId& id) { return store_->event(id)->state; }
  store::Job job(const store::EventId& id) { return store_->jobs(id)->front(); }

  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
  config::Fanout limits_;
  Now now_{.calendar_ms = kStart, .monotonic_ms = 1'000};
  std::uint8_t events_ = 0;
  std::string title_ = "hello";
  LaneTotals totals_;
  ScriptedProvider* provider_ = nullptr;
  std::optional<std::vector<store::Checkpoint>> pending_record_;
  int fail_records_ = 0;
  std::int64_t wish_ = 0;
  std::unique_ptr<Dispatcher> dispatcher_;
};

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
  EXPECT_EQ(provider.times_sent.size(), limits_.repeat_bound);
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
  pass(10'001);
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

TEST_F(DispatcherTest, ADeadTokenRemovesItsDeviceUnlessItRegisteredAgainSince) {
  subscribe(0, 2);
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  ASSERT_EQ(provider.open.size(), 2u);
  now_.calendar_ms += 5'000;
  const std::string renewed = token(77);
  ASSERT_TRUE(store_->put_device({.app = "video",
                                  .device = "d-1",
                                  .platform = store::Platform::kApns,
                                  .token = renewed,
                                  .subscriber = "d-1"},
                                 now_.calendar_ms));
  now_.calendar_ms += 5'000;
  while (!provider.open.empty()) {
    answer({.kind = VerdictKind::kTokenDead,
            .since_ms = std::chrono::milliseconds(now_.calendar_ms),
            .reason = "Unregistered"});
  }
  run_to_the_end();
  EXPECT_FALSE(store_->device("video", "d-0"));
  ASSERT_TRUE(store_->device("video", "d-1")) << "it has a token that the answer is not about";
  EXPECT_EQ(store_->device("video", "d-1")->token, renewed);
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

}  // namespace
}  // namespace carillon::fanout
