#include "relay/audience/condition_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace carillon::audience {
namespace {

using store::Condition;

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

bool is_bare_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

std::string field_text(const Condition& condition) {
  switch (condition.field) {
    case Condition::Field::kPlatform:
      return "platform";
    case Condition::Field::kLocale:
      return "locale";
    case Condition::Field::kTimezone:
      return "timezone";
    case Condition::Field::kAppVersion:
      return "app_version";
    case Condition::Field::kAttribute:
      break;
  }
  return is_bare_name(condition.attribute) ? "attributes." + condition.attribute
                                           : "attributes[" + literal(condition.attribute) + "]";
}

std::string_view compare_text(Condition::Compare compare) {
  switch (compare) {
    case Condition::Compare::kEqual:
      return "==";
    case Condition::Compare::kNotEqual:
      return "!=";
    case Condition::Compare::kLess:
      return "<";
    case Condition::Compare::kLessOrEqual:
      return "<=";
    case Condition::Compare::kGreater:
      return ">";
    case Condition::Compare::kGreaterOrEqual:
      return ">=";
    case Condition::Compare::kStartsWith:
      return "startsWith";
    case Condition::Compare::kContains:
      return "contains";
  }
  return {};
}

std::string value_text(const Condition& condition) {
  if (const auto* text = std::get_if<std::string>(&condition.value)) return literal(*text);
  // The shortest digits that give the same number again.
  if (const auto* number = std::get_if<double>(&condition.value)) return fmt::format("{}", *number);
  return std::get<bool>(condition.value) ? "true" : "false";
}

// Within `parent`. Only an || in an && and a chain in a chain of its own kind need parentheses: the
// latter would become one chain otherwise.
std::string part_text(const Condition& part, Condition::Kind parent) {
  const bool chain = part.kind == Condition::Kind::kAnd || part.kind == Condition::Kind::kOr;
  const bool plain = part.kind == Condition::Kind::kAnd && parent == Condition::Kind::kOr;
  return chain && !plain ? "(" + print_condition(part) + ")" : print_condition(part);
}

std::string joined(const Condition& condition, std::string_view link) {
  std::string out;
  for (const Condition& part : condition.of) {
    if (!out.empty()) out += link;
    out += part_text(part, condition.kind);
  }
  return out;
}

}  // namespace

std::string print_condition(const Condition& condition) {
  switch (condition.kind) {
    case Condition::Kind::kAnd:
      return joined(condition, " && ");
    case Condition::Kind::kOr:
      return joined(condition, " || ");
    case Condition::Kind::kNot:
      return "!" + part_text(condition.of.front(), condition.kind);
    case Condition::Kind::kInTopic:
      return literal(condition.topic) + " in topics";
    case Condition::Kind::kCompare:
      break;
  }
  return fmt::format("{} {} {}", field_text(condition), compare_text(condition.compare),
                     value_text(condition));
}

}  // namespace carillon::audience
