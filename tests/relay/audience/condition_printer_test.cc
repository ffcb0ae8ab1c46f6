#include "relay/audience/condition_printer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "relay/audience/condition_parser.h"

namespace carillon::audience::printer_test {
namespace {

using store::Condition;
using Compare = Condition::Compare;
using Field = Condition::Field;
using Kind = Condition::Kind;

TEST(ConditionPrinter, WritesTheCanonicalText) {
  const auto tree = parse_condition(
      R"(not("a" in topics or "b" in topics)and(locale=="de"||timezone!="UTC")and"c" in topics)"
      R"(&&attributes["plan"]=="it's"&&attributes["a b"]<1e1&&!(attributes.x==true))");
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(print_condition(*tree),
            "!('a' in topics || 'b' in topics) && (locale == 'de' || timezone != 'UTC') && "
            R"('c' in topics && attributes.plan == 'it\'s' && attributes['a b'] < 10 && )"
            "!attributes.x == true");
}

// Trees within all limits, of any shape.
class RandomTrees {
 public:
  explicit RandomTrees(std::uint64_t seed) : random_(seed) {}

  Condition tree() {
    terms_left_ = 1 + below(store::kConditionTermsMax);
    return part(store::kConditionDepthMax);
  }

  // As long as a text can be: as many terms as there may be, every byte of them escaped.
  static Condition longest() {
    Condition all{.kind = Kind::kAnd};
    for (std::size_t i = 0; i < store::kConditionTermsMax; ++i) {
      Condition term{.kind = Kind::kCompare,
                     .field = Field::kAttribute,
                     .attribute = std::string(store::kAttributeNameBytesMax, '\''),
                     .compare = Compare::kStartsWith,
                     .value = std::string(store::kAttributeTextBytesMax, '\\')};
      // Each in as many negations as the depth allows: they print as one byte each.
      for (std::size_t level = 2; level < store::kConditionDepthMax; ++level) {
        Condition negation{.kind = Kind::kNot};
        negation.of.push_back(std::move(term));
        term = std::move(negation);
      }
      all.of.push_back(std::move(term));
    }
    return all;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  std::string text(std::size_t bytes_max, std::string_view alphabet) {
    std::string out;
    const std::size_t bytes = below(std::min<std::size_t>(bytes_max, 12));
    while (out.size() < bytes) out += alphabet[below(alphabet.size())];
    return out;
  }

  Condition part(std::size_t levels) {
    const std::size_t choice = levels > 1 ? below(6) : 5;
    if (choice == 0) {
      Condition negation{.kind = Kind::kNot};
      negation.of.push_back(part(levels - 1));
      return negation;
    }
    if (choice > 2 || terms_left_ < 2) {
      if (terms_left_ > 0) --terms_left_;
      return term();
    }
    Condition chain{.kind = choice == 1 ? Kind::kAnd : Kind::kOr};
    const std::size_t parts = 2 + below(3);
    for (std::size_t i = 0; i < parts && (i < 2 || terms_left_ > 0); ++i) {
      if (i == 1 && terms_left_ == 0) break;
      chain.of.push_back(part(levels - 1));
    }
    return chain.of.size() > 1 ? chain : chain.of.front();
  }

  Condition term() {
    Condition out;
    if (below(3) == 0) {
      out.topic = "t" + text(20, "abc019._~%-");
      return out;
    }
    out.kind = Kind::kCompare;
    out.field = static_cast<Field>(1 + below(5));
    switch (out.field) {
      case Field::kPlatform: {
        constexpr std::string_view kNames[] = {"apns", "fcm", "webpush"};
        out.compare = below(2) == 0 ? Compare::kEqual : Compare::kNotEqual;
        out.value = std::string(kNames[below(3)]);
        break;
      }
      case Field::kLocale:
      case Field::kTimezone: {
        constexpr Compare kHow[] = {Compare::kEqual, Compare::kNotEqual, Compare::kStartsWith};
        out.compare = kHow[below(3)];
        out.value = "d" + text(20, "eDE_-");
        break;
      }
      case Field::kAppVersion:
        out.compare = static_cast<Compare>(1 + below(6));
        out.value = std::to_string(below(100)) + "." + std::to_string(below(4294967296));
        break;
      case Field::kAttribute:
        attribute(out);
        break;
    }
    return out;
  }

  void attribute(Condition& out) {
    out.attribute = "a" + text(20, "b0_- .'\"\\()");
    out.compare = static_cast<Compare>(1 + below(8));
    const bool equality = out.compare == Compare::kEqual || out.compare == Compare::kNotEqual;
    const bool of_texts = out.compare == Compare::kStartsWith || out.compare == Compare::kContains;
    if (of_texts || (equality && below(2) == 0)) {
      out.value = text(20, "x'\"\\ &|!()");
    } else if (equality && below(2) == 0) {
      out.value = below(2) == 0;
    } else {
      const double exponent = static_cast<double>(below(600)) - 300;
      const double mantissa = std::uniform_real_distribution<double>(-10, 10)(random_);
      out.value =
          below(2) == 0 ? mantissa * std::pow(10, exponent) : static_cast<double>(below(100)) - 50;
    }
  }

  std::mt19937_64 random_;
  std::size_t terms_left_ = 0;
};

TEST(ConditionPrinter, WhatItWritesIsReadBackAsTheSameTree) {
  const char* const given = std::getenv("CARILLON_CONDITION_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const std::uint64_t last = given != nullptr ? first : 2'000;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const Condition tree = RandomTrees(seed).tree();
    const std::string text = print_condition(tree);
    const auto parsed = parse_condition(text);
    ASSERT_TRUE(parsed) << "CARILLON_CONDITION_SEED=" << seed << "\n"
                        << picture_of(text, parsed.error().offset) << " " << parsed.error().message;
    ASSERT_EQ(*parsed, tree) << "CARILLON_CONDITION_SEED=" << seed << "\n" << text;
    ASSERT_EQ(print_condition(*parsed), text) << "CARILLON_CONDITION_SEED=" << seed;
  }
}

TEST(ConditionPrinter, TheLongestTextOfATreeWithinTheLimitsIsWithinTheLimitOfTexts) {
  const Condition longest = RandomTrees::longest();
  const std::string text = print_condition(longest);
  EXPECT_LE(text.size(), kConditionBytesMax);
  EXPECT_GT(text.size(), kConditionBytesMax / 2) << "the limit is not far beyond what is needed";
  const auto parsed = parse_condition(text);
  ASSERT_TRUE(parsed) << picture_of(text, parsed.error().offset) << " " << parsed.error().message;
  EXPECT_EQ(*parsed, longest);
}

// Whatever the bytes are, the parser answers with a tree or a place within the text.
TEST(ConditionParser, SurvivesDamagedTexts) {
  const char* const given = std::getenv("CARILLON_CONDITION_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const std::uint64_t last = given != nullptr ? first : 2'000;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    std::mt19937_64 random(seed);
    std::string text = print_condition(RandomTrees(seed).tree());
    for (int edits = 0; edits < 3 && !text.empty(); ++edits) {
      const std::size_t at = random() % text.size();
      if (random() % 3 == 0) {
        text.erase(at, 1 + random() % 4);
      } else {
        text[at] = static_cast<char>(random() % 256);
      }
    }
    const auto parsed = parse_condition(text);
    if (parsed) continue;
    ASSERT_LE(parsed.error().offset, text.size()) << "CARILLON_CONDITION_SEED=" << seed;
    ASSERT_FALSE(parsed.error().message.empty()) << "CARILLON_CONDITION_SEED=" << seed;
    ASSERT_FALSE(picture_of(text, parsed.error().offset).empty());
  }
}

}  // namespace
}  // namespace carillon::audience::printer_test
