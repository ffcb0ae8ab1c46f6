#include "device-sim/faults/fault_dice.h"

#include <gtest/gtest.h>

namespace device_sim {
namespace {

constexpr std::uint64_t kPopulationSeed = 11;

TEST(FaultDice, PicksTheSameDevicesInEveryLoopAndRun) {
  FaultBoard board;
  board.set({.unregistered_share = 0.02, .wrong_app_share = 0.02});
  FaultDice one(board, kPopulationSeed, 1);
  FaultDice two(board, kPopulationSeed, 2);
  int unregistered = 0;
  int both = 0;
  for (std::uint64_t device = 1; device <= 100'000; ++device) {
    const bool struck = one.is_unregistered(device);
    EXPECT_EQ(struck, two.is_unregistered(device));
    unregistered += struck;
    both += struck && one.is_of_wrong_app(device);
  }
  EXPECT_NEAR(unregistered, 2'000, 200);
  EXPECT_NEAR(both, 40, 40) << "the two shares are independent";
}

TEST(FaultDice, DrawsPerRequestAndRepeatsWithItsSeed) {
  FaultBoard board;
  board.set({.throttled_share = 0.1, .unavailable_share = 0.1});
  FaultDice one(board, kPopulationSeed, 5);
  FaultDice same(board, kPopulationSeed, 5);
  FaultDice other(board, kPopulationSeed, 6);
  int struck = 0;
  int differs = 0;
  for (int i = 0; i < 10'000; ++i) {
    const bool unavailable = one.is_unavailable();
    EXPECT_EQ(unavailable, same.is_unavailable());
    differs += unavailable != other.is_unavailable();
    struck += unavailable;
    EXPECT_EQ(one.is_throttled(), same.is_throttled());
    other.is_throttled();
  }
  EXPECT_NEAR(struck, 1'000, 150);
  EXPECT_GT(differs, 500);
}

TEST(FaultDice, StrikesAlwaysAtShareOneAndNeverAtShareZero) {
  FaultBoard board;
  FaultDice dice(board, kPopulationSeed, 1);
  EXPECT_FALSE(dice.is_unavailable() || dice.is_throttled() || dice.is_unregistered(1));
  board.set({.unregistered_share = 1, .throttled_share = 1, .unavailable_share = 1});
  dice.refresh();
  for (std::uint64_t i = 1; i < 1'000; ++i) {
    ASSERT_TRUE(dice.is_unavailable() && dice.is_throttled() && dice.is_unregistered(i));
  }
}

TEST(FaultDice, SendsAwayAndCutsEverySoManyRequestsOfAllLoops) {
  FaultBoard board;
  board.set({.goaway_every = 10, .cut_every = 25});
  FaultDice one(board, kPopulationSeed, 1);
  FaultDice two(board, kPopulationSeed, 2);
  for (int i = 1; i <= 100; ++i) {
    const ConnectionFate fate = (i % 2 == 0 ? one : two).next_fate();
    if (i % 25 == 0) {
      EXPECT_EQ(fate, ConnectionFate::kIsCut) << i << ": a cut leaves nothing to send away";
    } else {
      EXPECT_EQ(fate == ConnectionFate::kGoesAway, i % 10 == 0) << i;
    }
  }
}

TEST(FaultDice, TakesOverAPlanOnlyWhenRefreshed) {
  FaultBoard board;
  FaultDice dice(board, kPopulationSeed, 1);
  board.set({.unavailable_share = 1});
  EXPECT_FALSE(dice.is_unavailable());
  dice.refresh();
  EXPECT_TRUE(dice.is_unavailable());
  EXPECT_EQ(board.struck(Fault::kUnavailable), 1U);
}

}  // namespace
}  // namespace device_sim
