#include "relay/audience/condition_fault.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::audience::fault_test {
namespace {

TEST(ConditionFault, CountsCharactersNotBytes) {
  EXPECT_EQ(character_at("abc", 0), 1U);
  EXPECT_EQ(character_at("abc", 3), 4U);
  EXPECT_EQ(character_at("äbc", 2), 2U);
  EXPECT_EQ(character_at("日本x", 6), 3U);
  EXPECT_EQ(character_at("abc", 99), 4U) << "beyond the text: after its end";
}

TEST(ConditionFault, ShowsThePlaceUnderTheText) {
  EXPECT_EQ(picture_of("locale = 'de'", 7), "locale = 'de'\n       ^");
  EXPECT_EQ(picture_of("'ä' in topic", 8), "'ä' in topic\n       ^");
  EXPECT_EQ(picture_of("", 0), "\n^");
  EXPECT_EQ(picture_of("a &&", 4), "a &&\n    ^");
}

TEST(ConditionFault, DoesNotLetTabsAndNewlinesMoveTheCaret) {
  EXPECT_EQ(picture_of("a\n\t!", 3), "a  !\n   ^");
}

TEST(ConditionFault, ShowsAWindowOfALongText) {
  std::string text(300, 'a');
  text[150] = 'X';
  const std::string picture = picture_of(text, 150);
  const std::size_t newline = picture.find('\n');
  EXPECT_EQ(newline, kPictureCharactersMax + 6);
  EXPECT_TRUE(picture.starts_with("...aaa"));
  EXPECT_EQ(picture.substr(newline - 3, 3), "...");
  EXPECT_EQ(picture[picture.size() - 1 - newline - 1], 'X') << picture;
  const std::string at_end = picture_of(text, 300);
  EXPECT_EQ(at_end.substr(0, 3), "...");
  EXPECT_EQ(at_end.find('\n'), kPictureCharactersMax + 3);
  EXPECT_EQ(at_end.size(), 2 * (kPictureCharactersMax + 3) + 2) << at_end;
  EXPECT_EQ(picture_of(std::string(kPictureCharactersMax, 'a'), 0).find("..."), std::string::npos);
}

}  // namespace
}  // namespace carillon::audience::fault_test
