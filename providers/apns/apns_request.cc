#include "providers/apns/apns_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
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
  json aps = apns_marks(notification);
  if (!notification.title.empty()) aps["alert"]["title"] = notification.title;
  if (!notification.body.empty()) aps["alert"]["body"] = notification.body;
  return aps;
}

json render_carillon(const Notification& notification) {
  json own = {{"event", notification.event_id}};
  if (!notification.image.empty()) own["image"] = notification.image;
  if (!notification.click_url.empty()) own["url"] = notification.click_url;
  return own;
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

constexpr std::string_view kPushTypePointer = "/apns_push_type";

RenderError about_type(std::string message) {
  return {.pointer = std::string(kPushTypePointer), .message = std::move(message)};
}

// What a push of device management consists of; all else Apple's device ignores, and `aps` may not
// be there (Apple, "Mobile Device Management Protocol Reference").
constexpr std::string_view kMdm = "mdm";

tl::expected<json, RenderError> render_mdm(const json& own_words) {
  const auto magic = own_words.find(kMdm);
  if (magic == own_words.end() || !magic->is_string() || own_words.size() != 1) {
    return tl::unexpected(
        RenderError{.pointer = "/apns",
                    .message = "must be {\"mdm\": the device's push magic} for the push type mdm"});
  }
  return own_words;
}

json render_payload(const Notification& notification, const json& own_words) {
  json payload = json::object();
  for (const auto& [name, value] : notification.data) payload[name] = value;
  payload[kAps] = render_aps(notification);
  payload[kCarillon] = render_carillon(notification);
  payload.merge_patch(own_words);
  return payload;
}

// The type that was asked for, or the one that the content makes.
tl::expected<ApnsPushType, RenderError> type_of(const Notification& notification, bool visible) {
  const std::string_view asked = notification.apns_push_type;
  if (asked.empty()) return *find_apns_push_type(visible ? "alert" : "background");
  const ApnsPushType* const type = find_apns_push_type(asked);
  if (type == nullptr) return tl::unexpected(about_type("is not a push type of Apple's"));
  if (asked == "alert" && !visible) {
    return tl::unexpected(
        about_type("is alert, but there is neither an alert nor a sound nor a badge"));
  }
  if (asked == "background" && visible) {
    return tl::unexpected(
        about_type("is background, but there is an alert, a sound or a badge to show"));
  }
  // Only where the type was asked for: what is silent by its content goes with priority 5.
  const Priority priority = notification.priority;
  if (type->priority == ApnsPriorityRule::kAlwaysFive && priority == Priority::kUrgent) {
    return tl::unexpected(
        RenderError{.pointer = "/priority",
                    .message = fmt::format("must not be urgent: Apple takes the push type {} with "
                                           "priority 5 alone",
                                           asked)});
  }
  if (type->priority == ApnsPriorityRule::kAlwaysTen && priority == Priority::kBulk) {
    return tl::unexpected(RenderError{
        .pointer = "/priority",
        .message = fmt::format("must not be bulk: the push type {} goes at once", asked)});
  }
  return *type;
}

std::optional<RenderError> check_sender(const ApnsPushType& type, const std::string& topic,
                                        const ApnsSender& sender) {
  if (type.credential == ApnsCredentialRule::kTokenOnly && sender.by_certificate) {
    return about_type(fmt::format(
        "is {}, which Apple takes with a signing key alone, not with a certificate", type.name));
  }
  if (type.credential == ApnsCredentialRule::kCertificateOnly && !sender.by_certificate) {
    return about_type(fmt::format("is {}, which Apple takes with a certificate alone", type.name));
  }
  const auto& topics = sender.topics;
  if (!topics.empty() && std::ranges::find(topics, topic) == topics.end()) {
    return about_type(fmt::format(
        "makes it {}, with the topic {}, which the certificate does not name", type.name, topic));
  }
  return std::nullopt;
}

std::string_view priority_of(const ApnsPushType& type, Priority priority) {
  switch (type.priority) {
    case ApnsPriorityRule::kAlwaysFive:
      return "5";
    case ApnsPriorityRule::kAlwaysTen:
      return "10";
    case ApnsPriorityRule::kAny:
      break;
  }
  return priority == Priority::kBulk ? "5" : "10";
}

}  // namespace

