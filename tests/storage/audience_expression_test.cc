// In which order the parts of an audience are asked: its results do not tell, only what it costs.
#include "storage/sqlite/audience_expression.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace carillon::store::audience_expression_test {
namespace {

using Node = sqlite::AudienceNode;
using Names = std::vector<std::string>;

Condition in(const std::string& topic) {
  Condition condition;
  condition.topic = topic;
  return condition;
}
Condition all(std::vector<Condition> of) {
  return {.kind = Condition::Kind::kAnd, .of = std::move(of)};
}
Condition any(std::vector<Condition> of) {
  return {.kind = Condition::Kind::kOr, .of = std::move(of)};
}
Condition no(Condition of) {
  return {.kind = Condition::Kind::kNot, .of = {std::move(of)}};
}
Condition pro() {
  return {.kind = Condition::Kind::kCompare,
          .field = Condition::Field::kAttribute,
          .attribute = "plan",
          .compare = Condition::Compare::kEqual,
          .value = "pro"};
}
Condition german() {
  return {.kind = Condition::Kind::kCompare,
          .field = Condition::Field::kLocale,
          .compare = Condition::Compare::kEqual,
          .value = "de"};
}

// Thirty hear "big", ten of them "mid", two of these "few".
class AudienceExpressionTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto store = open_sqlite_store({.path = folder_.file("store.db")});
    ASSERT_TRUE(store) << store.error().message;
    const std::string_view topics[] = {"big", "mid", "few"};
    const AttributeView plan{.name = "plan", .value = std::string_view("pro")};
    for (std::size_t i = 0; i < 30; ++i) {
      const std::string name = std::to_string(i);
      const auto put =
          (*store)->put_device({.app = "video",
                                .device = name,
                                .token = name,
                                .subscriber = name,
                                .topics = std::span(topics).first(i < 2 ? 3 : (i < 10 ? 2 : 1)),
                                .attributes = std::span(&plan, 1)},
                               1000);
      ASSERT_TRUE(put) << put.error().message;
    }
    database_.emplace(folder_.file("store.db"), sqlite::Database::Access::kReadOnly);
    tables_.emplace(*database_);
  }
  sqlite::AudienceExpression compile(Condition condition) {
    return sqlite::compile_audience(*tables_, "video", {.condition = std::move(condition)});
  }
  // The root's parts, in the order in which they are asked.
  Names parts(const Condition& condition) {
    Names names;
    for (const Node& part : compile(condition).root.of) names.push_back(name(part));
    return names;
  }
  std::string name(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kNone:
        return "nobody";
      case Node::Kind::kAnd:
        return joined(node, " && ");
      case Node::Kind::kOr:
        return joined(node, " || ");
      case Node::Kind::kNot:
        return "!" + name(node.of.front());
      case Node::Kind::kTopic:
        for (const char* const topic : {"big", "mid", "few"}) {
          if (tables_->topic(1, topic)->id == node.id) return topic;
        }
        return "another topic";
      case Node::Kind::kNamed:
        return "names";
      case Node::Kind::kTraits:
        return "traits";
      case Node::Kind::kDevice:
        return "device";
    }
    return "?";
  }
  std::string joined(const Node& node, const char* by) {
    std::string text = "(";
    for (const Node& part : node.of) text += (text.size() > 1 ? by : "") + name(part);
    return text + ")";
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::optional<sqlite::Database> database_;  // what it was when SetUp had filled it
  std::optional<sqlite::AudienceTables> tables_;
};

TEST_F(AudienceExpressionTest, TheSmallestSetLeads) {
  EXPECT_EQ(parts(all({in("big"), in("mid"), in("few")})), (Names{"few", "mid", "big"}));
  EXPECT_EQ(parts(all({in("mid"), in("few"), in("big")})), (Names{"few", "mid", "big"}));
  EXPECT_EQ(parts(all({in("big"), any({in("mid"), in("few")})})), (Names{"(few || mid)", "big"}));
  EXPECT_EQ(parts(all({in("mid"), all({in("big"), in("few")})})), (Names{"(few && big)", "mid"}));
  EXPECT_EQ(parts(all({in("big"), in("nothing")})), (Names{"nobody", "big"}));
}

TEST_F(AudienceExpressionTest, ItLeadsAlsoWhereAllOfItIsNegated) {
  EXPECT_EQ(parts(no(any({no(in("big")), no(in("mid")), no(in("few"))}))),
            (Names{"few", "mid", "big"}));
  EXPECT_EQ(parts(all({no(in("few")), in("big"), in("mid")})), (Names{"mid", "big", "!few"}))
      << "who does not hear a topic are many";
}

TEST_F(AudienceExpressionTest, WhatOnlyADeviceTellsIsAskedLast) {
  EXPECT_EQ(parts(all({german(), pro(), in("big"), in("few")})),
            (Names{"few", "big", "traits", "device"}));
  EXPECT_EQ(parts(all({german(), in("big")})), (Names{"big", "device"}));
}

TEST_F(AudienceExpressionTest, KnowsWhetherAnythingLeads) {
  EXPECT_TRUE(compile(all({german(), in("big")})).leads);
  EXPECT_TRUE(compile(pro()).leads);
  EXPECT_FALSE(compile(german()).leads);
  EXPECT_FALSE(compile(any({german(), in("few")})).leads);
  EXPECT_FALSE(compile(no(in("few"))).leads);
}

}  // namespace
}  // namespace carillon::store::audience_expression_test
