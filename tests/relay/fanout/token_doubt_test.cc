#include "relay/fanout/token_doubt.h"

#include <gtest/gtest.h>

namespace carillon::fanout::token_doubt_test {
namespace {

TEST(TokenDoubt, NeedsAHundredAnswersAndAFifthOfThemRefused) {
  TokenDoubt early;
  early.on_answers(0, TokenDoubt::kAnswers - 1);
  EXPECT_FALSE(early.is_doubtful());
  early.on_answers(0, 1);
  EXPECT_TRUE(early.is_doubtful());
  TokenDoubt below;
  below.on_answers(81, 19);
  EXPECT_FALSE(below.is_doubtful());
  TokenDoubt at;
  at.on_answers(80, 20);
  EXPECT_TRUE(at.is_doubtful());
}

TEST(TokenDoubt, EndsBelowATenthAndNotBefore) {
  TokenDoubt doubt;
  doubt.on_answers(80, 20);  // counts as 40 and 10 from now on
  doubt.on_answers(93, 7);   // 133 and 17: 11 %
  EXPECT_TRUE(doubt.is_doubtful());
  doubt.on_answers(100, 0);  // 166 and 8: 5 %
  EXPECT_FALSE(doubt.is_doubtful());
}

TEST(TokenDoubt, LeavesADoubtfulJobTheFourthPartOfTheWindow) {
  TokenDoubt doubt;
  EXPECT_EQ(doubt.room(512, 4'000, 900), 512U) << "a sound one has all of it";
  doubt.on_answers(0, 100);
  EXPECT_EQ(doubt.room(512, 4'000, 900), 100U);
  EXPECT_EQ(doubt.room(512, 4'000, 100), 512U);
  EXPECT_EQ(doubt.room(512, 4'000, 1'000), 0U);
  EXPECT_EQ(doubt.room(512, 4'000, 2'000), 0U) << "what was handed out before the doubt";
  EXPECT_EQ(doubt.room(512, 100, 0), TokenDoubt::kLeast) << "also with a small window";
}

}  // namespace
}  // namespace carillon::fanout::token_doubt_test
