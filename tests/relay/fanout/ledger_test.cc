#include "relay/fanout/ledger.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace carillon::fanout {
namespace {

using Positions = std::vector<store::DevicePosition>;

// A tiny language for the ledger: devices stand at 10, 20, 30, …
class LedgerTest : public testing::Test {
 protected:
  void read(int devices) {
    for (int i = 0; i < devices; ++i) ledger_.append(position_ += 10, 0);
    ledger_.read_through(position_);
  }
  Positions beyond() const {
    Positions out;
    ledger_.beyond(out);
    return out;
  }

  store::DevicePosition position_ = 0;
  Ledger ledger_{0, {}};
};

TEST_F(LedgerTest, TheCursorPassesADeviceOnlyWhenItAndAllBeforeItAreSettled) {
  read(4);
  ledger_.settle(1);
  ledger_.settle(2);
  EXPECT_EQ(ledger_.cursor(), 0u);
  EXPECT_EQ(beyond(), (Positions{20, 30}));
  ledger_.settle(0);
  EXPECT_EQ(ledger_.cursor(), 30u);
  EXPECT_EQ(beyond(), Positions{});
  ledger_.settle(3);
  EXPECT_EQ(ledger_.cursor(), 40u);
}

TEST_F(LedgerTest, AnEmptyPageMovesTheCursorOnlyIfNothingIsOpen) {
  ledger_.read_through(500);
  EXPECT_EQ(ledger_.cursor(), 500u);
  ledger_.append(510, 0);
  ledger_.read_through(900);
  EXPECT_EQ(ledger_.cursor(), 500u);
  ledger_.settle(0);
  EXPECT_EQ(ledger_.cursor(), 900u);
}

TEST_F(LedgerTest, AfterARestartWhatWasRecordedBeyondTheCursorIsNotHandedOutAgain) {
  Ledger resumed(100, {120, 150});
  EXPECT_TRUE(resumed.append(110, 0));
  EXPECT_FALSE(resumed.append(120, 0));
  EXPECT_TRUE(resumed.append(130, 0));
  Positions out;
  resumed.beyond(out);
  EXPECT_EQ(out, (Positions{120, 150})) << "150 has not been read again, its outcome still stands";
  resumed.settle(0);
  EXPECT_EQ(resumed.cursor(), 120u);
}

TEST_F(LedgerTest, ARecordedDeviceThatLeftTheAudienceIsForgottenWhenTheScanHasPassedIt) {
  Ledger resumed(100, {120, 150});
  resumed.append(130, 0);
  Positions out;
  resumed.beyond(out);
  EXPECT_EQ(out, Positions{150});
  resumed.settle(0);
  resumed.read_through(200);
  resumed.beyond(out);
  EXPECT_EQ(out, Positions{});
  EXPECT_EQ(resumed.cursor(), 200u);
}

TEST_F(LedgerTest, ParkingTakesTheOldestOpenDeviceOutOfTheWayOfTheCursor) {
  read(3);
  ledger_.settle(1);
  const auto parked = ledger_.park_oldest();
  ASSERT_TRUE(parked);
  EXPECT_EQ(parked->sequence, 0u);
  EXPECT_EQ(parked->entry.position, 10u);
  EXPECT_EQ(ledger_.cursor(), 20u);
  EXPECT_EQ(ledger_.open_entry(0), nullptr);
  EXPECT_EQ(ledger_.open(), 1u);
}

TEST_F(LedgerTest, ParkingWithNothingOpenParksNothing) {
  EXPECT_FALSE(ledger_.park_oldest());
}

// Against a plain model: the cursor and what is beyond it always name exactly the settled devices.
TEST_F(LedgerTest, NamesExactlyWhatIsSettledWhateverTheOrderOfAnswers) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    Ledger ledger(0, {});
    std::set<std::uint64_t> open;
    std::set<store::DevicePosition> settled;
    store::DevicePosition read = 0;
    for (int step = 0; step < 400; ++step) {
      if (open.empty() || random() % 3 == 0) {
        const std::uint64_t sequence = ledger.next_sequence();
        ledger.append(read += 1 + random() % 5, 0);
        open.insert(sequence);
      } else if (random() % 50 == 0) {
        const auto parked = ledger.park_oldest();
        ASSERT_TRUE(parked);
        ASSERT_EQ(parked->sequence, *open.begin());
        open.erase(parked->sequence);
        settled.insert(parked->entry.position);
      } else {
        auto chosen = open.begin();
        std::advance(chosen, random() % open.size());
        settled.insert(ledger.open_entry(*chosen)->position);
        ledger.settle(*chosen);
        open.erase(chosen);
      }
      Positions named;
      ledger.beyond(named);
      for (const store::DevicePosition position : settled) {
        if (position <= ledger.cursor()) named.push_back(position);
      }
      ASSERT_EQ(std::set<store::DevicePosition>(named.begin(), named.end()), settled);
      ASSERT_EQ(ledger.open(), open.size());
      if (!open.empty()) {
        ASSERT_LT(ledger.cursor(), ledger.open_entry(*open.begin())->position);
      }
    }
  }
}

}  // namespace
}  // namespace carillon::fanout
