#include "providers/webpush/webpush_request.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "providers/payload.h"
#include "providers/webpush/message_cipher.h"

namespace carillon::push {
namespace {

using nlohmann::json;

// What the app reads from us, whatever the publisher's own words are.
constexpr const char* kEventMember = "event";

std::optional<RenderError> check_webpush_words(const json& own_words) {
  if (own_words.contains(kEventMember)) {
    return RenderError{.pointer = "/webpush/event",
                       .message = "is a member that Carillon sets itself"};
  }
  for (const char* name : {"notification", "data"}) {
    if (own_words.contains(name) && !own_words[name].is_object() && !own_words[name].is_null()) {
      return RenderError{.pointer = fmt::format("/webpush/{}", name),
                         .message = "must be a JSON object"};
    }
  }
  return std::nullopt;
}

// The names of the Notifications API and of declarative Web Push, so that a service worker can hand
// the object on as it is.
json render_shown(const Notification& notification) {
  json shown = {{"title", notification.title}};
  if (!notification.body.empty()) shown["body"] = notification.body;
  if (!notification.image.empty()) shown["image"] = notification.image;
  if (!notification.click_url.empty()) shown["navigate"] = notification.click_url;
  // A later notification with the same tag takes the place of the first: so does a repeat.
  shown["tag"] =
      notification.collapse_key.empty() ? notification.event_id : notification.collapse_key;
  return shown;
}

json render_payload(const Notification& notification) {
  json payload = {{kEventMember, notification.event_id}};
  if (!notification.silent()) payload["notification"] = render_shown(notification);
  if (notification.badge) payload["app_badge"] = *notification.badge;
  if (!notification.data.empty()) payload["data"] = notification.data;
  if (notification.silent() && !notification.click_url.empty()) {
    payload["navigate"] = notification.click_url;
  }
  return payload;
}

std::string hex_of(const std::uint8_t* bytes, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

std::string_view webpush_urgency(Priority priority) {
  switch (priority) {
    case Priority::kUrgent:
      return "high";
    case Priority::kNormal:
      return "normal";
    case Priority::kBulk:
      return "low";
  }
  return "normal";
}

std::string webpush_topic(const Notification& notification) {
  // A subscription is one device's, so the device need not be part of it. Two words, so that a key
  // that looks like an event's id is none.
  const std::string text = notification.collapse_key.empty()
                               ? "event " + notification.event_id
                               : "collapse " + notification.collapse_key;
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return hex_of(digest.data(), kWebPushTopicCharsMax / 2);
}

tl::expected<RenderedMessage, RenderError> render_webpush(
    const Notification& notification, std::chrono::system_clock::time_point now) {
  const auto own_words = parse_own_words(notification.webpush_json, "/webpush");
  if (!own_words) return tl::unexpected(own_words.error());
  if (auto error = check_webpush_words(*own_words)) return tl::unexpected(*error);
  json payload = render_payload(notification);
  payload.merge_patch(*own_words);

  RenderedMessage message;
  message.body = dump(payload);
  if (message.body.size() > kWebPushPlaintextBytesMax) {
    return tl::unexpected(too_large(notification, notification.webpush_json, "/webpush", "Web Push",
                                    message.body.size(), kWebPushPlaintextBytesMax));
  }
  using std::chrono::seconds;
  const auto left = std::clamp(std::chrono::floor<seconds>(notification.expires_at - now),
                               seconds(0), kWebPushTtlMax);
  message.headers = {{"content-encoding", "aes128gcm"},
                     {"content-type", "application/octet-stream"},
                     {"ttl", fmt::format("{}", left.count())},
                     {"urgency", std::string(webpush_urgency(notification.priority))},
                     {"topic", webpush_topic(notification)}};
  // Windows refuses a TTL of 0 unless it is told not to keep the message; others do not look.
  if (left == seconds(0)) message.headers.push_back({"x-wns-cache-policy", "no-cache"});
  return message;
}

}  // namespace carillon::push
