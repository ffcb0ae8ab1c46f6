#include "device-sim/phones/topic_book.h"

#include <gtest/gtest.h>

#include <string>

namespace device_sim::topic_book_test {
namespace {

using Devices = std::vector<std::uint64_t>;

class TopicBookTest : public ::testing::Test {
 protected:
  Devices hear(std::string_view condition) {
    return book_.audience(TopicCondition::parse(condition).value());
  }
  TopicBook book_;
};

TEST_F(TopicBookTest, KnowsWhoHearsATopic) {
  EXPECT_EQ(book_.subscribe(3, "news"), Subscribing::kDone);
  EXPECT_EQ(book_.subscribe(1, "news"), Subscribing::kDone);
  EXPECT_EQ(book_.subscribe(1, "news"), Subscribing::kDone) << "once more changes nothing";
  EXPECT_EQ(book_.subscribe(2, "sports"), Subscribing::kDone);
  EXPECT_EQ(book_.audience(TopicCondition::of_topic("news")), (Devices{1, 3}));
  EXPECT_TRUE(book_.audience(TopicCondition::of_topic("weather")).empty());
}

TEST_F(TopicBookTest, KnowsOfWhomAConditionIsTrue) {
  book_.subscribe(1, "news");
  book_.subscribe(2, "news");
  book_.subscribe(2, "sports");
  book_.subscribe(3, "sports");
  EXPECT_EQ(hear("'news' in topics && 'sports' in topics"), Devices{2});
  EXPECT_EQ(hear("'news' in topics || 'sports' in topics"), (Devices{1, 2, 3}));
  EXPECT_EQ(hear("'news' in topics && !('sports' in topics)"), Devices{1});
  EXPECT_EQ(hear("!('sports' in topics)"), Devices{1}) << "who hears nothing is known to nobody";
}

TEST_F(TopicBookTest, ForgetsWhoLeaves) {
  book_.subscribe(1, "news");
  book_.subscribe(1, "sports");
  book_.unsubscribe(1, "news");
  book_.unsubscribe(1, "news");
  book_.unsubscribe(9, "news");
  EXPECT_EQ(book_.topics_of(1), std::vector<std::string>{"sports"});
  book_.forget(1);
  book_.forget(1);
  EXPECT_TRUE(book_.topics_of(1).empty());
  EXPECT_TRUE(hear("!('news' in topics)").empty());
}

TEST_F(TopicBookTest, ADeviceHearsTwoThousandTopicsAndNotOneMore) {
  for (std::size_t i = 0; i < kTopicsPerDeviceMax; ++i) {
    ASSERT_EQ(book_.subscribe(1, "t" + std::to_string(i)), Subscribing::kDone);
  }
  EXPECT_EQ(book_.subscribe(1, "more"), Subscribing::kTooManyTopics);
  EXPECT_EQ(book_.subscribe(1, "t0"), Subscribing::kDone) << "it hears that one";
  EXPECT_EQ(book_.subscribe(2, "more"), Subscribing::kDone);
  book_.unsubscribe(1, "t0");
  EXPECT_EQ(book_.subscribe(1, "more"), Subscribing::kDone);
}

TEST(TopicBook, IsFullAtItsLimitOfSubscriptions) {
  TopicBook book(2);
  EXPECT_EQ(book.subscribe(1, "t"), Subscribing::kDone);
  EXPECT_EQ(book.subscribe(2, "t"), Subscribing::kDone);
  EXPECT_EQ(book.subscribe(3, "t"), Subscribing::kFull);
  EXPECT_EQ(book.subscribe(2, "t"), Subscribing::kDone) << "it hears that one";
  book.forget(1);
  EXPECT_EQ(book.subscribe(3, "t"), Subscribing::kDone);
}

}  // namespace
}  // namespace device_sim::topic_book_test
