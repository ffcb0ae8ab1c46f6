// What every implementation of storage/store.h has to tell of single devices of an event.
#include <gtest/gtest.h>

#include "storage/event_report.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::report_contract_test {
namespace {

using Kind = DeviceFate::Kind;

class StoreReport : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    auto opened = GetParam().open(folder_.file(""));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
    for (int i = 0; i < 10; ++i) put("d-" + std::to_string(i));
    put("phone", Platform::kFcm, "phones");
    accept(1);
    devices_ = scan_all(*store_, key());
    ASSERT_EQ(devices_.size(), 10u);
  }
  void put(const std::string& device, Platform platform = Platform::kApns,
           std::string_view topic = "news", const std::string& token = "",
           std::string_view locale = "") {
    const std::string_view topics[] = {topic};
    const std::string made = token.empty() ? "token of " + device : token;
    const auto stored = store_->put_device({.app = "video",
                                            .device = device,
                                            .platform = platform,
                                            .token = made,
                                            .subscriber = device,
                                            .locale = locale,
                                            .topics = topics},
                                           1000);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  void put_for(const std::string& subscriber, const std::string& device) {
    const auto stored = store_->put_device({.app = "video",
                                            .device = device,
                                            .platform = Platform::kApns,
                                            .token = "token of " + device,
                                            .subscriber = subscriber},
                                           1000);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  void accept(std::uint32_t number, Audience audience = {.topics = {"news"}},
              std::int64_t at_ms = 2000) {
    NewEvent event{.id = event_id(number), .app = "video", .audience = std::move(audience)};
    event.content = "content";
    event.accepted_ms = at_ms;
    event.expires_ms = 90'000;
    ASSERT_TRUE(store_->accept(event));
  }
  static JobKey key(std::uint32_t number = 1) { return {event_id(number), Platform::kApns}; }
  // Through the i'th device: 0 and 1 are accepted, 2 refused, 3 given up, 4 to be tried again.
  Checkpoint checkpoint() const {
    Checkpoint step{.job = key(), .cursor = devices_[4].position};
    step.added = {.accepted = 2, .rejected = 1, .dead_lettered = 1};
    step.reasons = {{"Unregistered", 1}, {"Unavailable", 1}};
    step.failures = {{.position = devices_[2].position,
                      .outcome = Failure::Outcome::kRejected,
                      .reason = "Unregistered",
                      .attempts = 1,
                      .at_ms = 700,
                      .token_dead = true},
                     {.position = devices_[3].position,
                      .outcome = Failure::Outcome::kDeadLettered,
                      .reason = "Unavailable",
                      .attempts = 5,
                      .at_ms = 701}};
    step.retries = {
        {.position = devices_[4].position, .due_ms = 9'000, .attempts = 2, .reason = "Busy"}};
    step.beyond = {devices_[6].position};
    return step;
  }
  // All of the event's audience had its turn; of event 1 with the failures of `checkpoint`.
  void complete(std::uint32_t number = 1) {
    const auto devices = scan_all(*store_, key(number));
    ASSERT_FALSE(devices.empty());
    Checkpoint last{.job = key(number)};
    if (number == 1) {
      last = checkpoint();
      last.retries.clear();
      last.beyond.clear();
    }
    last.cursor = devices.back().position;
    last.added.accepted = devices.size() - last.failures.size();
    last.exhausted = true;
    last.state = EventState::kCompleted;
    ASSERT_TRUE(record_now(*store_, {last}));
  }
  DeviceFate fate(const std::string& device, std::uint32_t number = 1) {
    const auto told = store_->explain(event_id(number), device);
    EXPECT_TRUE(told) << told.error().message;
    return told.value_or(DeviceFate{});
  }
  // The name of the i'th of the audience.
  std::string name(std::size_t i) const {
    return devices_[i].token.substr(std::string("token of ").size());
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
  std::vector<ScannedDevice> devices_;
};

TEST_P(StoreReport, FailuresComeInOrderPageByPage) {
  ASSERT_TRUE(record_now(*store_, {checkpoint()}));
  const auto all = store_->failures(event_id(1), {});
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->failures.size(), 2u);
  EXPECT_FALSE(all->next);
  EXPECT_EQ(all->failures[0].device, name(2));
  EXPECT_EQ(all->failures[0].failure.reason, "Unregistered");
  EXPECT_TRUE(all->failures[0].failure.token_dead);
  EXPECT_EQ(all->failures[1].failure.attempts, 5u);
  const auto first = store_->failures(event_id(1), {.limit = 1});
  ASSERT_EQ(first->failures.size(), 1u);
  ASSERT_TRUE(first->next);
  const auto second = store_->failures(event_id(1), {.after = first->next, .limit = 1});
  ASSERT_EQ(second->failures.size(), 1u);
  EXPECT_EQ(second->failures[0].device, name(3));
  EXPECT_FALSE(second->next);
}

TEST_P(StoreReport, FailuresAreChosenByPlatformAndOutcome) {
  ASSERT_TRUE(record_now(*store_, {checkpoint()}));
  const auto count = [&](FailureQuery query) {
    return store_->failures(event_id(1), query)->failures.size();
  };
  EXPECT_EQ(count({.platform = Platform::kApns}), 2u);
  EXPECT_EQ(count({.platform = Platform::kFcm}), 0u);
  EXPECT_EQ(count({.outcome = Failure::Outcome::kDeadLettered}), 1u);
  EXPECT_EQ(count({.outcome = Failure::Outcome::kExpired}), 0u);
}

TEST_P(StoreReport, APageHasItsLimit) {
  EXPECT_TRUE(store_->failures(event_id(1), {.limit = kFailuresPageMax}));
  EXPECT_EQ(store_->failures(event_id(1), {.limit = kFailuresPageMax + 1}).error().kind,
            Error::Kind::kInvalid);
  EXPECT_EQ(store_->failures(event_id(1), {.limit = 0}).error().kind, Error::Kind::kInvalid);
  EXPECT_EQ(store_->failures(event_id(7), {}).error().kind, Error::Kind::kNotFound);
}

TEST_P(StoreReport, WhoIsGoneHasNoNameAnyMore) {
  ASSERT_TRUE(record_now(*store_, {checkpoint()}));
  ASSERT_TRUE(store_->erase_subscriber("video", name(2)));
  EXPECT_EQ(store_->failures(event_id(1), {})->failures[0].device, "");
  EXPECT_EQ(store_->failures(event_id(1), {})->failures[1].device, name(3));
}

TEST_P(StoreReport, FailuresThatWereOnlyCountedAreToldByTheirNumber) {
  Checkpoint step = checkpoint();
  step.added.expired = 3;
  step.reasons.emplace_back("Expired", 3);
  ASSERT_TRUE(record_now(*store_, {step}));
  EXPECT_EQ(store_->failures(event_id(1), {})->counted_only, 3u);
  EXPECT_EQ(fate(name(0)).counted_only, 3u);
}

TEST_P(StoreReport, RowsAreExactAndTheRestIsDerived) {
  ASSERT_TRUE(record_now(*store_, {checkpoint()}));
  EXPECT_EQ(fate(name(0)).kind, Kind::kAccepted);
  EXPECT_FALSE(fate(name(0)).exact) << "a success has no row";
  const DeviceFate refused = fate(name(2));
  EXPECT_EQ(refused.kind, Kind::kRejected);
  EXPECT_TRUE(refused.exact);
  EXPECT_EQ(refused.reason, "Unregistered");
  EXPECT_EQ(refused.at_ms, 700);
  EXPECT_EQ(fate(name(3)).kind, Kind::kDeadLettered);
  const DeviceFate again = fate(name(4));
  EXPECT_EQ(again.kind, Kind::kPending);
  EXPECT_TRUE(again.exact);
  EXPECT_EQ(again.next_attempt_ms, 9'000);
  EXPECT_EQ(again.attempts, 2u);
  EXPECT_EQ(fate(name(5)).kind, Kind::kPending);
  EXPECT_TRUE(fate(name(5)).exact);
  EXPECT_EQ(fate(name(5)).next_attempt_ms, 0);
  EXPECT_EQ(fate(name(6)).kind, Kind::kAccepted) << "it is beyond the cursor";
}

TEST_P(StoreReport, SaysWhoWasNotInTheAudience) {
  EXPECT_EQ(fate("phone").kind, Kind::kNotInAudience);
  EXPECT_TRUE(fate("phone").exact) << "no device of its platform was";
  EXPECT_EQ(fate("nobody").kind, Kind::kUnknownDevice);
  put("late");
  EXPECT_EQ(fate("late").kind, Kind::kCameLater);
  put("elsewhere", Platform::kApns, "other");
  EXPECT_EQ(fate("elsewhere").kind, Kind::kCameLater) << "registered after the event";
  ASSERT_TRUE(store_->unsubscribe("video", "news", name(5)));
  EXPECT_EQ(fate(name(5)).kind, Kind::kNotInAudience);
  EXPECT_FALSE(fate(name(5)).exact);
  ASSERT_TRUE(store_->subscribe("video", "news", name(5), 3'000));
  EXPECT_EQ(fate(name(5)).kind, Kind::kCameLater) << "it came back";
  ASSERT_TRUE(store_->erase_device("video", name(7)));
  EXPECT_EQ(fate(name(7)).kind, Kind::kUnknownDevice);
}

TEST_P(StoreReport, SaysSinceWhenADeviceIsRemovedAtAProvidersWord) {
  Checkpoint step{.job = key()};
  step.removals = {
      {.position = devices_[7].position, .dead_since_ms = 4'000, .reason = "Unregistered"}};
  ASSERT_TRUE(record_now(*store_, {step}, 5'000));
  EXPECT_EQ(fate(name(7)).kind, Kind::kRemoved);
  EXPECT_EQ(fate(name(7)).at_ms, 5'000);
  EXPECT_EQ(fate(name(7)).reason, "Unregistered");
  EXPECT_EQ(fate(name(7)).platform, Platform::kApns);
  EXPECT_FALSE(fate(name(7)).removed_before);
  EXPECT_FALSE(fate(name(7)).exact) << "by whose answer nobody knows";
  accept(2, {.topics = {"news"}}, 6'000);
  EXPECT_TRUE(fate(name(7), 2).removed_before);
  EXPECT_TRUE(fate(name(7), 2).exact);
  put(name(7), Platform::kApns, "news", "another token");
  EXPECT_EQ(fate(name(7)).kind, Kind::kCameLater);
  ASSERT_TRUE(store_->erase_device("video", name(7)));
  EXPECT_EQ(fate(name(7)).kind, Kind::kUnknownDevice) << "nothing tells of who was erased";
}

TEST_P(StoreReport, SaysWhoIsInQuarantine) {
  Checkpoint step{.job = key()};
  step.quarantined = {{.position = devices_[7].position,
                       .token = {},
                       .dead_since_ms = 4'000,
                       .reason = "Unregistered"}};
  ASSERT_TRUE(record_now(*store_, {step}));
  EXPECT_EQ(fate(name(7)).kind, Kind::kQuarantined);
}

TEST_P(StoreReport, KnowsWhoWasNamedAndWhoSatisfiedACondition) {
  accept(2, {.devices = {name(1)}});
  EXPECT_EQ(fate(name(1), 2).kind, Kind::kPending);
  EXPECT_EQ(fate(name(2), 2).kind, Kind::kNotInAudience);
  accept(3, {.topics = {"news", "other"}});
  EXPECT_EQ(fate(name(1), 3).kind, Kind::kPending);
  put("late");
  EXPECT_EQ(fate("late", 3).kind, Kind::kCameLater);
}

TEST_P(StoreReport, SaysWhoWasCancelledAndWhoHadItsTurnBefore) {
  Checkpoint cancel = checkpoint();
  cancel.state = EventState::kCancelled;
  ASSERT_TRUE(record_now(*store_, {cancel}));
  EXPECT_EQ(fate(name(0)).kind, Kind::kAccepted);
  EXPECT_EQ(fate(name(9)).kind, Kind::kCancelled);
  EXPECT_FALSE(fate(name(9)).exact);
}

TEST_P(StoreReport, ACompletedEventIsStillExplained) {
  complete();
  EXPECT_EQ(fate(name(9)).kind, Kind::kAccepted);
  EXPECT_EQ(fate(name(2)).kind, Kind::kRejected);
  EXPECT_EQ(store_->explain(event_id(9), "d-1").error().kind, Error::Kind::kNotFound);
}

// No event runs when these come, so no mark tells of it.
TEST_P(StoreReport, WhoComesAfterTheEndDidNotGetIt) {
  put("elsewhere", Platform::kApns, "other");
  accept(2);
  complete();
  complete(2);
  put("late");
  EXPECT_EQ(fate("late", 2).kind, Kind::kCameLater);
  EXPECT_TRUE(fate("late", 2).exact) << "its number was given out after the event";
  EXPECT_EQ(fate("late", 1).kind, Kind::kCameLater);
  ASSERT_TRUE(store_->subscribe("video", "news", "elsewhere", 3'000));
  EXPECT_EQ(fate("elsewhere", 2).kind, Kind::kNotKnown) << "when it subscribed is not kept";
  EXPECT_FALSE(fate("elsewhere", 2).exact);
  put_for(name(5), "another phone");
  EXPECT_EQ(fate("another phone", 2).kind, Kind::kNotKnown) << "a second device of who was there";
  EXPECT_EQ(fate(name(6), 2).kind, Kind::kAccepted);
  // A device that only says again what is known of it is as known as before.
  put(name(6));
  EXPECT_EQ(fate(name(6), 2).kind, Kind::kAccepted);
  EXPECT_EQ(fate(name(2), 1).kind, Kind::kRejected) << "rows go before everything";
  accept(3);
  complete(3);
  EXPECT_EQ(fate("elsewhere", 3).kind, Kind::kAccepted) << "it was there by then";
  EXPECT_EQ(fate("another phone", 3).kind, Kind::kAccepted);
  EXPECT_EQ(fate("late", 3).kind, Kind::kAccepted);
}

TEST_P(StoreReport, WhoComesAfterACancelledEventWasNotCancelled) {
  put("elsewhere", Platform::kApns, "other");
  accept(2);
  complete();
  Checkpoint cancel{.job = key(2)};
  cancel.state = EventState::kCancelled;
  ASSERT_TRUE(record_now(*store_, {cancel}));
  put("late");
  ASSERT_TRUE(store_->subscribe("video", "news", "elsewhere", 3'000));
  EXPECT_EQ(fate("late", 2).kind, Kind::kCameLater);
  EXPECT_EQ(fate("elsewhere", 2).kind, Kind::kNotKnown);
  EXPECT_EQ(fate(name(9), 2).kind, Kind::kCancelled);
}

TEST_P(StoreReport, AConditionThatBecameTrueAfterTheEndIsNotTakenForOneThatWas) {
  complete();
  Condition german{.kind = Condition::Kind::kCompare,
                   .field = Condition::Field::kLocale,
                   .compare = Condition::Compare::kStartsWith,
                   .value = "de"};
  put(name(1), Platform::kApns, "news", "", "de");
  put(name(3), Platform::kApns, "muted", "", "de");
  accept(2, {.condition = Condition{
                 .kind = Condition::Kind::kAnd,
                 .of = {german, Condition{.kind = Condition::Kind::kNot,
                                          .of = {Condition{.kind = Condition::Kind::kInTopic,
                                                           .topic = "muted"}}}}}});
  ASSERT_EQ(scan_all(*store_, key(2)).size(), 1u);
  complete(2);
  put(name(2), Platform::kApns, "news", "", "de");
  ASSERT_TRUE(store_->unsubscribe("video", "muted", name(3)));
  EXPECT_EQ(fate(name(1), 2).kind, Kind::kAccepted);
  EXPECT_EQ(fate(name(2), 2).kind, Kind::kNotKnown) << "its locale is another";
  EXPECT_EQ(fate(name(3), 2).kind, Kind::kNotKnown) << "it was excluded";
  EXPECT_EQ(fate(name(4), 2).kind, Kind::kNotInAudience);
}

TEST_P(StoreReport, WhoIsBackInAudiencesAfterTheEndMayHaveBeenLeftOut) {
  Checkpoint step{.job = key()};
  step.quarantined = {{.position = devices_[7].position,
                       .token = {},
                       .dead_since_ms = 4'000,
                       .reason = "Unregistered"}};
  ASSERT_TRUE(record_now(*store_, {step}));
  complete();
  ASSERT_TRUE(store_->decide_quarantine("video", QuarantineAction::kRestore, std::nullopt, 0, 10));
  EXPECT_EQ(fate(name(7)).kind, Kind::kNotKnown);
}

TEST_P(StoreReport, WhoHadNoProviderIsSuppressedAndWasNotTakenByOne) {
  const auto suppress = [&](std::uint32_t number, Counters added) {
    accept(number);
    Checkpoint last{.job = key(number), .cursor = devices_[9].position, .exhausted = true};
    last.added = added;
    last.reasons = {{std::string(kNoProvider), added.suppressed}};
    last.state = EventState::kCompleted;
    ASSERT_TRUE(record_now(*store_, {last}));
  };
  suppress(2, {.suppressed = 10});
  EXPECT_EQ(fate(name(1), 2).kind, Kind::kSuppressed);
  EXPECT_TRUE(fate(name(1), 2).exact);
  EXPECT_EQ(fate(name(1), 2).reason, kNoProvider);
  suppress(3, {.rejected = 1, .suppressed = 9});
  EXPECT_EQ(fate(name(1), 3).kind, Kind::kSuppressed);
  EXPECT_FALSE(fate(name(1), 3).exact) << "it may be the failure that was only counted";
  suppress(4, {.accepted = 4, .suppressed = 6});
  EXPECT_EQ(fate(name(1), 4).kind, Kind::kNotKnown) << "which of them nobody knows";
  EXPECT_EQ(fate(name(1), 4).without_provider, 6u);
}

TEST_P(StoreReport, WhoWasNamedIsKnownAfterTheEndWhateverChanged) {
  accept(2, {.devices = {name(1)}});
  complete();
  complete(2);
  ASSERT_TRUE(store_->subscribe("video", "other", name(1), 3'000));
  EXPECT_EQ(fate(name(1), 2).kind, Kind::kAccepted);
  ASSERT_TRUE(store_->subscribe("video", "other", name(2), 3'000));
  EXPECT_EQ(fate(name(2), 2).kind, Kind::kNotInAudience);
}

INSTANTIATE_TEST_SUITE_P(Implementations, StoreReport, testing::Values(sqlite_factory()),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace carillon::store::report_contract_test
