// What every implementation of storage/store.h has to keep of those who take charge of an event:
// pauses, cancels, rates and replays are durable, and the counters add up all the time.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/storage/store_fixture.h"

namespace carillon::store::control_contract_test {
namespace {

class StoreControl : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    reopen();
    for (int i = 0; i < 10; ++i) {
      const std::string n = std::to_string(i), device = "d-" + n, token = "a" + n, user = "u-" + n;
      const std::string_view topics[] = {"news"};
      ASSERT_TRUE(store_->put_device({.app = "video",
                                      .device = device,
                                      .platform = Platform::kApns,
                                      .token = token,
                                      .subscriber = user,
                                      .topics = topics},
                                     1000));
    }
    NewEvent event{.id = event_id(1), .app = "video", .audience = {.topics = {"news"}}};
    event.content = "content";
    event.accepted_ms = 500;
    event.expires_ms = 90'000;
    ASSERT_TRUE(store_->accept(event));
    devices_ = scan_all(*store_, key());
    ASSERT_EQ(devices_.size(), 10u);
  }
  void TearDown() override {
    const Counters& counters = stored().counters;
    EXPECT_EQ(counters.targeted, counters.settled() + counters.pending());
    store_.reset();
    const auto problems = GetParam().check(folder_.file(""));
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  void reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.file(""));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  static JobKey key() { return {event_id(1), Platform::kApns}; }
  DevicePosition at(std::size_t i) const { return devices_[i].position; }
  Checkpoint checkpoint(std::size_t through) const {
    return {.job = key(), .cursor = through ? at(through - 1) : 0};
  }
  Job stored() {
    const auto jobs = store_->jobs(event_id(1));
    EXPECT_TRUE(jobs && jobs->size() == 1);
    return jobs->front();
  }
  EventState state() { return store_->event(event_id(1))->state; }
  Failure failed(std::size_t i, Failure::Outcome outcome, std::string reason, bool dead = false) {
    return {.position = at(i),
            .outcome = outcome,
            .reason = std::move(reason),
            .attempts = 3,
            .at_ms = 700,
            .token_dead = dead};
  }
  // 0..3 accepted, 4..5 dead-lettered, 6 expired, 7 refused, 8 dead, 9 expired and counted only.
  void complete() {
    Checkpoint last = checkpoint(10);
    last.added = {.accepted = 4, .rejected = 2, .expired = 2, .dead_lettered = 2};
    last.failures = {failed(4, Failure::Outcome::kDeadLettered, "Unavailable"),
                     failed(5, Failure::Outcome::kDeadLettered, "Internal"),
                     failed(6, Failure::Outcome::kExpired, "Unavailable"),
                     failed(7, Failure::Outcome::kRejected, "PayloadTooLarge"),
                     failed(8, Failure::Outcome::kRejected, "Unregistered", true)};
    last.reasons = {{"Unavailable", 2},
                    {"Internal", 1},
                    {"PayloadTooLarge", 1},
                    {"Unregistered", 1},
                    {"Expired", 1}};
    last.exhausted = true;
    last.state = EventState::kCompleted;
    ASSERT_TRUE(record_now(*store_, {last}));
  }
  std::uint64_t reason(const std::string& name) {
    const auto event = store_->event(event_id(1));
    for (const auto& one : event->reasons) {
      if (one.reason == name) return one.count;
    }
    return 0;
  }
  std::vector<DevicePosition> due(std::int64_t now_ms) {
    std::vector<DevicePosition> positions;
    const auto found = store_->due_retries(key(), now_ms, 100, {});
    for (const DueRetry& one : found->due) positions.push_back(one.retry.position);
    std::sort(positions.begin(), positions.end());
    return positions;
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
  std::vector<ScannedDevice> devices_;
};

TEST_P(StoreControl, APausedEventIsPausedAfterARestartAndStillUnfinished) {
  Checkpoint pause = checkpoint(3);
  pause.added.accepted = 3;
  pause.state = EventState::kPaused;
  ASSERT_TRUE(record_now(*store_, {pause}));
  reopen();
  EXPECT_EQ(state(), EventState::kPaused);
  ASSERT_EQ(store_->unfinished_jobs()->size(), 1u);
  EXPECT_EQ(store_->unfinished_jobs()->front().state, EventState::kPaused);
  EXPECT_EQ(stored().counters.pending(), 7u);
  ASSERT_TRUE(record_now(*store_, {checkpoint(3)}));
  EXPECT_EQ(state(), EventState::kRunning);
}

TEST_P(StoreControl, AnEventsRateIsKeptUntilItIsTakenAway) {
  Checkpoint slow = checkpoint(0);
  slow.rate_per_second = 500;
  ASSERT_TRUE(record_now(*store_, {slow}));
  ASSERT_TRUE(record_now(*store_, {checkpoint(1)}));
  reopen();
  EXPECT_EQ(store_->event(event_id(1))->rate_per_second, 500u);
  EXPECT_EQ(stored().rate_per_second, 500u);
  Checkpoint fast = checkpoint(1);
  fast.rate_per_second = 0;
  ASSERT_TRUE(record_now(*store_, {fast}));
  EXPECT_EQ(stored().rate_per_second, 0u);
}

TEST_P(StoreControl, ACancelLeavesThoseWhoseAnswersAreStillToCome) {
  Checkpoint cancel = checkpoint(2);
  cancel.added.accepted = 2;
  cancel.retries = {{.position = at(5), .due_ms = 1, .attempts = 1, .reason = "r"}};
  cancel.cancel_all_but = 3;
  ASSERT_TRUE(record_now(*store_, {cancel}));
  reopen();
  EXPECT_TRUE(stored().cancelling);
  EXPECT_EQ(stored().counters.cancelled, 5u);
  EXPECT_EQ(stored().counters.pending(), 3u);
  EXPECT_EQ(stored().retries, 0u);
  EXPECT_TRUE(due(1'000'000).empty());
  EXPECT_EQ(state(), EventState::kRunning);
  Checkpoint answered = checkpoint(3);
  answered.added.accepted = 1;
  ASSERT_TRUE(record_now(*store_, {answered}));
  EXPECT_TRUE(stored().cancelling);
  Checkpoint completes = checkpoint(3);
  completes.exhausted = true;
  completes.state = EventState::kCompleted;
  EXPECT_FALSE(record_now(*store_, {completes})) << "it was cancelled";
  Checkpoint last = checkpoint(3);
  last.state = EventState::kCancelled;
  ASSERT_TRUE(record_now(*store_, {last}));
  EXPECT_EQ(state(), EventState::kCancelled);
  EXPECT_FALSE(stored().cancelling);
  EXPECT_EQ(stored().counters.accepted, 3u);
  EXPECT_EQ(stored().counters.cancelled, 7u);
}

TEST_P(StoreControl, ACancelCannotLeaveMoreThanArePending) {
  Checkpoint cancel = checkpoint(2);
  cancel.added.accepted = 2;
  cancel.cancel_all_but = 9;
  EXPECT_FALSE(record_now(*store_, {cancel}));
  EXPECT_EQ(stored().counters.accepted, 0u) << "nothing of it was applied";
  cancel.cancel_all_but = 8;
  EXPECT_TRUE(record_now(*store_, {cancel}));
  EXPECT_EQ(stored().counters.cancelled, 0u);
}

TEST_P(StoreControl, AReplayMakesFailuresPendingAgainAndTheCountersGoBack) {
  complete();
  const auto replayed =
      store_->replay(event_id(1), {.expired = true, .dead_lettered = true}, 5'000);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->taken, 3u);
  EXPECT_EQ(replayed->counted_only, 1u) << "an expired one has no row";
  ASSERT_EQ(replayed->jobs.size(), 1u);
  EXPECT_EQ(replayed->jobs[0].retries, 3u);
  reopen();
  EXPECT_EQ(state(), EventState::kRunning);
  EXPECT_EQ(stored().counters.pending(), 3u);
  EXPECT_EQ(stored().counters.dead_lettered, 0u);
  EXPECT_EQ(stored().counters.expired, 1u);
  EXPECT_EQ(stored().counters.rejected, 2u);
  EXPECT_EQ(reason("Unavailable"), 0u);
  EXPECT_EQ(reason("Internal"), 0u);
  EXPECT_EQ(reason("Expired"), 1u);
  EXPECT_EQ(stored().failure_rows, 2u);
  EXPECT_TRUE(stored().exhausted);
  EXPECT_EQ(due(4'999).size(), 0u);
  EXPECT_EQ(due(5'000), (std::vector{at(4), at(5), at(6)}));
  EXPECT_EQ(store_->event(event_id(1))->expires_ms, 90'000);
  // They get their outcome as any other.
  Checkpoint last = checkpoint(10);
  last.added = {.accepted = 2, .dead_lettered = 1};
  last.retries_done = {at(4), at(5), at(6)};
  last.failures = {failed(4, Failure::Outcome::kDeadLettered, "Unavailable")};
  last.reasons = {{"Unavailable", 1}};
  last.exhausted = true;
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}));
  EXPECT_EQ(stored().counters.accepted, 6u);
  EXPECT_EQ(stored().failure_rows, 3u);
  EXPECT_EQ(state(), EventState::kCompleted);
}

TEST_P(StoreControl, AReplayTakesWhatItsReasonsAndItsPlatformName) {
  complete();
  const ReplayWish internal{.dead_lettered = true, .reasons = {"Internal", "Other"}};
  ReplayWish elsewhere = internal;
  elsewhere.platform = Platform::kFcm;
  EXPECT_EQ(store_->replay(event_id(1), elsewhere, 5'000)->taken, 0u);
  EXPECT_EQ(state(), EventState::kCompleted) << "with nothing to take nothing changes";
  const auto replayed = store_->replay(event_id(1), internal, 5'000);
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->taken, 1u);
  EXPECT_EQ(due(5'000), std::vector{at(5)});
  EXPECT_EQ(stored().counters.dead_lettered, 1u);
}

TEST_P(StoreControl, AReplayNeverTakesADeadToken) {
  complete();
  const auto replayed = store_->replay(event_id(1), {.rejected = true}, 5'000);
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->taken, 1u);
  EXPECT_EQ(replayed->token_dead, 1u);
  EXPECT_EQ(due(5'000), std::vector{at(7)});
  EXPECT_EQ(reason("Unregistered"), 1u);
}

TEST_P(StoreControl, AReplayNeedsACompletedEventThatIsStillWorthSending) {
  EXPECT_EQ(store_->replay(event_id(1), {.expired = true}, 5'000).error().kind,
            Error::Kind::kInvalid)
      << "it runs";
  EXPECT_EQ(store_->replay(event_id(9), {.expired = true}, 5'000).error().kind,
            Error::Kind::kNotFound);
  complete();
  EXPECT_EQ(store_->replay(event_id(1), {.expired = true}, 90'000).error().kind,
            Error::Kind::kInvalid);
  const auto replayed =
      store_->replay(event_id(1), {.expired = true, .expires_ms = 95'000}, 90'000);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->taken, 1u);
  EXPECT_EQ(stored().expires_ms, 95'000);
  EXPECT_FALSE(store_->replay(event_id(1), {.dead_lettered = true}, 90'001)) << "it runs again";
}

TEST_P(StoreControl, WhoLeftSinceIsNotInAReplaysRetries) {
  complete();
  ASSERT_TRUE(store_->erase_subscriber("video", "u-4"));
  ASSERT_TRUE(store_->replay(event_id(1), {.dead_lettered = true}, 5'000));
  const auto found = store_->due_retries(key(), 5'000, 100, {});
  ASSERT_EQ(found->due.size(), 2u);
  for (const DueRetry& one : found->due) {
    EXPECT_EQ(one.token.empty(), one.retry.position == at(4));
  }
}

TEST_P(StoreControl, AnEventToNamesAndATopicIsReplayedToThem) {
  NewEvent event{.id = event_id(2),
                 .app = "video",
                 .audience = {.topics = {"others"}, .subscribers = {"u-1", "u-2"}}};
  event.content = "content";
  event.accepted_ms = 500;
  event.expires_ms = 90'000;
  ASSERT_TRUE(store_->accept(event));
  const JobKey job{event_id(2), Platform::kApns};
  const auto devices = scan_all(*store_, job);
  ASSERT_EQ(devices.size(), 2u);
  Checkpoint last{.job = job, .cursor = devices[1].position};
  last.added = {.dead_lettered = 2};
  last.reasons = {{"Unavailable", 2}};
  for (const auto& device : devices) {
    last.failures.push_back({.position = device.position,
                             .outcome = Failure::Outcome::kDeadLettered,
                             .reason = "Unavailable"});
  }
  last.exhausted = true;
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}));
  ASSERT_EQ(store_->replay(event_id(2), {.dead_lettered = true}, 5'000)->taken, 2u);
  const auto found = store_->due_retries(job, 5'000, 100, {});
  ASSERT_EQ(found->due.size(), 2u);
  for (const DueRetry& one : found->due) EXPECT_FALSE(one.token.empty());
}

INSTANTIATE_TEST_SUITE_P(Implementations, StoreControl, testing::Values(sqlite_factory()),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace carillon::store::control_contract_test
