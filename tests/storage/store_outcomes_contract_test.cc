// What every implementation of storage/store.h tells of what happened, in order and again.
#include <gtest/gtest.h>

#include "storage/event_report.h"
#include "storage/outcome_feed.h"
#include "storage/quarantine.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::outcomes_contract_test {
namespace {

using Kind = OutcomeRow::Kind;

class StoreOutcomes : public testing::Test {
 protected:
  void SetUp() override {
    open();
    for (int i = 0; i < 4; ++i) put("d-" + std::to_string(i), i == 3 ? "" : "user");
    accept(1);
    devices_ = scan_all(*store_, key());
    ASSERT_EQ(devices_.size(), 4u);
  }
  void TearDown() override {
    store_.reset();
    const auto problems = check_sqlite_store(folder_.file("store.db"), true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  void open(std::uint64_t rows_max = 1'000'000) {
    store_.reset();
    auto opened =
        open_sqlite_store({.path = folder_.file("store.db"), .outcome_rows_max = rows_max});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  void put(const std::string& device, const std::string& subscriber) {
    const std::string_view topics[] = {"news"};
    const std::string token = "token of " + device;
    ASSERT_TRUE(store_->put_device({.app = "video",
                                    .device = device,
                                    .platform = Platform::kApns,
                                    .token = token,
                                    .subscriber = subscriber,
                                    .topics = topics},
                                   1000));
  }
  void accept(std::uint32_t number, const std::string& topic = "news") {
    NewEvent event{.id = event_id(number), .app = "video", .audience = {.topics = {topic}}};
    event.content = "content";
    event.accepted_ms = 2000;
    event.expires_ms = 90'000;
    ASSERT_TRUE(store_->accept(event));
  }
  static JobKey key(std::uint32_t number = 1) { return {event_id(number), Platform::kApns}; }
  // Of those of the device of this name.
  DevicePosition at(const std::string& device) const {
    for (const ScannedDevice& one : devices_) {
      if (one.token == "token of " + device) return one.position;
    }
    ADD_FAILURE() << device;
    return 0;
  }
  Checkpoint removing(const std::string& device) const {
    Checkpoint step{.job = key()};
    step.added.rejected = 1;
    step.failures = {{.position = at(device),
                      .outcome = Failure::Outcome::kRejected,
                      .reason = "Unregistered",
                      .attempts = 1,
                      .at_ms = 5'000,
                      .token_dead = true}};
    step.removals = {
        {.position = at(device), .token = {}, .dead_since_ms = 4'000, .reason = "Unregistered"}};
    return step;
  }
  std::vector<OutcomeRow> rows(std::uint64_t after = 0, std::size_t limit = 100) {
    const auto page = store_->outcomes(after, limit);
    EXPECT_TRUE(page) << page.error().message;
    return page ? page->rows : std::vector<OutcomeRow>();
  }
  // One failure a checkpoint.
  void fail_often(int times) {
    for (int i = 0; i < times; ++i) {
      Checkpoint step{.job = key()};
      step.failures = {{.position = at("d-0"),
                        .outcome = Failure::Outcome::kRejected,
                        .reason = "Because",
                        .at_ms = 5'000 + i}};
      ASSERT_TRUE(record_now(*store_, {step}));
    }
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
  std::vector<ScannedDevice> devices_;
};

TEST_F(StoreOutcomes, ARemovedTokenIsToldWithWhatThePublisherCallsIt) {
  ASSERT_TRUE(record_now(*store_, {removing("d-1"), removing("d-3")}, 6'000));
  const auto told = rows();
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0].kind, Kind::kFailed);
  EXPECT_EQ(told[0].device, "") << "it is gone, in the same transaction";
  EXPECT_EQ(told[0].event, event_id(1));
  const OutcomeRow& removed = told[1];
  EXPECT_EQ(removed.kind, Kind::kTokenRemoved);
  EXPECT_EQ(removed.app, "video");
  EXPECT_EQ(removed.device, "d-1");
  EXPECT_EQ(removed.subscriber, "user");
  EXPECT_EQ(removed.platform, Platform::kApns);
  EXPECT_EQ(removed.reason, "Unregistered");
  EXPECT_EQ(removed.dead_since_ms, 4'000);
  EXPECT_EQ(removed.at_ms, 6'000);
  EXPECT_EQ(told[3].device, "d-3");
  EXPECT_EQ(told[3].subscriber, "") << "anonymous";
}

TEST_F(StoreOutcomes, AWordThatRemovesNobodyIsNoRemoval) {
  Checkpoint late = removing("d-1");
  late.removals[0].dead_since_ms = 1'000;  // it registered then
  ASSERT_TRUE(record_now(*store_, {late}));
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].kind, Kind::kFailed);
  EXPECT_EQ(rows()[0].device, "d-1");
}

TEST_F(StoreOutcomes, RowsComeInOrderAndAgainFromAnyNumberAcrossARestart) {
  fail_often(5);
  const auto all = rows();
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GT(all[i].number, all[i - 1].number);
  open();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto rest = rows(all[i].number);
    ASSERT_EQ(rest.size(), all.size() - i - 1);
    if (!rest.empty()) {
      EXPECT_EQ(rest[0].number, all[i + 1].number);
    }
  }
  EXPECT_EQ(rows(0, 2).size(), 2u);
  EXPECT_EQ(store_->outcomes(0, kOutcomesPageMax)->rows.size(), 5u);
  EXPECT_FALSE(store_->outcomes(0, kOutcomesPageMax + 1));
  EXPECT_FALSE(store_->outcomes(0, 0));
}

TEST_F(StoreOutcomes, EndsOfEventsAreToldOnceEach) {
  Checkpoint last{.job = key(), .exhausted = true};
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}, 7'000));
  accept(2);
  ASSERT_TRUE(record_now(*store_, {{.job = key(2), .state = EventState::kCancelled}}, 8'000));
  accept(3, "nobody hears it");
  const auto told = rows();
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].kind, Kind::kCompleted);
  EXPECT_EQ(told[0].event, event_id(1));
  EXPECT_EQ(told[0].at_ms, 7'000);
  EXPECT_EQ(told[1].kind, Kind::kCancelled);
  EXPECT_EQ(told[2].kind, Kind::kCompleted);
  EXPECT_EQ(told[2].event, event_id(3));
}

TEST_F(StoreOutcomes, AnEndedEventSaysHowManyFailuresHaveNoRows) {
  Checkpoint last{.job = key(), .cursor = devices_[3].position, .exhausted = true};
  last.added = {.accepted = 1, .rejected = 2, .expired = 1};
  last.failures = {{.position = devices_[0].position,
                    .outcome = Failure::Outcome::kRejected,
                    .reason = "Because",
                    .at_ms = 5'000}};
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}));
  accept(2);
  ASSERT_TRUE(record_now(*store_, {{.job = key(2), .state = EventState::kCancelled}}));
  accept(3, "nobody hears it");
  const auto told = rows();
  ASSERT_EQ(told.size(), 4u);
  EXPECT_FALSE(told[0].failures_untold) << "a failure's row says nothing of others";
  EXPECT_EQ(told[1].failures_untold, 2u);
  EXPECT_EQ(told[2].failures_untold, 0u);
  EXPECT_EQ(told[3].failures_untold, 0u);
  EXPECT_EQ(store_->failures(event_id(1), {})->counted_only, 2u);
}

TEST_F(StoreOutcomes, AFailedCheckpointTellsNothing) {
  Checkpoint bad = removing("d-1");
  bad.state = EventState::kCompleted;  // not exhausted
  ASSERT_FALSE(record_now(*store_, {bad}));
  EXPECT_TRUE(rows().empty());
}

TEST_F(StoreOutcomes, KeepsSoManyRowsAndSaysFromWhereOn) {
  open(300);
  fail_often(600);  // the limit is looked at with each 256th
  const auto page = store_->outcomes(0, 10);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->rows.empty());
  EXPECT_EQ(page->forgotten_through, 212u);
  EXPECT_EQ(rows(page->forgotten_through, 1'000).size(), 388u);
  EXPECT_EQ(rows(212, 1)[0].number, 213u);
}

TEST_F(StoreOutcomes, ForgetsByAgeTheOldestFirst) {
  fail_often(10);  // at 5'000, 5'001, …
  EXPECT_EQ(store_->forget_outcomes(5'004), 4u);
  EXPECT_EQ(store_->forget_outcomes(5'004), 0u);
  EXPECT_EQ(store_->outcomes(0, 10)->forgotten_through, 4u);
  EXPECT_EQ(rows(4).size(), 6u);
  open();
  EXPECT_EQ(store_->outcomes(3, 10)->forgotten_through, 4u);
  fail_often(1);
  EXPECT_EQ(rows(10)[0].number, 11u) << "numbers are never used again";
}

TEST_F(StoreOutcomes, NoRowsAreWrittenWhereNoneAreKept) {
  open(0);
  ASSERT_TRUE(record_now(*store_, {removing("d-1")}));
  EXPECT_TRUE(rows().empty());
}

TEST_F(StoreOutcomes, AnErasureTakesTheRowsAlong) {
  ASSERT_TRUE(record_now(*store_, {removing("d-0"), removing("d-3")}));
  ASSERT_EQ(rows().size(), 4u);
  ASSERT_TRUE(store_->erase_device("video", "d-3"));
  ASSERT_EQ(rows().size(), 3u);
  ASSERT_TRUE(store_->erase_subscriber("video", "user"));
  for (const OutcomeRow& row : rows()) EXPECT_EQ(row.device, "");
  EXPECT_EQ(rows().size(), 2u) << "failures, which name nobody";
}

TEST_F(StoreOutcomes, AConfirmedQuarantineIsARemoval) {
  Checkpoint step{.job = key()};
  step.added.rejected = 1;
  step.quarantined = {
      {.position = at("d-2"), .token = {}, .dead_since_ms = 4'000, .reason = "Unregistered"}};
  ASSERT_TRUE(record_now(*store_, {step}, 6'000));
  EXPECT_TRUE(rows().empty()) << "nobody has decided";
  const std::vector<std::string> names{"d-2"};
  ASSERT_EQ(store_->decide_quarantine("video", QuarantineAction::kConfirm, names)->devices, 1u);
  ASSERT_EQ(rows().size(), 1u);
  EXPECT_EQ(rows()[0].kind, Kind::kTokenRemoved);
  EXPECT_EQ(rows()[0].device, "d-2");
  EXPECT_EQ(rows()[0].reason, "Unregistered");
}

}  // namespace
}  // namespace carillon::store::outcomes_contract_test
