#include "device-sim/journal/journal.h"

#include <gtest/gtest.h>

#include <thread>

namespace device_sim::journal_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::uint64_t kDevices = 20'000;

class JournalTest : public ::testing::Test {
 protected:
  EventRecord& event() { return *record_; }
  void push(std::uint64_t device, CollapseIdentity identity, Platform platform = Platform::kApns) {
    event().accept(platform, kNow);
    event().receive(device, platform, identity);
  }

  Journal journal_{{.devices_max = kDevices}};
  std::shared_ptr<EventRecord> record_ = journal_.open("e1");
};

TEST_F(JournalTest, CountsReceiptsAndUniqueDevicesApart) {
  push(1, 50);
  push(2, 50, Platform::kFcm);
  push(1, 50);
  const EventCounts counts = event().counts();
  EXPECT_EQ(counts.accepted, 3U);
  EXPECT_EQ(counts.received, 3U);
  EXPECT_EQ(counts.unique_devices, 2U);
  EXPECT_EQ(counts.duplicates, 1U);
  EXPECT_EQ(counts.by_platform[0].unique_devices, 1U);
  EXPECT_EQ(counts.by_platform[1].received, 1U);
}

TEST_F(JournalTest, CallsARepeatShownTwiceUnlessItsIdentityFoldsIt) {
  push(1, 50);
  push(1, 50);
  EXPECT_EQ(event().counts().shown_twice, 0U);
  push(1, 51);
  EXPECT_EQ(event().counts().shown_twice, 1U) << "another identity than the first";
  push(2, kNeverFolds);
  push(2, kNeverFolds);
  EXPECT_EQ(event().counts().shown_twice, 2U) << "no identity, twice";
  push(3, kNeverFolds);
  push(3, 50);
  EXPECT_EQ(event().counts().shown_twice, 3U) << "none at first, then one";
}

TEST_F(JournalTest, HoldsEveryDeviceUpToItsLast) {
  for (const std::uint64_t device : {std::uint64_t{1}, std::uint64_t{4'095}, std::uint64_t{4'096},
                                     std::uint64_t{4'097}, kDevices}) {
    EXPECT_FALSE(event().was_received_by(device));
    push(device, 50);
    EXPECT_TRUE(event().was_received_by(device));
  }
  EXPECT_EQ(event().counts().unique_devices, 5U);
  EXPECT_FALSE(event().was_received_by(kDevices * 10));
}

TEST_F(JournalTest, AccountsForWhatWaitsAndWhatIsSuperseded) {
  for (int i = 0; i < 3; ++i) event().accept(Platform::kFcm, kNow + i);
  event().wait();
  event().supersede();
  event().wait();
  event().receive(7, Platform::kFcm, 50);
  const EventCounts counts = event().counts();
  EXPECT_EQ(counts.accepted, counts.received + counts.waiting + counts.superseded);
  EXPECT_EQ(counts.waiting, 1U);
  EXPECT_EQ(counts.superseded, 1U);
  EXPECT_EQ(counts.first_ms, kNow);
  EXPECT_EQ(counts.last_ms, kNow + 2);
}

TEST_F(JournalTest, LosesNothingBetweenThreads) {
  constexpr std::uint64_t kEach = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t device = 1; device <= kEach; ++device) push(device, 50);
    });
  }
  for (auto& thread : threads) thread.join();
  const EventCounts counts = event().counts();
  EXPECT_EQ(counts.received, 2 * kEach);
  EXPECT_EQ(counts.unique_devices, kEach);
  EXPECT_EQ(counts.duplicates, kEach);
  EXPECT_EQ(counts.shown_twice, 0U);
}

TEST(Journal, ForgetsTheOldestEventBeyondItsLimit) {
  Journal journal({.events_max = 2, .devices_max = 10});
  journal.open("a");
  const auto held = journal.open("b");
  journal.open("a");
  journal.open("c");
  EXPECT_FALSE(journal.find("a"));
  EXPECT_EQ(journal.find("b"), held);
  EXPECT_TRUE(journal.find("c"));
  EXPECT_EQ(journal.forgotten(), 1U);
  EXPECT_EQ(journal.find_serial(held->serial()), held);
  journal.open("d");
  held->accept(Platform::kApns, kNow);  // who holds a forgotten record may go on
  EXPECT_FALSE(journal.find("b"));
}

TEST(Journal, ForgetsTheOldestEventWhenMemoryIsUsedUp) {
  Journal journal({.memory_bytes_max = 40'000, .devices_max = 100'000});
  for (const char* event : {"a", "b", "c"}) {
    journal.open(event)->receive(1, Platform::kApns, 50);
  }
  EXPECT_EQ(journal.memory_bytes(), 3U * 16'384U);
  journal.open("d");
  EXPECT_FALSE(journal.find("a"));
  EXPECT_TRUE(journal.find("b"));
  EXPECT_EQ(journal.memory_bytes(), 2U * 16'384U);
}

TEST(Journal, ListsTheNewestFirst) {
  Journal journal({.devices_max = 10});
  for (const char* event : {"a", "b", "c"}) journal.open(event);
  const auto newest = journal.newest(2);
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].event, "c");
  EXPECT_EQ(newest[1].event, "b");
}

TEST(RecordCache, FindsManyEventsInTurn) {
  Journal journal({.devices_max = 10});
  RecordCache cache(journal);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 12; ++i) {
      const std::string event = "event-" + std::to_string(i);
      const auto record = cache.open(event);
      EXPECT_EQ(record, journal.find(event));
    }
  }
}

TEST(CollapseIdentity, NeverIsOneOfTheReservedValues) {
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_GT(collapse_identity(std::to_string(i)), kNeverFolds);
  }
  EXPECT_EQ(collapse_identity("a"), collapse_identity("a"));
  EXPECT_NE(collapse_identity("a"), collapse_identity("b"));
}

}  // namespace
}  // namespace device_sim::journal_test
