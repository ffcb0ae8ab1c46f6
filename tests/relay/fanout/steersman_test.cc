// Wishes of other threads: through the inbox and back, and replays through the store.
#include "relay/fanout/steersman.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "relay/fanout/event_id.h"
#include "relay/fanout/notification_codec.h"
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::steersman_test {
namespace {

using Why = SteeringRefusal::Kind;

class SteersmanTest : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    steersman_ = std::make_unique<Steersman>(
        *store_, inbox_,
        [this] {
          return std::chrono::system_clock::time_point(std::chrono::milliseconds(now_.calendar_ms));
        },
        [this](const std::string& app, store::Platform) {
          return app == app_ ? std::optional<std::size_t>(3) : std::nullopt;
        },
        std::chrono::seconds(60));
  }
  // The fan-out's side: answers the next wish.
  std::jthread answering(SteeringResult result) {
    return std::jthread([this, result = std::move(result)] {
      Inbox::Contents taken;
      inbox_.take(taken, std::chrono::steady_clock::now() + std::chrono::seconds(60));
      for (SteeringRequest& request : taken.steering) {
        asked_ = request.wish.kind;
        request.done(result);
      }
    });
  }
  store::EventId publish_real() {
    const store::EventId id = make_event_id(now_.calendar_ms, {0, 0, 0, 1});
    EXPECT_TRUE(store_->accept({.id = id,
                                .app = "video",
                                .audience = {.topics = {"news"}},
                                .content = encode_content({.title = "hello"}, false),
                                .accepted_ms = now_.calendar_ms,
                                .expires_ms = now_.calendar_ms + 60'000}));
    return id;
  }
  void record_one(store::Checkpoint checkpoint) {
    std::promise<store::Result<void>> done;
    store_->record({std::move(checkpoint)}, now_.calendar_ms,
                   [&](store::Result<void> result) { done.set_value(std::move(result)); });
    const auto result = done.get_future().get();
    ASSERT_TRUE(result) << result.error().message;
  }
  // All of its devices were given up.
  void complete_dead_lettered(const store::EventId& id, std::uint64_t devices) {
    store::Checkpoint last{.job = {id, store::Platform::kApns}};
    auto scan = store_->scan(last.job);
    store::DevicePage page;
    ASSERT_TRUE((*scan)->read(0, 100, page));
    ASSERT_EQ(page.devices.size(), devices);
    for (const auto& device : page.devices) {
      last.failures.push_back({.position = device.position,
                               .outcome = store::Failure::Outcome::kDeadLettered,
                               .reason = "Unavailable"});
    }
    last.cursor = page.through;
    last.added.dead_lettered = devices;
    last.reasons = {{"Unavailable", devices}};
    last.exhausted = true;
    last.state = store::EventState::kCompleted;
    record_one(std::move(last));
  }

  Inbox inbox_;
  std::string app_ = "video";
  std::unique_ptr<Steersman> steersman_;
  std::optional<Wish::Kind> asked_;
};

TEST_F(SteersmanTest, AWishGoesToTheFanOutAndItsAnswerComesBack) {
  const auto fan_out = answering(Steered{.changed = true, .at_ms = 5, .jobs = {}});
  const auto steered = steersman_->steer({}, {.kind = Wish::Kind::kPause});
  ASSERT_TRUE(steered);
  EXPECT_EQ(steered->at_ms, 5);
  EXPECT_EQ(asked_, Wish::Kind::kPause);
}

TEST_F(SteersmanTest, SaysOfAnEventThatDoesNotRunWhatItKnows) {
  subscribe(0, 3);
  const auto ask = [&](const store::EventId& id, Wish::Kind kind) {
    const auto fan_out = answering(
        tl::unexpected(SteeringRefusal{.kind = Why::kFinished, .message = "it has ended"}));
    return steersman_->steer(id, {.kind = kind});
  };
  EXPECT_EQ(ask(store::EventId{}, Wish::Kind::kPause).error().kind, Why::kUnknownEvent);
  const auto event = publish_real();
  EXPECT_EQ(ask(event, Wish::Kind::kPause).error().kind, Why::kBusy) << "it is not taken up yet";
  record_one({.job = {event, store::Platform::kApns}, .state = store::EventState::kCancelled});
  EXPECT_EQ(ask(event, Wish::Kind::kPause).error().kind, Why::kFinished);
  const auto again = ask(event, Wish::Kind::kCancel);
  ASSERT_TRUE(again) << "whoever did not hear the first answer asks again";
  EXPECT_FALSE(again->changed);
}

TEST_F(SteersmanTest, AWishThatIsNotRecordedInTimeIsGivenUpAndItsAnswerHarmsNobody) {
  EXPECT_EQ(kSteeringWaitMs, 10'000) << "as the API's readers are told";
  Steersman hasty(
      *store_, inbox_, [] { return std::chrono::system_clock::time_point(); },
      [](const std::string&, store::Platform) { return std::optional<std::size_t>(0); },
      std::chrono::milliseconds(1));
  const auto given_up = hasty.steer(store::EventId{7}, {.kind = Wish::Kind::kPause});
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().kind, Why::kStoreFailed);
  Inbox::Contents taken;
  inbox_.take(taken, std::chrono::steady_clock::now());
  ASSERT_EQ(taken.steering.size(), 1u) << "the wish is not taken back";
  taken.steering.front().done(Steered{.changed = true});
}

TEST_F(SteersmanTest, AReplayedEventIsTakenUpWithItsRetries) {
  subscribe(0, 3);
  const auto event = publish_real();
  complete_dead_lettered(event, 3);
  const auto replayed = steersman_->replay(event, {.dead_lettered = true}, {});
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->taken, 3u);
  Inbox::Contents taken;
  inbox_.take(taken, std::chrono::steady_clock::now());
  ASSERT_EQ(taken.started.size(), 1u);
  EXPECT_EQ(taken.started[0].lane, 3u);
  const JobStart& start = taken.started[0].start;
  EXPECT_EQ(start.job.retries, 3u);
  EXPECT_EQ(start.notification.title, "hello");
  EXPECT_EQ(start.notification.event_id, to_string(event));
}

TEST_F(SteersmanTest, AReplayIsRefusedWithTheReason) {
  subscribe(0, 3);
  EXPECT_EQ(steersman_->replay({}, {.expired = true}, {}).error().kind, Why::kUnknownEvent);
  const auto event = publish_real();
  EXPECT_EQ(steersman_->replay(event, {.expired = true}, {}).error().kind, Why::kNotCompleted);
  complete_dead_lettered(event, 3);
  app_ = "another";
  EXPECT_EQ(steersman_->replay(event, {.dead_lettered = true}, {}).error().kind, Why::kUnknownApp);
  app_ = "video";
  now_.calendar_ms += 60'000;
  EXPECT_EQ(steersman_->replay(event, {.dead_lettered = true}, {}).error().kind, Why::kExpired);
  const auto replayed =
      steersman_->replay(event, {.dead_lettered = true}, std::chrono::seconds(10));
  ASSERT_TRUE(replayed);
  EXPECT_EQ(store_->event(event)->expires_ms, now_.calendar_ms + 10'000);
}

TEST_F(SteersmanTest, NobodyIsAskedWhileTheRelayShutsDown) {
  steersman_->drain();
  EXPECT_EQ(steersman_->steer({}, {}).error().kind, Why::kDraining);
  EXPECT_EQ(steersman_->replay({}, {}, {}).error().kind, Why::kDraining);
}

// The whole way of a replay: given up, taken back, sent with the identity of the first attempt.
TEST_F(SteersmanTest, WhatWasGivenUpReachesItsDeviceWithTheSameIdentity) {
  subscribe(0, 4);
  const auto event = publish_real();
  limits_.attempts_max = 1;
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer_all(push::VerdictKind::kUnavailable);
  record_all();
  ASSERT_EQ(counters(event).dead_lettered, 4u);
  ASSERT_EQ(state(event), store::EventState::kCompleted);
  ASSERT_TRUE(steersman_->replay(event, {.dead_lettered = true}, {}));
  Inbox::Contents taken;
  inbox_.take(taken, std::chrono::steady_clock::now());
  dispatcher_->take_up(0, std::move(taken.started.at(0).start));
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 4u);
  EXPECT_EQ(counters(event).dead_lettered, 0u);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  for (const auto& [token, ids] : provider.identities) EXPECT_EQ(ids.size(), 1u) << token;
}

}  // namespace
}  // namespace carillon::fanout::steersman_test
