#include "storage/sqlite/name_check.h"

#include <fmt/format.h>

#include <cmath>

#include "storage/sqlite/platform_name.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {
namespace {

// Well-formed UTF-8 (RFC 3629) without control characters (C0, DEL, C1).
bool is_printable_utf8(std::string_view text) {
  // Nearly all names and tokens are ASCII throughout: one pass without a branch says so.
  unsigned bad = 0;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    bad |= static_cast<unsigned>(byte < 0x20) | static_cast<unsigned>(byte > 0x7e);
  }
  if (bad == 0) return true;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      if (lead < 0x20 || lead == 0x7f) return false;
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length > text.size()) return false;
    std::uint32_t point = lead & (0xff >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ||
        point < 0xa0) {
      return false;
    }
    i += length;
  }
  return true;
}

Error invalid(std::string message) {
  return {Error::Kind::kInvalid, std::move(message)};
}

// The comparisons that a field's type has.
std::optional<Error> check_compare(const Condition& leaf) {
  using Compare = Condition::Compare;
  using Field = Condition::Field;
  const auto compare = static_cast<int>(leaf.compare), field = static_cast<int>(leaf.field);
  if (field < static_cast<int>(Field::kPlatform) || field > static_cast<int>(Field::kAttribute) ||
      compare < static_cast<int>(Compare::kEqual) ||
      compare > static_cast<int>(Compare::kContains)) {
    return invalid("the condition compares what cannot be compared");
  }
  const bool equality = leaf.compare == Compare::kEqual || leaf.compare == Compare::kNotEqual;
  const auto* text = std::get_if<std::string>(&leaf.value);
  if (text) {
    if (auto error = check_text("a condition's text", *text, kAttributeTextBytesMax)) return error;
  }
  if (leaf.field == Field::kAttribute) {
    if (leaf.attribute.empty()) return invalid("the condition names no attribute");
    if (auto error = check_text("an attribute's name", leaf.attribute, kAttributeNameBytesMax)) {
      return error;
    }
    if (std::holds_alternative<bool>(leaf.value) && !equality) {
      return invalid("the condition orders a truth value");
    }
    if (const auto* number = std::get_if<double>(&leaf.value)) {
      if (!std::isfinite(*number)) return invalid("the condition's number is not finite");
    }
    const bool of_text = leaf.compare == Compare::kStartsWith || leaf.compare == Compare::kContains;
    if (of_text && !text) return invalid("the condition looks for what is no text");
    return std::nullopt;
  }
  if (!text) return invalid("the condition compares a text with something else");
  if (leaf.compare == Compare::kContains) {
    return invalid("the condition asks for a member of what is no list");
  }
  if (leaf.field == Field::kPlatform) {
    if (!equality || !platform_named(*text)) return invalid("the condition knows no such platform");
  }
  return std::nullopt;
}

std::optional<Error> check_condition(const Condition& condition, std::size_t depth,
                                     std::size_t& terms) {
  if (depth > kConditionDepthMax) {
    return invalid(
        fmt::format("the condition is nested deeper than {} levels", kConditionDepthMax));
  }
  const auto too_many = [&]() -> std::optional<Error> {
    if (++terms <= kConditionTermsMax) return std::nullopt;
    return invalid(fmt::format("the condition has more than {} terms", kConditionTermsMax));
  };
  switch (condition.kind) {
    case Condition::Kind::kInTopic:
      if (auto error = too_many()) return error;
      return check_name("the topic's name", condition.topic);
    case Condition::Kind::kCompare:
      if (auto error = too_many()) return error;
      return check_compare(condition);
    case Condition::Kind::kNot:
      if (condition.of.size() != 1) return invalid("the condition negates one thing at a time");
      break;
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      if (condition.of.size() < 2) return invalid("the condition joins fewer than two things");
      break;
    default:
      return invalid("the condition has a part of no known kind");
  }
  for (const Condition& part : condition.of) {
    if (auto error = check_condition(part, depth + 1, terms)) return error;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> check_text(std::string_view what, std::string_view text,
                                std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return Error{Error::Kind::kInvalid, fmt::format("{} is longer than {} bytes", what, bytes_max)};
  }
  if (!is_printable_utf8(text)) {
    return Error{Error::Kind::kInvalid,
                 fmt::format("{} is not UTF-8 or has control characters", what)};
  }
  return std::nullopt;
}

std::optional<Error> check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return Error{Error::Kind::kInvalid, fmt::format("{} is empty", what)};
  return check_text(what, name, kNameBytesMax);
}

std::optional<Error> check_registration(const DeviceRegistration& line) {
  if (auto error = check_name("the app's name", line.app)) return error;
  if (auto error = check_name("the device's name", line.device)) return error;
  const auto platform = static_cast<std::size_t>(line.platform);
  if (platform < 1 || platform > kPlatforms) {
    return Error{Error::Kind::kInvalid, "the platform is none that the relay knows"};
  }
  if (line.token.empty()) return Error{Error::Kind::kInvalid, "the token is empty"};
  if (auto error = check_text("the token", line.token, kTokenBytesMax)) return error;
  if (!line.subscriber.empty()) {
    if (auto error = check_name("the subscriber's name", line.subscriber)) return error;
  }
  if (auto error = check_text("the locale", line.locale, kLocaleBytesMax)) return error;
  if (auto error = check_text("the time zone", line.timezone, kTimezoneBytesMax)) return error;
  for (const auto topics : {line.topics, line.device_topics}) {
    for (const std::string_view topic : topics) {
      if (auto error = check_name("a topic's name", topic)) return error;
    }
  }
  if (auto error = check_text("the app's version", line.app_version, kAppVersionBytesMax)) {
    return error;
  }
  if (line.last_seen_ms < 0)
    return invalid("the time that the device was last seen is before 1970");
  return check_attributes(line.attributes);
}

std::optional<Error> check_audience(const Audience& audience) {
  if (audience.topics.size() > kTopicsPerEventMax) {
    return invalid(fmt::format("the event has more than {} topics", kTopicsPerEventMax));
  }
  for (const std::string& topic : audience.topics) {
    if (auto error = check_name("the topic's name", topic)) return error;
  }
  if (audience.subscribers.size() + audience.devices.size() > kNamedAudienceMax) {
    return invalid(fmt::format("the event names more than {} receivers", kNamedAudienceMax));
  }
  for (const auto* names : {&audience.subscribers, &audience.devices}) {
    for (const std::string& name : *names) {
      if (auto error = check_name("a receiver's name", name)) return error;
    }
  }
  std::size_t terms = 0;
  return audience.condition ? check_condition(*audience.condition, 1, terms) : std::nullopt;
}

}  // namespace carillon::store::sqlite
