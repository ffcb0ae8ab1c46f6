#include "providers/fcm/fcm_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "providers/fcm/fcm_words.h"
#include "providers/payload.h"

namespace carillon::push {
namespace {

using nlohmann::json;

// How a body begins; the token stands right behind it.
constexpr std::string_view kBeforeToken = R"({"message":{"token":")";
constexpr std::string_view kNobodysTopic = "carillon-nobody";

std::optional<RenderError> check_names(const Notification& notification) {
  for (const auto& [name, value] : notification.data) {
    if (is_reserved_fcm_name(name)) {
      return RenderError{.pointer = data_pointer(name),
                         .message = "is a name that FCM or Carillon reserves"};
    }
  }
  return std::nullopt;
}

json render_data(const Notification& notification) {
  json data = json::object();
  for (const auto& [name, value] : notification.data) data[name] = value;
  data["carillon_event"] = notification.event_id;
  if (!notification.click_url.empty()) data["carillon_url"] = notification.click_url;
  return data;
}

json render_notification(const Notification& notification) {
  json shown = json::object();
  if (!notification.title.empty()) shown["title"] = notification.title;
  if (!notification.body.empty()) shown["body"] = notification.body;
  if (!notification.image.empty()) shown["image"] = notification.image;
  return shown;
}

json render_android_notification(const Notification& notification) {
  json shown = json::object();
  // A later notification with the same tag takes the place of the first: so does a repeat. FCM's
  // own collapse_key would spend the device's small budget of collapsible messages.
  shown["tag"] =
      notification.collapse_key.empty() ? notification.event_id : notification.collapse_key;
  if (!notification.sound.empty()) shown["sound"] = notification.sound;
  if (!notification.category.empty()) shown["click_action"] = notification.category;
  if (notification.badge) shown["notification_count"] = *notification.badge;
  return shown;
}

// What is left of the time to live, in whole seconds: FCM wants a duration where the event has an
// end.
std::string ttl(const Notification& notification, std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  const auto left = std::chrono::floor<seconds>(notification.expires_at - now);
  return fmt::format("{}s", std::clamp(left, seconds(0), kFcmTtlMax).count());
}

json render_android(const Notification& notification, std::chrono::system_clock::time_point now) {
  // A high-priority message that shows nothing makes Android distrust the app's next ones.
  const bool high = notification.priority == Priority::kUrgent ||
                    (notification.priority == Priority::kNormal && !notification.silent());
  json android = {{"priority", high ? "HIGH" : "NORMAL"}, {"ttl", ttl(notification, now)}};
  if (!notification.silent()) android["notification"] = render_android_notification(notification);
  return android;
}

// Data of android and webpush stands in the place of the common data there, and would leave the
// device without what the app reads from us.
void keep_own_data(const json& data, json& content) {
  for (const char* const part : {"android", "webpush"}) {
    const auto found = content.find(part);
    if (found == content.end() || !found->contains("data")) continue;
    for (const auto& [name, value] : data.items()) {
      if (name.starts_with("carillon_")) (*found)["data"][name] = value;
    }
  }
}

}  // namespace

tl::expected<RenderedMessage, RenderError> render_fcm(const Notification& notification,
                                                      std::chrono::system_clock::time_point now) {
  const auto own_words = read_fcm_words(notification.fcm_json);
  if (!own_words) return tl::unexpected(own_words.error());
  if (auto error = check_names(notification)) return tl::unexpected(*error);

  json content = json::object();
  if (!notification.silent()) content["notification"] = render_notification(notification);
  const json data = render_data(notification);
  content["data"] = data;
  content["android"] = render_android(notification, now);
  content.merge_patch(*own_words);
  keep_own_data(data, content);

  const std::string text = dump(content);
  if (text.size() > kFcmPayloadBytesMax) {
    return tl::unexpected(too_large(notification, notification.fcm_json, "/fcm", "FCM", text.size(),
                                    kFcmPayloadBytesMax));
  }
  // `text` is an object with members, so the token can stand before them.
  RenderedMessage message;
  message.headers = {{"content-type", "application/json"}};
  message.token_at = kBeforeToken.size();
  message.body = fmt::format("{}\",{}}}", kBeforeToken, std::string_view(text).substr(1));
  return message;
}

RenderedMessage fcm_probe() {
  return {
      .headers = {{"content-type", "application/json"}},
      .body = fmt::format(
          R"({{"validate_only":true,"message":{{"topic":"{}","data":{{"carillon_event":""}}}}}})",
          kNobodysTopic)};
}

RenderedMessage fcm_validation(const RenderedMessage& message, FcmTarget target) {
  constexpr std::string_view kOnly = R"({"validate_only":true,)";
  const std::string_view rest = std::string_view(message.body).substr(message.token_at);
  RenderedMessage asked{.headers = message.headers};
  if (target == FcmTarget::kDevice) {
    asked.body = fmt::format("{}{}", kOnly, kBeforeToken.substr(1));
    asked.token_at = asked.body.size();
    asked.body += rest;
  } else {
    asked.body = fmt::format(R"({}"message":{{"topic":"{}{})", kOnly, kNobodysTopic, rest);
  }
  return asked;
}

bool is_fcm_token(std::string_view token) noexcept {
  static constexpr std::array<bool, 256> kAllowed = [] {
    std::array<bool, 256> table{};
    for (char c = '!'; c <= '~'; ++c) {
      table[static_cast<unsigned char>(c)] = c != '"' && c != '\\';
    }
    return table;
  }();
  bool good = !token.empty();
  for (const char c : token) good &= kAllowed[static_cast<unsigned char>(c)];
  return good;
}

}  // namespace carillon::push
