#include "relay/audience/condition_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "relay/audience/condition_printer.h"

namespace carillon::audience::parser_test {
namespace {

using store::Condition;
using Compare = Condition::Compare;
using Field = Condition::Field;
using Kind = Condition::Kind;

Condition topic(const std::string& name) {
  return {.kind = Kind::kInTopic, .topic = name};
}
Condition compare(Field field, Compare how, decltype(Condition::value) value,
                  const std::string& attribute = "") {
  return {.kind = Kind::kCompare,
          .field = field,
          .attribute = attribute,
          .compare = how,
          .value = std::move(value)};
}
Condition node(Kind kind, std::vector<Condition> of) {
  return {.kind = kind, .of = std::move(of)};
}

void expect_tree(const std::string& text, const Condition& tree) {
  const auto parsed = parse_condition(text);
  ASSERT_TRUE(parsed) << text << "\n"
                      << picture_of(text, parsed.error().offset) << " " << parsed.error().message;
  EXPECT_EQ(*parsed, tree) << text << " became " << print_condition(*parsed);
}

TEST(ConditionParser, ReadsEveryKindOfTermInOneCondition) {
  expect_tree(
      "'sports' in topics && !('nba' in topics) && locale startsWith 'de' && app_version >= '3.2' "
      "&& attributes.plan == 'pro' && attributes.age >= 18 && attributes.tags contains 'x' && "
      "platform == 'apns' && timezone != \"Europe/Berlin\" && attributes['first name'] == true",
      node(Kind::kAnd, {topic("sports"), node(Kind::kNot, {topic("nba")}),
                        compare(Field::kLocale, Compare::kStartsWith, "de"),
                        compare(Field::kAppVersion, Compare::kGreaterOrEqual, "3.2"),
                        compare(Field::kAttribute, Compare::kEqual, "pro", "plan"),
                        compare(Field::kAttribute, Compare::kGreaterOrEqual, 18.0, "age"),
                        compare(Field::kAttribute, Compare::kContains, "x", "tags"),
                        compare(Field::kPlatform, Compare::kEqual, "apns"),
                        compare(Field::kTimezone, Compare::kNotEqual, "Europe/Berlin"),
                        compare(Field::kAttribute, Compare::kEqual, true, "first name")}));
}

TEST(ConditionParser, AndBindsCloserThanOrAndNotCloserThanBoth) {
  const Condition a = topic("a"), b = topic("b"), c = topic("c");
  const std::string as = "'a' in topics", bs = "'b' in topics", cs = "'c' in topics";
  expect_tree(as + "||" + bs + "&&" + cs, node(Kind::kOr, {a, node(Kind::kAnd, {b, c})}));
  expect_tree("(" + as + "||" + bs + ")&&" + cs, node(Kind::kAnd, {node(Kind::kOr, {a, b}), c}));
  expect_tree("!" + as + "&&" + bs, node(Kind::kAnd, {node(Kind::kNot, {a}), b}));
  expect_tree("not " + as + " and " + bs + " or " + cs,
              node(Kind::kOr, {node(Kind::kAnd, {node(Kind::kNot, {a}), b}), c}));
  expect_tree("NOT " + as + " AND " + bs + " OR " + cs,
              node(Kind::kOr, {node(Kind::kAnd, {node(Kind::kNot, {a}), b}), c}));
  expect_tree("\t((" + as + "))\r\n", a);
}

TEST(ConditionParser, AChainIsOneNodeAndParenthesesMakeTheirOwn) {
  const Condition a = topic("a"), b = topic("b"), c = topic("c");
  const std::string as = "'a' in topics", bs = "'b' in topics", cs = "'c' in topics";
  expect_tree(as + "&&" + bs + "&&" + cs, node(Kind::kAnd, {a, b, c}));
  expect_tree("(" + as + "&&" + bs + ")&&" + cs, node(Kind::kAnd, {node(Kind::kAnd, {a, b}), c}));
}

TEST(ConditionParser, TextsHaveEscapesAndAttributesMayBeCalledAnything) {
  expect_tree(R"(attributes.name == 'O\'Hara \\ \"x\"')",
              compare(Field::kAttribute, Compare::kEqual, R"(O'Hara \ "x")", "name"));
  expect_tree(R"(attributes.name == "O'Hara")",
              compare(Field::kAttribute, Compare::kEqual, "O'Hara", "name"));
  expect_tree("attributes.and == 'ü'", compare(Field::kAttribute, Compare::kEqual, "ü", "and"));
  expect_tree("attributes.2fa-on == false",
              compare(Field::kAttribute, Compare::kEqual, false, "2fa-on"));
  expect_tree("attributes.x == ''", compare(Field::kAttribute, Compare::kEqual, "", "x"));
}

TEST(ConditionParser, NumbersAreThoseOfJson) {
  for (const auto& [text, number] : std::vector<std::pair<std::string, double>>{
           {"0", 0}, {"-1", -1}, {"18.5", 18.5}, {"1e3", 1000}, {"2E-2", 0.02}, {"-0.5e+1", -5}}) {
    expect_tree("attributes.age < " + text,
                compare(Field::kAttribute, Compare::kLess, number, "age"));
  }
}

// A condition that is wrong, with the place where it is: `^` stands before it in the text.
struct Wrong {
  const char* text;
  const char* message;
};

class WrongCondition : public testing::TestWithParam<Wrong> {};

TEST_P(WrongCondition, IsToldAtItsCharacter) {
  std::string text = GetParam().text;
  const std::size_t offset = text.find('^');
  text.erase(offset, 1);
  const auto parsed = parse_condition(text);
  ASSERT_FALSE(parsed) << text << " became " << print_condition(*parsed);
  EXPECT_EQ(parsed.error().message, GetParam().message);
  EXPECT_EQ(parsed.error().offset, offset) << picture_of(text, parsed.error().offset);
}

constexpr const char* kNoTerm =
    "must be a topic in quotes, platform, locale, timezone, app_version or attributes.NAME";

INSTANTIATE_TEST_SUITE_P(
    ConditionParser, WrongCondition,
    testing::Values(
        Wrong{"^", "needs a term here"}, Wrong{"  ^", "needs a term here"},
        Wrong{"'a' in topics &&^", "needs a term here"},
        Wrong{"'a' in topics && ^&& 'b' in topics", kNoTerm}, Wrong{"(^)", kNoTerm},
        Wrong{"'a' in topics ^'b' in topics", "needs `&&` or `||` before it"},
        Wrong{"^('a' in topics", "is not closed by `)`"},
        Wrong{"('a' in topics ^'b' in topics)", "needs `&&`, `||` or `)` before it"},
        Wrong{"'a' in topics^)", "closes what was not opened"},
        Wrong{"'a' in ^topic", "must be `topics`, after `in`"},
        Wrong{"'a'^", "must be `in topics`, after a topic"},
        Wrong{"^'a b' in topics", "is not a topic: it must be 1 to 128 of A-Z a-z 0-9 . _ ~ % -"},
        Wrong{"^sports in topics", kNoTerm}, Wrong{"^Platform == 'apns'", kNoTerm},
        Wrong{"^42 == 42", kNoTerm},
        Wrong{"platform == ^'ios'", "must be 'apns', 'fcm' or 'webpush'"},
        Wrong{"platform ^< 'fcm'", "is no comparison here: a platform is compared by == or !="},
        Wrong{"platform ^startsWith 'a'",
              "is no comparison here: a platform is compared by == or !="},
        Wrong{"platform == ^1", "must be a text in quotes"},
        Wrong{"app_version > ^3", "must be a text in quotes"},
        Wrong{"app_version > ^3.2.1", "is not a number; versions and other texts stand in quotes"},
        Wrong{"app_version > ^'v3'",
              "must be a version such as \"3.10.1\": a digit, then A-Z a-z 0-9 . + _ -, at most 64 "
              "bytes"},
        Wrong{"app_version > ^''", "must not be empty"},
        Wrong{"app_version ^startsWith '3'",
              "is no comparison here: an app version is compared by ==, !=, <, <=, > or >="},
        Wrong{"locale == ^true", "must be a text in quotes"},
        Wrong{"locale == ^''", "must not be empty"},
        Wrong{"locale == ^'d e'",
              "must be a language tag such as \"de\" or \"pt-BR\", at most 35 bytes"},
        Wrong{"locale ^contains 'de'",
              "is no comparison here: a locale is compared by ==, != or startsWith"},
        Wrong{"timezone == ^'a b'", "must be a zone such as \"Europe/Berlin\", at most 64 bytes"},
        Wrong{"timezone ^>= 'a'",
              "is no comparison here: a timezone is compared by ==, != or startsWith"},
        Wrong{"attributes.age ^'x'",
              "is no comparison here: an attribute is compared by ==, !=, <, <=, >, >=, startsWith "
              "or contains"},
        Wrong{"attributes.age > ^'x'", "must be a number: <, <=, > and >= compare numbers"},
        Wrong{"attributes.age <= ^true", "must be a number: <, <=, > and >= compare numbers"},
        Wrong{"attributes.plan startsWith ^1",
              "must be a text in quotes, after startsWith or contains"},
        Wrong{"attributes.plan contains ^false",
              "must be a text in quotes, after startsWith or contains"},
        Wrong{"attributes.plan == ^pro", "must be a text in quotes, a number, true or false"},
        Wrong{"attributes ^== 1", "must be `.` and an attribute's name, after attributes"},
        Wrong{"attributes. ^== 1", "must be an attribute's name: attributes.NAME"},
        Wrong{"attributes[^1] == 1", "must be an attribute's name in quotes"},
        Wrong{"attributes['a' ^== 1", "must be `]`"},
        Wrong{"attributes[^''] == 1", "is not an attribute's name: it must be 1 to 64 bytes long"},
        Wrong{"locale ^= 'de'", "must be `==` to compare"},
        Wrong{"'a' in topics ^& 'b' in topics", "must be `&&`"},
        Wrong{"'a' in topics ^| 'b' in topics", "must be `||`"},
        Wrong{"^{}", "is not part of a condition; texts stand in quotes"},
        Wrong{"locale == ^'de", "begins a text that no ' ends"},
        Wrong{"locale == ^\"de'", "begins a text that no \" ends"},
        Wrong{"attributes.a == 'x^\\n'", R"(is not an escape: there are \', \" and \\)"},
        Wrong{"attributes.a == 'x^\ny'", "is a control character, which a text cannot have"},
        Wrong{"attributes.a == ^01", "is not a number; versions and other texts stand in quotes"},
        Wrong{"attributes.a == ^1.", "is not a number; versions and other texts stand in quotes"},
        Wrong{"attributes.a == ^-", "is not a number; versions and other texts stand in quotes"},
        Wrong{"attributes.a == ^1e", "is not a number; versions and other texts stand in quotes"},
        Wrong{"attributes.a == ^1x", "is not a number; versions and other texts stand in quotes"},
        Wrong{"attributes.a == ^1e999", "is not a number; versions and other texts stand in quotes"},
        // A text that does not end is told before the parenthesis that it swallowed.
        Wrong{"('a' in topics && locale == ^'de)", "begins a text that no ' ends"}));

TEST(ConditionParser, RefusesTextThatIsNotUtf8) {
  EXPECT_FALSE(parse_condition("attributes.a == '\xC3'"));
  EXPECT_FALSE(parse_condition("attributes.a == '\xED\xA0\x80'"));
}

std::string terms(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += (i > 0 ? " || " : "") + std::string("'a' in topics");
  return text;
}

TEST(ConditionParser, TakesAsManyTermsAsTheStoreAndNoMore) {
  EXPECT_TRUE(parse_condition(terms(store::kConditionTermsMax)));
  const std::string text = terms(store::kConditionTermsMax + 1);
  const auto beyond = parse_condition(text);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().offset, text.rfind("'a'"));
  EXPECT_EQ(beyond.error().message, "is beyond the 64 terms that a condition may have");
}

std::string within(const std::string& open, std::size_t levels, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += open;
  text += "'a' in topics";
  for (std::size_t i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(ConditionParser, NestsAsDeepAsTheStoreAndNoDeeper) {
  // A lone term is one level; each negation adds one.
  EXPECT_TRUE(parse_condition(within("!", store::kConditionDepthMax - 1, "")));
  const auto negations = parse_condition(within("!", store::kConditionDepthMax, ""));
  ASSERT_FALSE(negations);
  EXPECT_EQ(negations.error(), (ConditionFault{0, "nests deeper than 16 levels"}));

  // Parentheses alone make no level of the tree, but are not free: the parser goes down with them.
  EXPECT_TRUE(parse_condition(within("(", store::kConditionDepthMax, ")")));
  const auto parentheses = parse_condition(within("(", store::kConditionDepthMax + 1, ")"));
  ASSERT_FALSE(parentheses);
  EXPECT_EQ(parentheses.error().offset, store::kConditionDepthMax);

  // Chains make levels without a parenthesis of their own.
  EXPECT_TRUE(parse_condition(within("('b' in topics && ", store::kConditionDepthMax - 1, ")")));
  EXPECT_FALSE(parse_condition(
      within("('b' in topics || 'b' in topics && ", store::kConditionDepthMax / 2, ")")));
}

TEST(ConditionParser, ALongRunOfOpeningSignsCostsNoStack) {
  EXPECT_FALSE(parse_condition(std::string(kConditionBytesMax, '(')));
  EXPECT_FALSE(parse_condition(std::string(kConditionBytesMax, '!')));
}

TEST(ConditionParser, BoundsTheTextInBytes) {
  std::string text = "'a' in topics";
  text.resize(kConditionBytesMax, ' ');
  EXPECT_TRUE(parse_condition(text));
  text += ' ';
  const auto beyond = parse_condition(text);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().offset, kConditionBytesMax);
  EXPECT_EQ(beyond.error().message, "is beyond the 65536 bytes that a condition may have");
}

TEST(ConditionParser, BoundsNamesAndTexts) {
  const auto parses = [](const std::string& name, const std::string& text) {
    return parse_condition(fmt::format("attributes['{}'] == '{}'", name, text)).has_value();
  };
  EXPECT_TRUE(parses(std::string(store::kAttributeNameBytesMax, 'n'),
                     std::string(store::kAttributeTextBytesMax, 't')));
  EXPECT_FALSE(parses(std::string(store::kAttributeNameBytesMax + 1, 'n'), "t"));
  EXPECT_FALSE(parses("n", std::string(store::kAttributeTextBytesMax + 1, 't')));
  EXPECT_TRUE(parse_condition(fmt::format("'{}' in topics", std::string(128, 't'))));
  EXPECT_FALSE(parse_condition(fmt::format("'{}' in topics", std::string(129, 't'))));
}

}  // namespace
}  // namespace carillon::audience::parser_test
