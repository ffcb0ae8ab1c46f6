#include "providers/fcm/fcm_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "providers/fcm/fcm_request.h"
#include "providers/payload.h"

namespace carillon::push {
namespace {

using nlohmann::json;

// What is wrong with a value, and where in it (a pointer; empty: all of it).
struct ValueFault {
  std::string at;
  std::string message;
};
using CheckValue = std::optional<ValueFault> (*)(const json& value);

// A member of one of FCM's messages: a value with its check, or a message with its own members.
struct FcmMember {
  std::string_view name;  // snake_case
  CheckValue check = nullptr;
  std::span<const FcmMember> members = {};
};

std::optional<ValueFault> unless(bool good, std::string_view must) {
  if (good) return std::nullopt;
  return ValueFault{.at = {}, .message = fmt::format("must be {}", must)};
}

const std::string* text_of(const json& value) {
  return value.get_ptr<const std::string*>();
}

bool is_digit_char(char c) {
  return c >= '0' && c <= '9';
}

// --- values

std::optional<ValueFault> check_text(const json& value) {
  return unless(value.is_string(), "a string");
}

std::optional<ValueFault> check_bool(const json& value) {
  return unless(value.is_boolean(), "true or false");
}

std::optional<ValueFault> check_object(const json& value) {
  return unless(value.is_object(), "a JSON object");
}

std::optional<ValueFault> check_texts(const json& value) {
  if (!value.is_array()) return unless(false, "an array of strings");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_string()) return ValueFault{fmt::format("/{}", i), "must be a string"};
  }
  return std::nullopt;
}

// A map of strings. A value may be null, which removes it.
std::optional<ValueFault> check_text_map(const json& value) {
  if (!value.is_object()) return unless(false, "an object of strings");
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string() && !text.is_null()) {
      return ValueFault{"/" + pointer_part(name), "must be a string"};
    }
  }
  return std::nullopt;
}

std::optional<ValueFault> check_data(const json& value) {
  if (auto fault = check_text_map(value)) return fault;
  for (const auto& [name, text] : value.items()) {
    if (is_reserved_fcm_name(name)) {
      return ValueFault{"/" + pointer_part(name), "is a name that FCM or Carillon reserves"};
    }
  }
  return std::nullopt;
}

// How many notifications the launcher shows: an int32, which proto3's JSON takes as text, too.
std::optional<ValueFault> check_count(const json& value) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  std::int64_t count = -1;
  if (const std::string* text = text_of(value)) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (error != std::errc() || end != text->data() + text->size()) count = -1;
  } else if (value.is_number_unsigned() &&
             value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMax)) {
    count = value.get<std::int64_t>();
  }
  return unless(count >= 0 && count <= kMax, fmt::format("an integer from 0 to {}", kMax));
}

std::optional<ValueFault> check_light_part(const json& value) {
  return unless(value.is_number() && value.get<double>() >= 0 && value.get<double>() <= 1,
                "a number from 0 to 1");
}

// proto3's JSON of a google.protobuf.Duration that is not negative: whole seconds, up to nine
// digits of a fraction, "s". The whole seconds and whether there is anything beyond; none: it is
// not one.
struct DurationText {
  std::int64_t seconds = 0;
  bool more = false;
};
std::optional<DurationText> read_duration(const json& value) {
  constexpr std::size_t kWholeDigitsMax = 12;  // Duration's own limit: 315,576,000,000 s
  constexpr std::size_t kFractionDigitsMax = 9;
  const std::string* text = text_of(value);
  if (text == nullptr || text->size() < 2 || text->back() != 's') return std::nullopt;
  const std::string_view digits = std::string_view(*text).substr(0, text->size() - 1);
  const std::string_view whole = digits.substr(0, digits.find('.'));
  if (whole.empty() || whole.size() > kWholeDigitsMax ||
      !std::all_of(whole.begin(), whole.end(), is_digit_char)) {
    return std::nullopt;
  }
  DurationText duration;
  std::from_chars(whole.data(), whole.data() + whole.size(), duration.seconds);
  if (whole.size() == digits.size()) return duration;
  const std::string_view fraction = digits.substr(whole.size() + 1);
  if (fraction.empty() || fraction.size() > kFractionDigitsMax ||
      !std::all_of(fraction.begin(), fraction.end(), is_digit_char)) {
    return std::nullopt;
  }
  duration.more = fraction.find_first_not_of('0') != std::string_view::npos;
  return duration;
}

