#include "relay/fanout/token_guard.h"

#include <gtest/gtest.h>

namespace carillon::fanout::token_guard_test {
namespace {

using State = TokenGuard::State;

constexpr TokenGuard::Limits kLimits{.answers_min = 100, .percent_max = 20};

class TokenGuardTest : public testing::Test {
 protected:
  void say(TokenWord word, int times) {
    for (int i = 0; i < times; ++i) {
      guard_.hold(word, {.position = ++position_, .dead_since_ms = 1, .reason = "Because"});
    }
  }
  void dead(int times) { say(TokenWord::kDead, times); }
  void unusable(int times) { say(TokenWord::kUnusable, times); }
  void accepted(int times) { guard_.on_accepted(static_cast<std::uint64_t>(times)); }
  TokenGuard::Ruling calm() {
    accepted(1'000);
    return guard_.judge();
  }

  TokenGuard guard_{kLimits};
  store::DevicePosition position_ = 0;
};

TEST_F(TokenGuardTest, HoldsItsWordsUntilThereAreEnoughAnswers) {
  accepted(98);
  dead(1);
  auto ruling = guard_.judge();
  EXPECT_TRUE(ruling.remove.empty());
  EXPECT_TRUE(ruling.quarantine.empty());
  EXPECT_EQ(guard_.state(), State::kLearning);
  EXPECT_EQ(guard_.held(), 1u);
  accepted(1);
  ruling = guard_.judge();
  EXPECT_EQ(ruling.remove.size(), 1u) << "the hundredth answer";
  EXPECT_TRUE(ruling.changed);
  EXPECT_EQ(guard_.state(), State::kCalm);
  EXPECT_EQ(guard_.held(), 0u);
}

TEST_F(TokenGuardTest, ExactlyTheLimitIsBelievedAndOneMoreIsNot) {
  accepted(80);
  dead(20);
  EXPECT_EQ(guard_.judge().remove.size(), 20u);
  TokenGuard other(kLimits);
  other.on_accepted(79);
  for (int i = 0; i < 21; ++i) other.hold(TokenWord::kDead, {.position = 1});
  const auto ruling = other.judge();
  EXPECT_EQ(ruling.quarantine.size(), 21u);
  EXPECT_TRUE(ruling.remove.empty());
  EXPECT_EQ(other.state(), State::kSuspicious);
  EXPECT_EQ(other.percent(), 21u);
}

TEST_F(TokenGuardTest, BelievesNothingWhileNothingWasEverAccepted) {
  TokenGuard guard({.answers_min = 5, .percent_max = 100});
  for (int i = 0; i < 5; ++i) guard.hold(TokenWord::kDead, {.position = 1});
  EXPECT_EQ(guard.judge().quarantine.size(), 5u) << "whatever the limit: the credential is new";
}

TEST_F(TokenGuardTest, LeavesUnusableTokensAloneWhileItIsSuspiciousAndRemovesThemOtherwise) {
  accepted(50);
  unusable(40);
  dead(10);
  auto ruling = guard_.judge();
  EXPECT_EQ(ruling.left_alone, 40u);
  EXPECT_EQ(ruling.quarantine.size(), 10u);
  EXPECT_TRUE(ruling.remove.empty());
  calm();
  unusable(1);
  accepted(10);
  ruling = guard_.judge();
  EXPECT_EQ(ruling.remove.size(), 1u);
  EXPECT_EQ(ruling.remove[0].reason, "Because");
}

TEST_F(TokenGuardTest, HearsOfAJumpAfterAFewTokensHoweverLongItWasCalm) {
  for (int i = 0; i < 1'000; ++i) calm();
  std::size_t removed = 0;
  while (guard_.state() == State::kCalm) {  // the worst case: one answer a checkpoint
    dead(1);
    removed += guard_.judge().remove.size();
    ASSERT_LE(removed, kLimits.answers_min);
  }
  EXPECT_LE(removed, kLimits.answers_min * kLimits.percent_max / 50u);
  dead(16'000);
  const auto ruling = guard_.judge();
  EXPECT_TRUE(ruling.remove.empty());
  EXPECT_EQ(ruling.quarantine.size(), 16'000u);
}

TEST_F(TokenGuardTest, AJumpWithinOneCheckpointRemovesNobody) {
  calm();
  dead(5'000);
  accepted(3'000);
  const auto ruling = guard_.judge();
  EXPECT_TRUE(ruling.remove.empty());
  EXPECT_EQ(ruling.quarantine.size(), 5'000u);
}

TEST_F(TokenGuardTest, IsCalmAgainAtHalfTheLimit) {
  dead(100);
  guard_.judge();
  ASSERT_EQ(guard_.state(), State::kSuspicious);
  accepted(10'000);
  dead(1'500);
  auto ruling = guard_.judge();
  EXPECT_EQ(guard_.state(), State::kSuspicious) << guard_.percent();
  EXPECT_FALSE(ruling.changed);
  accepted(10'000);
  dead(500);
  ruling = guard_.judge();
  EXPECT_EQ(guard_.state(), State::kCalm) << guard_.percent();
  EXPECT_TRUE(ruling.changed);
  EXPECT_EQ(ruling.remove.size(), 500u);
}

TEST_F(TokenGuardTest, RulesNothingWithoutANewAnswer) {
  calm();
  const auto ruling = guard_.judge();
  EXPECT_FALSE(ruling.changed);
  EXPECT_TRUE(ruling.remove.empty());
}

TEST_F(TokenGuardTest, ASmallAppsAnswersAddUpOverItsEvents) {
  for (int event = 0; event < 10; ++event) {
    EXPECT_EQ(guard_.judge().remove.size(), 0u);
    accepted(9);
    dead(1);
  }
  EXPECT_EQ(guard_.judge().remove.size(), 10u);
}

}  // namespace
}  // namespace carillon::fanout::token_guard_test
