#include "relay/api/strict_json.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::api {
namespace {

TEST(StrictJson, BuildsWhatWasWritten) {
  const std::string text =
      R"({"a":[1,-2,3.5,true,null,{"b":"c","d":[]}],"e":{"f":{}},"":"ä","g":18446744073709551615})";
  const auto parsed = parse_strict_json(text);
  ASSERT_TRUE(parsed) << parsed.error().error.detail;
  EXPECT_EQ(*parsed, nlohmann::json::parse(text));
}

TEST(StrictJson, NamesTheMemberThatComesTwice) {
  const auto parsed = parse_strict_json(R"({"x":[0,{"a~/b":{"c":1,"d":2,"c":3}}]})");
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().well_formed);
  EXPECT_EQ(parsed.error().error.pointer, "/x/1/a~0~1b/c");
}

TEST(StrictJson, TakesTheSameNameInTwoObjects) {
  EXPECT_TRUE(parse_strict_json(R"([{"a":1},{"a":2},{"b":{"a":3},"a":4}])"));
}

TEST(StrictJson, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return parse_strict_json(std::string(depth, '[') + std::string(depth, ']'));
  };
  EXPECT_TRUE(nested(kJsonDepthMax));
  ASSERT_FALSE(nested(kJsonDepthMax + 1));
  EXPECT_TRUE(nested(kJsonDepthMax + 1).error().well_formed);
  EXPECT_FALSE(nested(100'000));
}

TEST(StrictJson, RefusesWhatIsNotJson) {
  for (const std::string_view text :
       {"", " ", "{", "{}x", "{\"a\":}", "[1,]", "nan", "'a'", "{\"a\":1}{", "\"\xff\"", "\"\n\"",
        "\"\\ud800\"", "01", "// c\n1"}) {
    const auto parsed = parse_strict_json(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_FALSE(parsed.error().well_formed) << text;
    EXPECT_FALSE(parsed.error().error.detail.empty()) << text;
  }
  ASSERT_FALSE(parse_strict_json("1e999"));
}

TEST(StrictJson, SaysWhereTheMistakeIsButNotWhatWasThere) {
  const auto parsed = parse_strict_json(R"({"secret":"hunter2",})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().error.detail.find("hunter2"), std::string::npos);
  EXPECT_NE(parsed.error().error.detail.find("21"), std::string::npos);
}

}  // namespace
}  // namespace carillon::api
