#include "device-sim/phones/topic_condition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace device_sim::topic_condition_test {
namespace {

bool holds(std::string_view text, const std::set<std::string>& heard) {
  const auto condition = TopicCondition::parse(text);
  EXPECT_TRUE(condition) << text << ": " << condition.error();
  if (!condition) return false;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < condition->topics().size(); ++i) {
    bits |= std::uint32_t{heard.contains(condition->topics()[i])} << i;
  }
  return condition->matches(bits);
}

TEST(TopicCondition, IsTrueOfWhomItSays) {
  struct Row {
    const char* text;
    std::set<std::string> heard;
    bool holds;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"'a' in topics", {"a"}, true},
           {"'a' in topics", {"b"}, false},
           {"  'a'  in  topics  ", {"a"}, true},
           {"'a' in topics && 'b' in topics", {"a"}, false},
           {"'a' in topics && 'b' in topics", {"a", "b"}, true},
           {"'a' in topics || 'b' in topics", {"b"}, true},
           // && binds closer than ||.
           {"'a' in topics || 'b' in topics && 'c' in topics", {"a"}, true},
           {"('a' in topics || 'b' in topics) && 'c' in topics", {"a"}, false},
           {"('a' in topics || 'b' in topics) && 'c' in topics", {"b", "c"}, true},
           {"'a' in topics && !('b' in topics)", {"a"}, true},
           {"'a' in topics && !('b' in topics)", {"a", "b"}, false},
           {"!!('a' in topics)", {"a"}, true},
           {"!'a' in topics", {}, true},
           {"'a' in topics && 'a' in topics", {"a"}, true},
           {"'e' in topics && ('a' in topics || 'b' in topics || 'c' in topics || 'd' in topics)",
            {"d", "e"},
            true}}) {
    EXPECT_EQ(holds(row.text, row.heard), row.holds) << row.text;
  }
}

TEST(TopicCondition, OfOneTopicIsItsSubscribers) {
  const TopicCondition news = TopicCondition::of_topic("news");
  EXPECT_EQ(news.topics(), std::vector<std::string>{"news"});
  EXPECT_TRUE(news.matches(1));
  EXPECT_FALSE(news.matches(0));
}

TEST(TopicCondition, RefusesWhatIsNone) {
  for (const char* text :
       {"", " ", "a in topics", "'a'", "'a' in", "'a' topics", "'' in topics", "'a b' in topics",
        "'a in topics", "'a' in topics &&", "'a' in topics && && 'b' in topics",
        "'a' in topics 'b' in topics", "('a' in topics", "'a' in topics)", "!", "()",
        "'a' in topics & 'b' in topics", "'/topics/a' in topics", "'a' IN topics"}) {
    EXPECT_FALSE(TopicCondition::parse(text)) << text;
  }
}

TEST(TopicCondition, TakesFiveTopicsAndNotOneMore) {
  const auto of = [](std::size_t topics) {
    std::string text;
    for (std::size_t i = 0; i < topics; ++i) {
      text += (i == 0 ? "'t" : " || 't") + std::to_string(i) + "' in topics";
    }
    return TopicCondition::parse(text);
  };
  EXPECT_TRUE(of(kConditionTopicsMax));
  const auto more = of(kConditionTopicsMax + 1);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error(), "it has more than 5 topics");
}

TEST(TopicCondition, BoundsItsDepth) {
  const auto nested = [](std::size_t parentheses) {
    return TopicCondition::parse(std::string(parentheses, '(') + "'a' in topics" +
                                 std::string(parentheses, ')'));
  };
  EXPECT_TRUE(nested(kConditionDepthMax - 1));
  EXPECT_FALSE(nested(kConditionDepthMax));
  EXPECT_FALSE(TopicCondition::parse(std::string(100'000, '!') + "'a' in topics"));
}

TEST(TopicCondition, KnowsATopicByItsAlphabet) {
  EXPECT_TRUE(is_topic_name("Az09-_.~%"));
  for (const char* name : {"", "a b", "a/b", "\xc3\xa4", "a'b"}) {
    EXPECT_FALSE(is_topic_name(name)) << name;
  }
}

}  // namespace
}  // namespace device_sim::topic_condition_test