std::optional<ValueFault> check_duration(const json& value) {
  return unless(read_duration(value).has_value(), R"(a duration such as "3.5s")");
}

std::optional<ValueFault> check_durations(const json& value) {
  if (!value.is_array()) return unless(false, "an array of durations");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!read_duration(value[i])) {
      return ValueFault{fmt::format("/{}", i), R"(must be a duration such as "3.5s")"};
    }
  }
  return std::nullopt;
}

std::optional<ValueFault> check_ttl(const json& value) {
  const auto duration = read_duration(value);
  const std::int64_t max = kFcmTtlMax.count();
  return unless(
      duration && (duration->seconds < max || (duration->seconds == max && !duration->more)),
      fmt::format(R"(a duration such as "3.5s" of at most {} s)", max));
}

std::optional<ValueFault> check_colour(const json& value) {
  const std::string* text = text_of(value);
  return unless(text != nullptr && text->size() == 7 && text->front() == '#' &&
                    text->find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos,
                R"(a colour such as "#1d4ed8")");
}

// RFC 3339, with the ranges of its parts: "2026-11-21T14:00:00Z".
std::optional<ValueFault> check_time(const json& value) {
  constexpr std::string_view kMust = R"(a time such as "2026-11-21T14:00:00Z")";
  const std::string* text = text_of(value);
  if (text == nullptr) return unless(false, kMust);
  std::string_view rest = *text;
  const auto number = [&rest](std::size_t digits, int low, int high) {
    int read = 0;
    if (rest.size() < digits || !std::all_of(rest.begin(), rest.begin() + digits, is_digit_char)) {
      return false;
    }
    std::from_chars(rest.data(), rest.data() + digits, read);
    rest.remove_prefix(digits);
    return read >= low && read <= high;
  };
  const auto character = [&rest](std::string_view any_of) {
    if (rest.empty() || any_of.find(rest.front()) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
  };
  bool good = number(4, 1, 9999) && character("-") && number(2, 1, 12) && character("-") &&
              number(2, 1, 31) && character("Tt") && number(2, 0, 23) && character(":") &&
              number(2, 0, 59) && character(":") && number(2, 0, 60);
  if (good && character(".")) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    good = digits >= 1 && digits <= 9;
    rest.remove_prefix(digits);
  }
  if (good && !character("Zz")) {
    good = character("+-") && number(2, 0, 23) && character(":") && number(2, 0, 59);
  }
  return unless(good && rest.empty(), kMust);
}

// FCM takes an enum's names in any case: its own Node SDK writes them in lower case.
template <std::size_t n>
std::optional<ValueFault> check_word(const json& value,
                                     const std::array<std::string_view, n>& words) {
  const auto same = [](char a, char b) {
    const auto upper = [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    };
    return upper(a) == upper(b);
  };
  if (const std::string* text = text_of(value)) {
    for (const std::string_view word : words) {
      if (std::equal(text->begin(), text->end(), word.begin(), word.end(), same)) {
        return std::nullopt;
      }
    }
  }
  return ValueFault{{}, fmt::format("must be one of {}", fmt::join(words, ", "))};
}

std::optional<ValueFault> check_android_priority(const json& value) {
  return check_word(value, std::array<std::string_view, 2>{"NORMAL", "HIGH"});
}
std::optional<ValueFault> check_notification_priority(const json& value) {
  return check_word(
      value, std::array<std::string_view, 6>{"PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW",
                                             "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"});
}
std::optional<ValueFault> check_visibility(const json& value) {
  return check_word(value, std::array<std::string_view, 4>{"VISIBILITY_UNSPECIFIED", "PRIVATE",
                                                           "PUBLIC", "SECRET"});
}
std::optional<ValueFault> check_proxy(const json& value) {
  return check_word(value, std::array<std::string_view, 4>{"PROXY_UNSPECIFIED", "ALLOW", "DENY",
                                                           "IF_PRIORITY_LOWERED"});
}

// As Google's own Java SDK holds it: FcmOptionsUtil.checkAnalyticsLabel.
std::optional<ValueFault> check_label(const json& value) {
  constexpr std::size_t kLabelCharsMax = 50;
  const std::string* text = text_of(value);
  const auto is_allowed = [](char c) {
    return is_digit_char(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '~' || c == '%';
  };
  return unless(text != nullptr && !text->empty() && text->size() <= kLabelCharsMax &&
                    std::all_of(text->begin(), text->end(), is_allowed),
                "1 to 50 of A-Z a-z 0-9 - _ . ~ %");
}

// Firebase, "WebpushFcmOptions": for all URL values, HTTPS is required.
std::optional<ValueFault> check_link(const json& value) {
  constexpr std::string_view kHttps = "https://";
  const std::string* text = text_of(value);
  return unless(text != nullptr && text->starts_with(kHttps) && text->size() > kHttps.size(),
                "an https URL");
}

// --- messages

constexpr FcmMember kOptions[] = {{"analytics_label", check_label}};
constexpr FcmMember kApnsOptions[] = {{"analytics_label", check_label}, {"image", check_text}};
constexpr FcmMember kWebOptions[] = {{"analytics_label", check_label}, {"link", check_link}};
constexpr FcmMember kNotification[] = {
    {"title", check_text}, {"body", check_text}, {"image", check_text}};
constexpr FcmMember kColor[] = {{"red", check_light_part},
                                {"green", check_light_part},
                                {"blue", check_light_part},
                                {"alpha", check_light_part}};
constexpr FcmMember kLightSettings[] = {{"color", nullptr, kColor},
                                        {"light_on_duration", check_duration},
                                        {"light_off_duration", check_duration}};
constexpr FcmMember kAndroidNotification[] = {
    {"title", check_text},
    {"body", check_text},
    {"icon", check_text},
    {"color", check_colour},
    {"sound", check_text},
    {"tag", check_text},
    {"click_action", check_text},
    {"body_loc_key", check_text},
    {"body_loc_args", check_texts},
    {"title_loc_key", check_text},
    {"title_loc_args", check_texts},
    {"channel_id", check_text},
    {"ticker", check_text},
    {"sticky", check_bool},
    {"event_time", check_time},
    {"local_only", check_bool},
    {"notification_priority", check_notification_priority},
    {"default_sound", check_bool},
    {"default_vibrate_timings", check_bool},
    {"default_light_settings", check_bool},
    {"vibrate_timings", check_durations},
    {"visibility", check_visibility},
    {"notification_count", check_count},
    {"light_settings", nullptr, kLightSettings},
    {"image", check_text},
    {"proxy", check_proxy},
    {"bypass_proxy_notification", check_bool},
};
constexpr FcmMember kAndroid[] = {
    {"collapse_key", check_text},
    {"priority", check_android_priority},
    {"ttl", check_ttl},
    {"restricted_package_name", check_text},
    {"data", check_data},
    {"notification", nullptr, kAndroidNotification},
    {"fcm_options", nullptr, kOptions},
    {"direct_boot_ok", check_bool},
    {"bandwidth_constrained_ok", check_bool},
    {"restricted_satellite_ok", check_bool},
};
constexpr FcmMember kApns[] = {
    {"headers", check_text_map},
    {"payload", check_object},
    {"fcm_options", nullptr, kApnsOptions},
    {"live_activity_token", check_text},
};
constexpr FcmMember kWebpush[] = {
    {"headers", check_text_map},
    {"data", check_data},
    {"notification", check_object},
    {"fcm_options", nullptr, kWebOptions},
};
constexpr FcmMember kMessage[] = {
    {"notification", nullptr, kNotification}, {"data", check_data},
    {"android", nullptr, kAndroid},           {"apns", nullptr, kApns},
    {"webpush", nullptr, kWebpush},           {"fcm_options", nullptr, kOptions},
};
// Whom a message goes to is not the publisher's to say once more.
constexpr std::array<std::string_view, 5> kTargets = {"token", "topic", "condition", "fid", "name"};
// Null would take away with them what Carillon says there: the event's id, how long it lives.
constexpr std::array<std::string_view, 2> kKept = {"data", "android"};

// "click_action" is also called "clickAction".
bool is_called(std::string_view snake, std::string_view name) {
  if (name == snake) return true;
  std::size_t at = 0;
  for (std::size_t i = 0; i < snake.size(); ++i, ++at) {
    char expected = snake[i];
    if (expected == '_') expected = static_cast<char>(snake[++i] - 'a' + 'A');
    if (at == name.size() || name[at] != expected) return false;
  }
  return at == name.size();
}

class FcmWords {
 public:
  // The object with its names in snake_case; null: `error` says what is wrong.
  json read(const json& object, std::span<const FcmMember> members, const std::string& pointer) {
    json words = json::object();
    for (const auto& item : object.items()) {
      const std::string& name = item.key();
      const json& value = item.value();
      const std::string at = pointer + "/" + pointer_part(name);
      const auto member = std::ranges::find_if(
          members, [&](const FcmMember& known) { return is_called(known.name, name); });
      if (member == members.end()) return fail(at, "is not a member of FCM's message");
      if (words.contains(member->name)) return fail(at, "is there twice, spelled in two ways");
      json& word = words[std::string(member->name)];
      if (value.is_null()) continue;  // RFC 7396: takes away what Carillon renders
      if (member->check == nullptr) {
        if (!value.is_object()) return fail(at, "must be a JSON object");
        word = read(value, member->members, at);
        if (error) return {};
      } else if (auto fault = member->check(value)) {
        return fail(at + fault->at, std::move(fault->message));
      } else {
        word = value;
      }
    }
    return words;
  }

  json fail(std::string pointer, std::string message) {
    error = RenderError{.pointer = std::move(pointer), .message = std::move(message)};
    return {};
  }

  std::optional<RenderError> error;
};

}  // namespace

bool is_reserved_fcm_name(std::string_view name) {
  // Firebase, "Message": what data may not be named. Ours are what the app reads from us.
  constexpr std::array<std::string_view, 2> kNames = {"from", "message_type"};
  constexpr std::array<std::string_view, 3> kPrefixes = {"google.", "gcm.notification.",
                                                         "carillon_"};
  return std::ranges::find(kNames, name) != kNames.end() ||
         std::ranges::any_of(kPrefixes,
                             [name](std::string_view prefix) { return name.starts_with(prefix); });
}

tl::expected<json, RenderError> read_fcm_words(std::string_view text) {
  const auto given = parse_own_words(text, "/fcm");
  if (!given) return tl::unexpected(given.error());
  for (const std::string_view name : kTargets) {
    if (given->contains(name)) {
      return tl::unexpected(RenderError{.pointer = fmt::format("/fcm/{}", name),
                                        .message = "is a member that Carillon sets itself"});
    }
  }
  for (const std::string_view name : kKept) {
    if (given->contains(name) && !(*given)[std::string(name)].is_object()) {
      return tl::unexpected(
          RenderError{.pointer = fmt::format("/fcm/{}", name), .message = "must be a JSON object"});
    }
  }
  FcmWords words;
  json read = words.read(*given, kMessage, "/fcm");
  if (words.error) return tl::unexpected(*std::move(words.error));
  return read;
}

}  // namespace carillon::push
