#include "device-sim/gateway/fcm_handed_on.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace device_sim {
namespace {

using simdjson::dom::object;

constexpr std::size_t kHandedOnDigitsMax = 18;
constexpr std::size_t kHandedOnCollapseIdBytesMax = 64;
constexpr std::size_t kHandedOnTopicCharsMax = 32;

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_number_text(std::string_view text) {
  return !text.empty() && text.size() <= kHandedOnDigitsMax &&
         std::all_of(text.begin(), text.end(), is_ascii_digit);
}

template <std::size_t n>
bool is_any_of(std::string_view text, const std::array<std::string_view, n>& values) {
  return std::find(values.begin(), values.end(), text) != values.end();
}

// Apple, "Sending notification requests to APNs".
bool is_apple_priority(std::string_view text) {
  return is_any_of(text, std::array<std::string_view, 3>{"10", "5", "1"});
}
bool is_collapse_id(std::string_view text) {
  return !text.empty() && text.size() <= kHandedOnCollapseIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}
bool is_apple_push_type(std::string_view text) {
  return is_any_of(text, std::array<std::string_view, 11>{
                             "alert", "background", "voip", "complication", "fileprovider", "mdm",
                             "liveactivity", "location", "pushtotalk", "widgets", "controls"});
}

// RFC 8030, 5.3 and 5.4.
bool is_urgency(std::string_view text) {
  return is_any_of(text, std::array<std::string_view, 4>{"very-low", "low", "normal", "high"});
}
bool is_push_topic(std::string_view text) {
  return !text.empty() && text.size() <= kHandedOnTopicCharsMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_ascii_digit(c) ||
                  c == '-' || c == '_';
         });
}

struct HeaderRule {
  std::string_view name;  // lower case
  bool (*is_good)(std::string_view);
};
constexpr std::array<HeaderRule, 4> kAppleHeaders{{{"apns-priority", is_apple_priority},
                                                   {"apns-expiration", is_number_text},
                                                   {"apns-collapse-id", is_collapse_id},
                                                   {"apns-push-type", is_apple_push_type}}};
constexpr std::array<HeaderRule, 3> kBrowserHeaders{
    {{"ttl", is_number_text}, {"urgency", is_urgency}, {"topic", is_push_topic}}};

bool is_header(std::string_view given, std::string_view lower) {
  return std::equal(given.begin(), given.end(), lower.begin(), lower.end(), [](char c, char l) {
    return (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) == l;
  });
}

FcmRefusal wrong(std::string_view part, std::string_view header, std::string_view what) {
  return {FcmReason::kInvalidArgument, fmt::format("Header {} {}", header, what),
          fmt::format("message.{}.headers", part)};
}

// The values of a part's headers that `rules` know, in their order; empty where there is none.
template <std::size_t n>
FcmRefusal read_headers(const object& message, std::string_view part,
                        const std::array<HeaderRule, n>& rules,
                        std::array<std::string_view, n>& values) {
  object section;
  object headers;
  if (message[part].get(section) != simdjson::SUCCESS) return {};
  if (section["headers"].get(headers) != simdjson::SUCCESS) return {};
  for (const auto header : headers) {
    for (std::size_t i = 0; i < n; ++i) {
      if (!is_header(header.key, rules[i].name)) continue;
      if (!values[i].empty()) return wrong(part, header.key, "is there twice");
      std::string_view value;
      if (header.value.get(value) != simdjson::SUCCESS || !rules[i].is_good(value)) {
        return wrong(part, header.key, "has a value that it cannot have");
      }
      values[i] = value;
    }
  }
  return {};
}

bool shows_something(const object& message) {
  object aps;
  if (!message["notification"].error()) return true;
  if (message.at_pointer("/apns/payload/aps").get(aps) != simdjson::SUCCESS) return false;
  return !aps["alert"].error() || !aps["sound"].error() || !aps["badge"].error();
}

}  // namespace

FcmRefusal check_handed_on(const object& message) {
  std::array<std::string_view, kAppleHeaders.size()> apple;
  if (auto refusal = read_headers(message, "apns", kAppleHeaders, apple);
      refusal.reason != FcmReason::kNone) {
    return refusal;
  }
  if (const auto& [priority, expiration, collapse_id, push_type] = apple;
      push_type == "background") {
    if (priority != "5") return wrong("apns", "apns-priority", "must be 5 for background");
    if (shows_something(message)) {
      return wrong("apns", "apns-push-type", "is background where there is something to show");
    }
  }
  std::array<std::string_view, kBrowserHeaders.size()> browser;
  return read_headers(message, "webpush", kBrowserHeaders, browser);
}

}  // namespace device_sim
