#include "relay/audience/condition_parser.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "relay/audience/condition_lexer.h"
#include "relay/import/registration_form.h"

namespace carillon::audience {
namespace {

using store::Condition;
using Parsed = tl::expected<Condition, ConditionFault>;
using Compare = Condition::Compare;
using Field = Condition::Field;

// A part of the tree, and how deep it is.
struct Node {
  Condition condition;
  std::size_t depth = 1;
};
using ParsedNode = tl::expected<Node, ConditionFault>;

tl::unexpected<ConditionFault> fault(std::size_t offset, std::string message) {
  return tl::unexpected(ConditionFault{offset, std::move(message)});
}

std::optional<Compare> compare_of(const Token& token) {
  switch (token.word) {
    case Word::kEqual:
      return Compare::kEqual;
    case Word::kNotEqual:
      return Compare::kNotEqual;
    case Word::kLess:
      return Compare::kLess;
    case Word::kLessOrEqual:
      return Compare::kLessOrEqual;
    case Word::kGreater:
      return Compare::kGreater;
    case Word::kGreaterOrEqual:
      return Compare::kGreaterOrEqual;
    case Word::kName:
      if (token.text == "startsWith") return Compare::kStartsWith;
      if (token.text == "contains") return Compare::kContains;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

bool is_equality(Compare compare) {
  return compare == Compare::kEqual || compare == Compare::kNotEqual;
}

bool is_order(Compare compare) {
  return compare == Compare::kLess || compare == Compare::kLessOrEqual ||
         compare == Compare::kGreater || compare == Compare::kGreaterOrEqual;
}

bool takes(Field field, Compare compare) {
  switch (field) {
    case Field::kPlatform:
      return is_equality(compare);
    case Field::kLocale:
    case Field::kTimezone:
      return is_equality(compare) || compare == Compare::kStartsWith;
    case Field::kAppVersion:
      return is_equality(compare) || is_order(compare);
    case Field::kAttribute:
      return true;
  }
  return false;
}

std::string_view comparisons_of(Field field) {
  switch (field) {
    case Field::kPlatform:
      return "a platform is compared by == or !=";
    case Field::kLocale:
      return "a locale is compared by ==, != or startsWith";
    case Field::kTimezone:
      return "a timezone is compared by ==, != or startsWith";
    case Field::kAppVersion:
      return "an app version is compared by ==, !=, <, <=, > or >=";
    case Field::kAttribute:
      return "an attribute is compared by ==, !=, <, <=, >, >=, startsWith or contains";
  }
  return {};
}

std::string text_fault(Field field, const std::string& text) {
  const auto with_empty = [&](std::string_view other) {
    return std::string(text.empty() ? "must not be empty" : other);
  };
  switch (field) {
    case Field::kPlatform: {
      const bool known = text == "apns" || text == "fcm" || text == "webpush";
      return known ? "" : "must be 'apns', 'fcm' or 'webpush'";
    }
    case Field::kLocale:
      return with_empty(import::locale_fault(text));
    case Field::kTimezone:
      return with_empty(import::timezone_fault(text));
    case Field::kAppVersion:
      return with_empty(import::app_version_fault(text));
    case Field::kAttribute:
      return std::string(import::attribute_text_fault(text));
  }
  return {};
}

// Recursive descent; `levels_` bounds how deep it goes whatever the text is.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) {}

  Parsed parse() {
    if (text_.size() > kConditionBytesMax) {
      return fault(
          kConditionBytesMax,
          fmt::format("is beyond the {} bytes that a condition may have", kConditionBytesMax));
    }
    if (!simdjson::validate_utf8(text_.data(), text_.size())) {
      return fault(0, "begins a text that is not valid UTF-8");
    }
    advance();
    ParsedNode all = either();
    if (lexical_) return tl::unexpected(*lexical_);
    if (!all) return tl::unexpected(std::move(all.error()));
    if (token_.word == Word::kEnd) return std::move(all->condition);
    if (token_.word == Word::kClose) return fault(token_.offset, "closes what was not opened");
    return fault(token_.offset, "needs `&&` or `||` before it");
  }

 private:
  // A lexer's fault stands for the end of the text; `parse` tells it before all others.
  void advance() { take(lexer_.next()); }
  void advance_as_name() { take(lexer_.next_as_name()); }
  void take(tl::expected<Token, ConditionFault> next) {
    if (next) {
      token_ = std::move(*next);
    } else {
      if (!lexical_) lexical_ = std::move(next.error());
      token_ = Token{.word = Word::kEnd, .offset = text_.size()};
    }
  }

  ParsedNode either() {
    return chain(Condition::Kind::kOr, Word::kOr, [this] { return both(); });
  }
  ParsedNode both() {
    return chain(Condition::Kind::kAnd, Word::kAnd, [this] { return one(); });
  }

  template <class Part>
  ParsedNode chain(Condition::Kind kind, Word link, Part part) {
    const std::size_t begin = token_.offset;
    ParsedNode first = part();
    if (!first || token_.word != link) return first;
    Node node;
    node.condition.kind = kind;
    node.depth = first->depth;
    node.condition.of.push_back(std::move(first->condition));
    while (token_.word == link) {
      advance();
      ParsedNode next = part();
      if (!next) return next;
      node.depth = std::max(node.depth, next->depth);
      node.condition.of.push_back(std::move(next->condition));
    }
    return deeper(std::move(node), begin);
  }

  ParsedNode one() {
    if (token_.word != Word::kNot && token_.word != Word::kOpen) return term();
    const std::size_t begin = token_.offset;
    const bool negates = token_.word == Word::kNot;
    if (levels_ == store::kConditionDepthMax) return fault(begin, too_deep());
    ++levels_;
    advance();
    ParsedNode inner = negates ? one() : either();
    --levels_;
    if (!inner) return inner;
    if (negates) {
      Node node{.condition = {.kind = Condition::Kind::kNot}, .depth = inner->depth};
      node.condition.of.push_back(std::move(inner->condition));
      return deeper(std::move(node), begin);
    }
    if (token_.word != Word::kClose) {
      if (token_.word == Word::kEnd) return fault(begin, "is not closed by `)`");
      return fault(token_.offset, "needs `&&`, `||` or `)` before it");
    }
    advance();
    return inner;
  }

  // `node.depth` is that of its parts.
  static ParsedNode deeper(Node node, std::size_t begin) {
    if (++node.depth > store::kConditionDepthMax) return fault(begin, too_deep());
    return node;
  }
  static std::string too_deep() {
    return fmt::format("nests deeper than {} levels", store::kConditionDepthMax);
  }

  ParsedNode term() {
    const Token subject = token_;
    if (subject.word == Word::kEnd) return fault(subject.offset, "needs a term here");
    if (subject.word == Word::kText) return counted(subject.offset, topic_term());
    if (subject.word == Word::kName) {
      constexpr auto kFields =
          std::to_array<std::pair<std::string_view, Field>>({{"platform", Field::kPlatform},
                                                             {"locale", Field::kLocale},
                                                             {"timezone", Field::kTimezone},
                                                             {"app_version", Field::kAppVersion},
                                                             {"attributes", Field::kAttribute}});
      for (const auto& [name, field] : kFields) {
        if (subject.text == name) return counted(subject.offset, comparison(field));
      }
    }
    return fault(subject.offset,
                 "must be a topic in quotes, platform, locale, timezone, app_version or "
                 "attributes.NAME");
  }

  ParsedNode counted(std::size_t offset, ParsedNode term) {
    if (term && ++terms_ > store::kConditionTermsMax) {
      return fault(offset, fmt::format("is beyond the {} terms that a condition may have",
                                       store::kConditionTermsMax));
    }
    return term;
  }

  ParsedNode topic_term() {
    Node node;
    node.condition.kind = Condition::Kind::kInTopic;
    node.condition.topic = token_.text;
    if (const auto wrong = import::topic_fault(token_.text); !wrong.empty()) {
      return fault(token_.offset, "is not a topic: it " + std::string(wrong));
    }
    advance();
    if (!is_name("in")) return fault(token_.offset, "must be `in topics`, after a topic");
    advance();
    if (!is_name("topics")) return fault(token_.offset, "must be `topics`, after `in`");
    advance();
    return node;
  }

  ParsedNode comparison(Field field) {
    Node node;
    node.condition.kind = Condition::Kind::kCompare;
    node.condition.field = field;
    if (field == Field::kAttribute) {
      if (auto wrong = attribute_name(node.condition.attribute)) return tl::unexpected(*wrong);
    }
    advance();
    const auto compare = compare_of(token_);
    if (!compare || !takes(field, *compare)) {
      return fault(token_.offset, "is no comparison here: " + std::string(comparisons_of(field)));
    }
    node.condition.compare = *compare;
    advance();
    if (auto wrong = value(node.condition)) return tl::unexpected(*wrong);
    advance();
    return node;
  }

  // From `attributes` to the last word of the name.
  std::optional<ConditionFault> attribute_name(std::string& name) {
    advance();
    if (token_.word == Word::kDot) {
      advance_as_name();
      if (token_.word != Word::kName) {
        return ConditionFault{token_.offset, "must be an attribute's name: attributes.NAME"};
      }
      name = token_.text;
      return name_fault(token_.offset, name);
    }
    if (token_.word != Word::kOpenBracket) {
      return ConditionFault{token_.offset, "must be `.` and an attribute's name, after attributes"};
    }
    advance();
    if (token_.word != Word::kText) {
      return ConditionFault{token_.offset, "must be an attribute's name in quotes"};
    }
    name = token_.text;
    if (auto wrong = name_fault(token_.offset, name)) return wrong;
    advance();
    if (token_.word != Word::kCloseBracket) return ConditionFault{token_.offset, "must be `]`"};
    return std::nullopt;
  }

  static std::optional<ConditionFault> name_fault(std::size_t offset, const std::string& name) {
    const auto wrong = import::attribute_name_fault(name);
    if (wrong.empty()) return std::nullopt;
    return ConditionFault{offset, "is not an attribute's name: it " + std::string(wrong)};
  }

  std::optional<ConditionFault> value(Condition& condition) {
    const std::size_t offset = token_.offset;
    const bool yes = is_name("true");
    if (token_.word == Word::kText) {
      condition.value = token_.text;
    } else if (token_.word == Word::kNumber) {
      condition.value = token_.number;
    } else if (yes || is_name("false")) {
      condition.value = yes;
    } else {
      return ConditionFault{offset, condition.field == Field::kAttribute
                                        ? "must be a text in quotes, a number, true or false"
                                        : "must be a text in quotes"};
    }
    std::string wrong = type_fault(condition);
    if (wrong.empty()) return std::nullopt;
    return ConditionFault{offset, std::move(wrong)};
  }

  static std::string type_fault(const Condition& condition) {
    const auto* const text = std::get_if<std::string>(&condition.value);
    if (condition.field != Field::kAttribute && text == nullptr) {
      return "must be a text in quotes";
    }
    if (condition.field == Field::kAttribute) {
      if (is_order(condition.compare) && !std::holds_alternative<double>(condition.value)) {
        return "must be a number: <, <=, > and >= compare numbers";
      }
      if (!is_order(condition.compare) && !is_equality(condition.compare) && text == nullptr) {
        return "must be a text in quotes, after startsWith or contains";
      }
    }
    return text == nullptr ? std::string() : text_fault(condition.field, *text);
  }

  bool is_name(std::string_view name) const {
    return token_.word == Word::kName && token_.text == name;
  }

  std::string_view text_;
  ConditionLexer lexer_;
  Token token_;
  std::optional<ConditionFault> lexical_;
  std::size_t levels_ = 0;  // parentheses and negations that are open
  std::size_t terms_ = 0;
};

}  // namespace

Parsed parse_condition(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace carillon::audience