json apns_marks(const Notification& notification) {
  json aps = json::object();
  if (!notification.sound.empty()) aps["sound"] = notification.sound;
  if (notification.badge) aps["badge"] = *notification.badge;
  if (!notification.category.empty()) aps["category"] = notification.category;
  if (!notification.thread_id.empty()) aps["thread-id"] = notification.thread_id;
  // Lets the app's service extension work before anything is shown; a picture it has to fetch.
  const bool fetches = !notification.image.empty() && !notification.silent();
  if (notification.mutable_content || fetches) aps["mutable-content"] = 1;
  return aps;
}

bool is_shown_by_apple(const json& aps) {
  return aps.contains("alert") || aps.contains("sound") || aps.contains("badge");
}

bool is_apns_collapse_id(std::string_view key) noexcept {
  return !key.empty() && key.size() <= kApnsCollapseIdBytesMax && is_header_value(key);
}

tl::expected<RenderedMessage, RenderError> render_apns(const Notification& notification,
                                                       const ApnsSender& sender) {
  const auto own_words = parse_own_words(notification.apns_json, "/apns");
  if (!own_words) return tl::unexpected(own_words.error());
  if (auto error = check_names(notification, *own_words)) return tl::unexpected(*error);

  const bool is_mdm = notification.apns_push_type == kMdm;
  auto payload = is_mdm ? render_mdm(*own_words)
                        : tl::expected<json, RenderError>(render_payload(notification, *own_words));
  if (!payload) return tl::unexpected(payload.error());
  const auto type = type_of(notification, !is_mdm && is_shown_by_apple((*payload)[kAps]));
  if (!type) return tl::unexpected(type.error());
  const std::string topic = sender.bundle_id + std::string(type->topic_suffix);
  if (auto error = check_sender(*type, topic, sender)) return tl::unexpected(*error);
  if (type->name == "background") (*payload)[kAps]["content-available"] = 1;
  if (type->name == "widgets") (*payload)[kAps]["content-changed"] = true;

  RenderedMessage message;
  message.body = dump(*payload);
  if (message.body.size() > type->payload_bytes_max) {
    return tl::unexpected(too_large(notification, notification.apns_json, "/apns", "APNs",
                                    message.body.size(), type->payload_bytes_max));
  }
  const auto expires_at = type->now_or_never ? std::chrono::sys_seconds() : notification.expires_at;
  message.headers = {
      {"apns-topic", topic},
      {"apns-push-type", std::string(type->name)},
      {"apns-priority", std::string(priority_of(*type, notification.priority))},
      {"apns-expiration", std::to_string(expires_at.time_since_epoch().count())},
      // Always: a repeat after a crash then takes the place of the first on the screen.
      {"apns-collapse-id",
       notification.collapse_key.empty() ? notification.event_id : notification.collapse_key},
  };
  return message;
}

RenderedMessage apns_probe(const ApnsSender& sender) {
  const auto names = [&](std::string_view suffix) {
    return std::ranges::find(sender.topics, sender.bundle_id + std::string(suffix)) !=
           sender.topics.end();
  };
  const ApnsPushType* type = find_apns_push_type("background");
  if (!sender.topics.empty() && !names(type->topic_suffix)) {
    const auto named = std::ranges::find_if(
        kApnsPushTypes, [&](const ApnsPushType& other) { return names(other.topic_suffix); });
    if (named != kApnsPushTypes.end()) type = &*named;
  }
  const bool ten = type->priority == ApnsPriorityRule::kAlwaysTen;
  return {.headers = {{"apns-topic", sender.bundle_id + std::string(type->topic_suffix)},
                      {"apns-push-type", std::string(type->name)},
                      {"apns-priority", ten ? "10" : "5"},
                      {"apns-expiration", "0"}},
          .body = R"({"aps":{"content-available":1}})"};
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
