// A condition over an audience: a typed tree, as the relay parses it and a store evaluates it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace carillon::store {

inline constexpr std::size_t kConditionTermsMax = 64;  // leaves of one tree
inline constexpr std::size_t kConditionDepthMax = 16;  // levels of nesting
inline constexpr std::size_t kAttributeNameBytesMax = 64;
inline constexpr std::size_t kAttributeTextBytesMax = 256;

// A list of texts is only stored, never compared with: conditions ask what it contains.
using AttributeValue = std::variant<bool, double, std::string, std::vector<std::string>>;

struct Condition {
  enum class Kind : std::uint8_t { kAnd = 1, kOr, kNot, kInTopic, kCompare };
  enum class Field : std::uint8_t { kPlatform = 1, kLocale, kTimezone, kAppVersion, kAttribute };
  // kNotEqual is !(kEqual): true of a device that has no such value. All others are false of it.
  // kContains: a member of a list of texts.
  enum class Compare : std::uint8_t {
    kEqual = 1,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kStartsWith,
    kContains
  };

  Kind kind = Kind::kInTopic;
  std::vector<Condition> of;  // kAnd, kOr: two or more; kNot: one
  std::string topic;          // kInTopic
  // kCompare: field, how, with what. Locales compare without regard to case ("de" starts "de-AT").
  // App versions compare number by number ("3.10" > "3.9"); a platform is "apns", "fcm" or
  // "webpush".
  Field field = Field::kPlatform;
  std::string attribute;  // kAttribute: its name
  Compare compare = Compare::kEqual;
  std::variant<bool, double, std::string> value;

  friend bool operator==(const Condition&, const Condition&) = default;
};

}  // namespace carillon::store
