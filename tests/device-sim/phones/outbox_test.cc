#include "device-sim/phones/outbox.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace device_sim::outbox_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::int64_t kMinute = 60'000;
constexpr const char* kNoSlot = nullptr;

class OutboxTest : public ::testing::Test {
 protected:
  void keep(Platform platform, const std::string& event, const char* slot,
            std::int64_t until_ms = kNow + kMinute, std::int64_t now_ms = kNow) {
    KeptPush push{.message = {.device = 1, .platform = platform, .event = event},
                  .record = journal_.open(event),
                  .until_ms = until_ms};
    if (slot != nullptr) push.slot = slot;
    outbox_.keep(std::move(push), now_ms);
  }
  std::vector<std::string> kept() {
    std::vector<std::string> events;
    for (const KeptPush& push : outbox_.kept()) events.push_back(push.message.event);
    return events;
  }
  std::vector<std::string> take(std::int64_t now_ms = kNow) {
    std::vector<std::string> events;
    for (const KeptPush& push : outbox_.take(now_ms)) events.push_back(push.message.event);
    return events;
  }
  EventCounts counts(const std::string& event) { return journal_.find(event)->counts(); }
  using Events = std::vector<std::string>;

  Journal journal_{{.devices_max = 10}};
  Outbox outbox_;
};

TEST_F(OutboxTest, AppleKeepsTheNewestOfEachApp) {
  keep(Platform::kApns, "a1", "app.a");
  keep(Platform::kApns, "b1", "app.b");
  keep(Platform::kApns, "a2", "app.a");
  EXPECT_EQ(counts("a1").superseded, 1U);
  EXPECT_EQ(counts("a1").waiting, 0U);
  EXPECT_EQ(counts("a2").waiting, 1U);
  EXPECT_EQ(take(), (Events{"b1", "a2"}));
  EXPECT_EQ(counts("a2").waiting, 0U);
  EXPECT_TRUE(take().empty());
}

TEST_F(OutboxTest, NowOrNeverIsNotKept) {
  keep(Platform::kApns, "e", "app", kNow);
  EXPECT_TRUE(kept().empty());
  EXPECT_EQ(counts("e").expired, 1U);
  EXPECT_EQ(counts("e").waiting, 0U);
}

TEST_F(OutboxTest, NowOrNeverLeavesWhatIsKept) {
  keep(Platform::kApns, "kept", "app");
  keep(Platform::kApns, "now", "app", 0);
  EXPECT_EQ(kept(), Events{"kept"});
}

TEST_F(OutboxTest, KeepsAPushToItsLastMillisecond) {
  keep(Platform::kWebPush, "e", kNoSlot);
  outbox_.expire(kNow + kMinute - 1);
  EXPECT_EQ(kept(), Events{"e"});
  EXPECT_TRUE(take(kNow + kMinute).empty());
  EXPECT_EQ(counts("e").expired, 1U);
}

TEST_F(OutboxTest, KeepsNothingLongerThanThirtyDays) {
  keep(Platform::kApns, "e", "app", kNow + 10 * kKeptMsMax);
  EXPECT_EQ(outbox_.kept().front().until_ms, kNow + kKeptMsMax);
}

TEST_F(OutboxTest, FcmKeepsAHundredAndThrowsAllAwayWithOneMore) {
  keep(Platform::kFcm, "notification", "");
  for (std::size_t i = 0; i < kFcmKeptMax; ++i) {
    keep(Platform::kFcm, "e" + std::to_string(i), kNoSlot);
  }
  EXPECT_EQ(kept().size(), kFcmKeptMax + 1);
  EXPECT_EQ(outbox_.deletions(), 0U);
  keep(Platform::kFcm, "one more", kNoSlot);
  EXPECT_EQ(kept(), (Events{"notification", "one more"})) << "what collapses stays";
  EXPECT_EQ(outbox_.deletions(), 1U);
  EXPECT_EQ(counts("e0").dropped, 1U);
  EXPECT_EQ(counts("e99").dropped, 1U);
}

TEST_F(OutboxTest, RoomIsMadeByTimeFirst) {
  for (std::size_t i = 0; i < kFcmKeptMax; ++i) keep(Platform::kFcm, "e", kNoSlot);
  keep(Platform::kFcm, "later", kNoSlot, kNow + 2 * kMinute, kNow + kMinute);
  EXPECT_EQ(kept(), Events{"later"});
  EXPECT_EQ(counts("e").expired, kFcmKeptMax);
  EXPECT_EQ(outbox_.deletions(), 0U);
}

TEST_F(OutboxTest, FcmKeepsFourCollapseKeys) {
  for (const char* const key : {"k1", "k2", "k3", "k4"}) keep(Platform::kFcm, key, key);
  EXPECT_EQ(kept().size(), kFcmCollapseKeysMax);
  keep(Platform::kFcm, "k2 again", "k2");
  EXPECT_EQ(kept(), (Events{"k1", "k3", "k4", "k2 again"}));
  EXPECT_EQ(counts("k2").superseded, 1U);
  keep(Platform::kFcm, "k5", "k5");
  EXPECT_EQ(kept(), (Events{"k3", "k4", "k2 again", "k5"}));
  EXPECT_EQ(counts("k1").dropped, 1U);
}

TEST_F(OutboxTest, ATopicOfWebPushReplacesAndTheOthersStandBesideEachOther) {
  keep(Platform::kWebPush, "t1", "topic");
  keep(Platform::kWebPush, "e1", kNoSlot);
  keep(Platform::kWebPush, "t2", "topic");
  EXPECT_EQ(kept(), (Events{"e1", "t2"}));
  for (std::size_t i = kept().size(); i < kWebPushKeptMax; ++i) {
    keep(Platform::kWebPush, "filling", kNoSlot);
  }
  EXPECT_EQ(counts("e1").dropped, 0U);
  keep(Platform::kWebPush, "one more", kNoSlot);
  EXPECT_EQ(kept().size(), kWebPushKeptMax);
  EXPECT_EQ(counts("e1").dropped, 1U);
}

TEST_F(OutboxTest, CountsWhatGoesWithTheApp) {
  keep(Platform::kFcm, "e", kNoSlot);
  outbox_.drop();
  EXPECT_EQ(counts("e").dropped, 1U);
  EXPECT_EQ(counts("e").waiting, 0U);
}

TEST_F(OutboxTest, KeepsAPushWithoutAnEventToo) {
  outbox_.keep({.message = {.platform = Platform::kFcm}, .until_ms = kNow + kMinute}, kNow);
  outbox_.keep({.message = {.platform = Platform::kFcm}, .until_ms = 0}, kNow);
  EXPECT_EQ(outbox_.take(kNow).size(), 1U);
}

}  // namespace
}  // namespace device_sim::outbox_test
