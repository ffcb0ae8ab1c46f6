#include "relay/api/target.h"

#include <gtest/gtest.h>

#include <utility>

namespace carillon::api {
namespace {

using Segments = std::vector<std::string>;
using Query = std::vector<std::pair<std::string, std::string>>;

TEST(Target, DecodesEachSegmentByItself) {
  const auto target = parse_target("/v1/apps/a%2Fb/devices/%C3%A4%20+%25?limit=5&x=%26&flag");
  ASSERT_TRUE(target) << target.error();
  EXPECT_EQ(target->segments, (Segments{"v1", "apps", "a/b", "devices", "ä +%"}));
  EXPECT_EQ(target->query, (Query{{"limit", "5"}, {"x", "&"}, {"flag", ""}}));
}

TEST(Target, KnowsTheRoot) {
  ASSERT_TRUE(parse_target("/"));
  EXPECT_TRUE(parse_target("/")->segments.empty());
}

TEST(Target, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const std::string_view target : {"",
                                        "v1",
                                        "//",
                                        "/v1//events",
                                        "/v1/events/",
                                        "/v1/./events",
                                        "/v1/../events",
                                        "/%2e%2E/x",
                                        "/a%",
                                        "/a%2",
                                        "/a%2g",
                                        "/a%0d%0ab",
                                        "/a%00",
                                        "/a%7f",
                                        "/%ff",
                                        "/%c0%af",
                                        "/%ed%a0%80",
                                        "/%f4%90%80%80",
                                        "/a?b=%zz",
                                        "/a?b=%0a"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
}

TEST(Target, EncodesWhatItDecodes) {
  const std::string text = "a/b ä%?&=~._-+";
  EXPECT_EQ(percent_encoded(text), "a%2Fb%20%C3%A4%25%3F%26%3D~._-%2B");
  EXPECT_EQ(percent_decoded(percent_encoded(text)), text);
}

TEST(Target, TellsUtf8FromWhatLooksLikeIt) {
  for (const std::string_view good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(is_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xed\xa0\x80",
        "\xc2", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace carillon::api
