#include "providers/fcm/fcm_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "providers/apns/apns_request.h"
#include "providers/fcm/fcm_words.h"
#include "providers/payload.h"
#include "providers/webpush/webpush_request.h"

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
std::chrono::seconds left_to_live(const Notification& notification,
                                  std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  const auto left = std::chrono::floor<seconds>(notification.expires_at - now);
  return std::clamp(left, seconds(0), kFcmTtlMax);
}

json render_android(const Notification& notification, std::chrono::seconds ttl) {
  // A high-priority message that shows nothing makes Android distrust the app's next ones.
  const bool high = notification.priority == Priority::kUrgent ||
                    (notification.priority == Priority::kNormal && !notification.silent());
  json android = {{"priority", high ? "HIGH" : "NORMAL"}, {"ttl", fmt::format("{}s", ttl.count())}};
  if (!notification.silent()) android["notification"] = render_android_notification(notification);
  return android;
}

// The parts that FCM hands on, to Apple and to the browsers' services.
constexpr std::array<const char*, 2> kHandedOn = {"apns", "webpush"};

// Apple's kind of push for a whole message. FCM finds it for what has a notification, and for a
// live activity.
enum class ApplePush : std::uint8_t { kFoundByFcm, kAlert, kBackground };

ApplePush apple_push_of(const json& message) {
  if (message.contains("notification")) return ApplePush::kFoundByFcm;
  const auto apns = message.find("apns");
  if (apns == message.end()) return ApplePush::kBackground;
  if (apns->contains("live_activity_token")) return ApplePush::kFoundByFcm;
  static const json::json_pointer kPlace("/payload/aps");
  const bool shown = apns->contains(kPlace) && is_shown_by_apple((*apns)[kPlace]);
  return shown ? ApplePush::kAlert : ApplePush::kBackground;
}

// Without them FCM says priority 10 and an end in 30 days (Firebase, "ApnsConfig").
json render_apns_headers(const Notification& notification, ApplePush push) {
  const bool background = push == ApplePush::kBackground;
  const std::string& key =
      notification.collapse_key.empty() ? notification.event_id : notification.collapse_key;
  json headers = {
      {"apns-priority", background || notification.priority == Priority::kBulk ? "5" : "10"},
      {"apns-expiration", fmt::format("{}", notification.expires_at.time_since_epoch().count())},
      // What is no header's value has one that is made of it, as in Web Push.
      {"apns-collapse-id", is_apns_collapse_id(key) ? key : webpush_topic(notification)}};
  if (push != ApplePush::kFoundByFcm)
    headers["apns-push-type"] = background ? "background" : "alert";
  return headers;
}

json render_webpush_headers(const Notification& notification, std::chrono::seconds ttl) {
  return {{"TTL", fmt::format("{}", ttl.count())},
          {"Urgency", std::string(webpush_urgency(notification.priority))},
          {"Topic", webpush_topic(notification)}};
}

bool is_same_header(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// The publisher's headers win however they are spelled: a merge of "ttl" would leave ours beside
// it.
void leave_out(const json& own_words, json& headers) {
  for (const char* const part : kHandedOn) {
    const auto own = own_words.find(part);
    if (own == own_words.end() || !own->contains("headers")) continue;
    for (const auto& header : (*own)["headers"].items()) {
      for (auto ours = headers[part].begin(); ours != headers[part].end();) {
        ours = is_same_header(ours.key(), header.key()) ? headers[part].erase(ours) : ++ours;
      }
    }
  }
}

// Bytes of the message without the headers that Carillon has put into it: no platform counts a
// header as payload, and an event for Android alone should not be refused for Apple's.
std::size_t payload_bytes(json message, const json& headers) {
  for (const char* const part : kHandedOn) {
    const auto found = message.find(part);
    if (found == message.end() || !found->contains("headers")) continue;
    json& sent = (*found)["headers"];
    for (const auto& ours : headers[part].items()) {
      if (sent.contains(ours.key()) && sent[ours.key()] == ours.value()) sent.erase(ours.key());
    }
    if (sent.empty()) found->erase("headers");
    if (found->empty()) message.erase(part);
  }
  return dump(message).size();
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

  const std::chrono::seconds ttl = left_to_live(notification, now);
  json content = json::object();
  if (!notification.silent()) content["notification"] = render_notification(notification);
  const json data = render_data(notification);
  content["data"] = data;
  content["android"] = render_android(notification, ttl);
  if (json aps = apns_marks(notification); !aps.empty()) content["apns"]["payload"]["aps"] = aps;

  // What kind of push it is to Apple depends on the publisher's own words, too.
  json whole = content;
  whole.merge_patch(*own_words);
  const ApplePush push = apple_push_of(whole);
  if (push == ApplePush::kBackground) content["apns"]["payload"]["aps"]["content-available"] = 1;
  json headers = {{"apns", render_apns_headers(notification, push)},
                  {"webpush", render_webpush_headers(notification, ttl)}};
  leave_out(*own_words, headers);
  for (const char* const part : kHandedOn) content[part]["headers"] = headers[part];
  content.merge_patch(*own_words);
  keep_own_data(data, content);

  const std::string text = dump(content);
  if (text.size() > kFcmPayloadBytesMax) {
    const std::size_t counted = payload_bytes(content, headers);
    if (counted > kFcmPayloadBytesMax) {
      return tl::unexpected(too_large(notification, notification.fcm_json, "/fcm", "FCM", counted,
                                      kFcmPayloadBytesMax));
    }
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
