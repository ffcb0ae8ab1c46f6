#include "providers/apns/apns_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "providers/payload.h"

namespace carillon::push {
namespace {

using nlohmann::json;

// Payload members that are not the publisher's to name.
constexpr std::string_view kAps = "aps";
constexpr std::string_view kCarillon = "carillon";

json render_aps(const Notification& notification) {
  json aps = json::object();
  if (!notification.title.empty()) aps["alert"]["title"] = notification.title;
  if (!notification.body.empty()) aps["alert"]["body"] = notification.body;
  if (!notification.sound.empty()) aps["sound"] = notification.sound;
  if (notification.badge) aps["badge"] = *notification.badge;
  if (!notification.category.empty()) aps["category"] = notification.category;
  if (!notification.thread_id.empty()) aps["thread-id"] = notification.thread_id;
  // Lets the app's service extension fetch the picture before anything is shown.
  if (!notification.image.empty() && !notification.silent()) aps["mutable-content"] = 1;
  return aps;
}

json render_carillon(const Notification& notification) {
  json own = {{"event", notification.event_id}};
  if (!notification.image.empty()) own["image"] = notification.image;
  if (!notification.click_url.empty()) own["url"] = notification.click_url;
  return own;
}

// Whether the device has anything to show, sound or count; otherwise the push wakes the app only.
bool is_visible(const json& aps) {
  return aps.contains("alert") || aps.contains("sound") || aps.contains("badge");
}

bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::optional<RenderError> check_names(const Notification& notification, const json& own_words) {
  for (const auto& [name, value] : notification.data) {
    if (name == kAps || name == kCarillon) {
      return RenderError{.pointer = data_pointer(name),
                         .message = "is a name that APNs payloads reserve"};
    }
  }
  if (own_words.contains(kCarillon)) {
    return RenderError{.pointer = "/apns/carillon", .message = "is a name that Carillon reserves"};
  }
  const auto aps = own_words.find(kAps);
  if (aps != own_words.end() && !aps->is_object()) {
    return RenderError{.pointer = "/apns/aps", .message = "must be a JSON object"};
  }
  const std::string& key = notification.collapse_key;
  if (key.size() > kApnsCollapseIdBytesMax) {
    return RenderError{.pointer = "/collapse_key",
                       .message = fmt::format("has {} bytes, APNs takes at most {}", key.size(),
                                              kApnsCollapseIdBytesMax)};
  }
  if (!is_header_value(key)) {
    return RenderError{.pointer = "/collapse_key",
                       .message = "must be printable ASCII without spaces"};
  }
  return std::nullopt;
}

}  // namespace

tl::expected<RenderedMessage, RenderError> render_apns(const Notification& notification,
                                                       std::string_view topic) {
  const auto own_words = parse_own_words(notification.apns_json, "/apns");
  if (!own_words) return tl::unexpected(own_words.error());
  if (auto error = check_names(notification, *own_words)) return tl::unexpected(*error);

  json payload = json::object();
  for (const auto& [name, value] : notification.data) payload[name] = value;
  payload[kAps] = render_aps(notification);
  payload[kCarillon] = render_carillon(notification);
  payload.merge_patch(*own_words);
  json& aps = payload[kAps];
  const bool visible = is_visible(aps);
  if (!visible) aps["content-available"] = 1;

  RenderedMessage message;
  message.body = dump(payload);
  if (message.body.size() > kApnsPayloadBytesMax) {
    return tl::unexpected(too_large(notification, notification.apns_json, "/apns", "APNs",
                                    message.body.size(), kApnsPayloadBytesMax));
  }
  // Apple: a background push with priority 10 is an error.
  const bool at_once = visible && notification.priority != Priority::kBulk;
  message.headers = {
      {"apns-topic", std::string(topic)},
      {"apns-push-type", visible ? "alert" : "background"},
      {"apns-priority", at_once ? "10" : "5"},
      {"apns-expiration", std::to_string(notification.expires_at.time_since_epoch().count())},
      // Always: a repeat after a crash then takes the place of the first on the screen.
      {"apns-collapse-id",
       notification.collapse_key.empty() ? notification.event_id : notification.collapse_key},
  };
  return message;
}

bool is_apns_token(std::string_view token) noexcept {
  static constexpr std::array<bool, 256> kHex = [] {
    std::array<bool, 256> table{};
    for (const char c : {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a',
                         'b', 'c', 'd', 'e', 'f', 'A', 'B', 'C', 'D', 'E', 'F'}) {
      table[static_cast<unsigned char>(c)] = true;
    }
    return table;
  }();
  bool good = !token.empty();
  for (const char c : token) good &= kHex[static_cast<unsigned char>(c)];
  return good;
}

}  // namespace carillon::push
