#include "device-sim/gateway/fcm_check.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "device-sim/gateway/fcm_handed_on.h"
#include "device-sim/phones/topic_condition.h"

namespace device_sim {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::array<FcmReasonRow, kFcmReasonCount> kFcmRows{{
    {"", 200, "OK", ""},
    {"NOT_FOUND", 404, "NOT_FOUND", ""},
    {"UNAUTHENTICATED", 401, "UNAUTHENTICATED", ""},
    {"MALFORMED", 400, "INVALID_ARGUMENT", ""},
    {"INVALID_ARGUMENT", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"},
    {"PAYLOAD_TOO_LARGE", 400, "INVALID_ARGUMENT", ""},
    {"UNAVAILABLE", 503, "UNAVAILABLE", "UNAVAILABLE"},
    {"UNREGISTERED", 404, "NOT_FOUND", "UNREGISTERED"},
    {"SENDER_ID_MISMATCH", 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"},
    {"QUOTA_EXCEEDED", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"},
}};

enum class Kind : std::uint8_t {
  kString,
  kStrings,
  kStringMap,
  kBool,
  kInt,
  kNumber,
  kDuration,
  kDurations,
  kTtl,
  kTimestamp,
  kColor,
  kEnum,
  kStruct,
  kMessage,
};

struct Schema;

// `name` in snake_case; `values` for an enum, `message` for a nested message.
struct FieldSpec {
  std::string_view name;
  Kind kind;
  const Schema* message = nullptr;
  std::span<const std::string_view> values = {};
};
struct Schema {
  std::span<const FieldSpec> fields;
};

// The message resource of FCM HTTP v1 (its discovery document; fid and the two newest Android flags
// from the official SDKs).
constexpr std::array<std::string_view, 2> kPriorities{"NORMAL", "HIGH"};
constexpr std::array<std::string_view, 6> kNotificationPriorities{
    "PRIORITY_UNSPECIFIED", "PRIORITY_MIN",  "PRIORITY_LOW",
    "PRIORITY_DEFAULT",     "PRIORITY_HIGH", "PRIORITY_MAX"};
constexpr std::array<std::string_view, 4> kVisibilities{"VISIBILITY_UNSPECIFIED", "PRIVATE",
                                                        "PUBLIC", "SECRET"};
constexpr std::array<std::string_view, 4> kProxies{"PROXY_UNSPECIFIED", "ALLOW", "DENY",
                                                   "IF_PRIORITY_LOWERED"};

constexpr std::array kFcmOptionsFields{FieldSpec{"analytics_label", Kind::kString}};
constexpr Schema kFcmOptions{kFcmOptionsFields};
constexpr std::array kApnsOptionsFields{FieldSpec{"analytics_label", Kind::kString},
                                        FieldSpec{"image", Kind::kString}};
constexpr Schema kApnsOptions{kApnsOptionsFields};
constexpr std::array kWebpushOptionsFields{FieldSpec{"analytics_label", Kind::kString},
                                           FieldSpec{"link", Kind::kString}};
constexpr Schema kWebpushOptions{kWebpushOptionsFields};
constexpr std::array kNotificationFields{FieldSpec{"title", Kind::kString},
                                         FieldSpec{"body", Kind::kString},
                                         FieldSpec{"image", Kind::kString}};
constexpr Schema kNotification{kNotificationFields};
constexpr std::array kLightColorFields{
    FieldSpec{"red", Kind::kNumber}, FieldSpec{"green", Kind::kNumber},
    FieldSpec{"blue", Kind::kNumber}, FieldSpec{"alpha", Kind::kNumber}};
constexpr Schema kLightColor{kLightColorFields};
constexpr std::array kLightFields{FieldSpec{"color", Kind::kMessage, &kLightColor},
                                  FieldSpec{"light_on_duration", Kind::kDuration},
                                  FieldSpec{"light_off_duration", Kind::kDuration}};
constexpr Schema kLight{kLightFields};
constexpr std::array kAndroidNotificationFields{
    FieldSpec{"title", Kind::kString},
    FieldSpec{"body", Kind::kString},
    FieldSpec{"tag", Kind::kString},
    FieldSpec{"channel_id", Kind::kString},
    FieldSpec{"icon", Kind::kString},
    FieldSpec{"color", Kind::kColor},
    FieldSpec{"sound", Kind::kString},
    FieldSpec{"image", Kind::kString},
    FieldSpec{"click_action", Kind::kString},
    FieldSpec{"body_loc_key", Kind::kString},
    FieldSpec{"body_loc_args", Kind::kStrings},
    FieldSpec{"title_loc_key", Kind::kString},
    FieldSpec{"title_loc_args", Kind::kStrings},
    FieldSpec{"ticker", Kind::kString},
    FieldSpec{"sticky", Kind::kBool},
    FieldSpec{"event_time", Kind::kTimestamp},
    FieldSpec{"local_only", Kind::kBool},
    FieldSpec{"notification_priority", Kind::kEnum, nullptr, kNotificationPriorities},
    FieldSpec{"default_sound", Kind::kBool},
    FieldSpec{"default_vibrate_timings", Kind::kBool},
    FieldSpec{"default_light_settings", Kind::kBool},
    FieldSpec{"vibrate_timings", Kind::kDurations},
    FieldSpec{"visibility", Kind::kEnum, nullptr, kVisibilities},
    FieldSpec{"notification_count", Kind::kInt},
    FieldSpec{"light_settings", Kind::kMessage, &kLight},
    FieldSpec{"proxy", Kind::kEnum, nullptr, kProxies},
    FieldSpec{"bypass_proxy_notification", Kind::kBool}};
constexpr Schema kAndroidNotification{kAndroidNotificationFields};
constexpr std::array kAndroidFields{
    FieldSpec{"priority", Kind::kEnum, nullptr, kPriorities},
    FieldSpec{"ttl", Kind::kTtl},
    FieldSpec{"notification", Kind::kMessage, &kAndroidNotification},
    FieldSpec{"data", Kind::kStringMap},
    FieldSpec{"collapse_key", Kind::kString},
    FieldSpec{"restricted_package_name", Kind::kString},
    FieldSpec{"fcm_options", Kind::kMessage, &kFcmOptions},
    FieldSpec{"direct_boot_ok", Kind::kBool},
    FieldSpec{"bandwidth_constrained_ok", Kind::kBool},
    FieldSpec{"restricted_satellite_ok", Kind::kBool}};
constexpr Schema kAndroid{kAndroidFields};
constexpr std::array kApnsFields{FieldSpec{"headers", Kind::kStringMap},
                                 FieldSpec{"payload", Kind::kStruct},
                                 FieldSpec{"fcm_options", Kind::kMessage, &kApnsOptions},
                                 FieldSpec{"live_activity_token", Kind::kString}};
constexpr Schema kApns{kApnsFields};
constexpr std::array kWebpushFields{FieldSpec{"headers", Kind::kStringMap},
                                    FieldSpec{"data", Kind::kStringMap},
                                    FieldSpec{"notification", Kind::kStruct},
                                    FieldSpec{"fcm_options", Kind::kMessage, &kWebpushOptions}};
constexpr Schema kWebpush{kWebpushFields};
constexpr std::array kMessageFields{FieldSpec{"token", Kind::kString},
                                    FieldSpec{"notification", Kind::kMessage, &kNotification},
                                    FieldSpec{"data", Kind::kStringMap},
                                    FieldSpec{"android", Kind::kMessage, &kAndroid},
                                    FieldSpec{"apns", Kind::kMessage, &kApns},
                                    FieldSpec{"webpush", Kind::kMessage, &kWebpush},
                                    FieldSpec{"topic", Kind::kString},
                                    FieldSpec{"condition", Kind::kString},
                                    FieldSpec{"fid", Kind::kString},
                                    FieldSpec{"name", Kind::kString},
                                    FieldSpec{"fcm_options", Kind::kMessage, &kFcmOptions}};
constexpr Schema kMessageSchema{kMessageFields};
constexpr std::array kRequestFields{FieldSpec{"message", Kind::kMessage, &kMessageSchema},
                                    FieldSpec{"validate_only", Kind::kBool}};
constexpr Schema kRequestSchema{kRequestFields};

// "time_to_live" is named by itself and by "timeToLive".
bool is_named(std::string_view key, std::string_view snake) {
  if (key == snake) return true;
  std::size_t at = 0;
  for (std::size_t i = 0; i < snake.size(); ++i, ++at) {
    char wanted = snake[i];
    if (wanted == '_') wanted = static_cast<char>(snake[++i] - 'a' + 'A');
    if (at == key.size() || key[at] != wanted) return false;
  }
  return at == key.size();
}

std::optional<element> member(object parent, std::string_view snake) {
  for (const auto field : parent) {
    if (is_named(field.key, snake)) return field.value;
  }
  return std::nullopt;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// proto3's JSON form of a duration: "3.5s".
std::optional<double> seconds_of(std::string_view text) {
  if (text.size() < 2 || text.back() != 's') return std::nullopt;
  text.remove_suffix(1);
  double whole = 0;
  double part = 0;
  double scale = 1;
  std::size_t digits = 0;
  bool fraction = false;
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (is_digit(c)) {
      ++digits;
      if (fraction) {
        scale /= 10;
        part += (c - '0') * scale;
      } else {
        whole = whole * 10 + (c - '0');
      }
    } else {
      return std::nullopt;
    }
  }
  if (digits == 0) return std::nullopt;
  return whole + part;
}

// RFC 3339: enough of its shape to catch a number or a local format.
bool is_timestamp(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] == 'd' ? !is_digit(text[i]) : text[i] != kShape[i]) return false;
  }
  return text.back() == 'Z' || text.find_first_of("+-", kShape.size()) != std::string_view::npos;
}

bool is_color(std::string_view text) {
  return text.size() == 7 && text[0] == '#' &&
         text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string_view::npos;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::toupper(static_cast<unsigned char>(x)) ==
           std::toupper(static_cast<unsigned char>(y));
  });
}

constexpr double kTtlSecondsMax = 2'419'200;  // four weeks

// Checks names and types, and remembers the first thing that is wrong.
class ShapeCheck {
 public:
  bool message(object value, const Schema& schema, const std::string& path) {
    for (const auto field : value) {
      const auto* spec = std::find_if(
          schema.fields.data(), schema.fields.data() + schema.fields.size(),
          [&](const FieldSpec& candidate) { return is_named(field.key, candidate.name); });
      if (spec == schema.fields.data() + schema.fields.size()) {
        return refuse(FcmReason::kMalformed, path,
                      fmt::format("Invalid JSON payload received. Unknown name \"{}\"{}: "
                                  "Cannot find field.",
                                  field.key, path.empty() ? "" : fmt::format(" at '{}'", path)));
      }
      if (field.value.is_null()) continue;  // proto3: null is the same as absent
      if (!value_fits(field.value, *spec, path)) return false;
    }
    return true;
  }

  FcmRefusal take() { return std::move(refusal_); }

 private:
  bool value_fits(element value, const FieldSpec& spec, const std::string& parent) {
    std::string_view text;
    const bool is_text = value.get(text) == simdjson::SUCCESS;
    switch (spec.kind) {
      case Kind::kString:
        return is_text || wrong_type(spec, parent, "TYPE_STRING");
      case Kind::kStrings:
        return strings(value, spec, parent, [](std::string_view) { return true; });
      case Kind::kStringMap:
        return string_map(value, spec, parent);
      case Kind::kBool:
        return value.is_bool() || wrong_type(spec, parent, "TYPE_BOOL");
      case Kind::kInt:
        return value.is_int64() || (is_text && is_integer(text)) ||
               wrong_type(spec, parent, "TYPE_INT32");
      case Kind::kNumber:
        return value.is_number() || wrong_type(spec, parent, "TYPE_FLOAT");
      case Kind::kDuration:
        return (is_text && seconds_of(text)) || illegal(spec, parent, "Illegal duration format");
      case Kind::kDurations:
        return strings(value, spec, parent,
                       [](std::string_view item) { return seconds_of(item).has_value(); });
      case Kind::kTtl:
        return ttl(is_text ? seconds_of(text) : std::nullopt, spec, parent);
      case Kind::kTimestamp:
        return (is_text && is_timestamp(text)) || illegal(spec, parent, "Illegal timestamp format");
      case Kind::kColor:
        return (is_text && is_color(text)) || illegal(spec, parent, "Color must be #rrggbb");
      case Kind::kEnum:
        return (is_text && is_one_of(text, spec.values)) || wrong_type(spec, parent, "TYPE_ENUM");
      case Kind::kStruct:
        return value.is_object() || wrong_type(spec, parent, "TYPE_STRUCT");
      case Kind::kMessage: {
        object nested;
        if (value.get(nested) != simdjson::SUCCESS) return wrong_type(spec, parent, "TYPE_MESSAGE");
        return message(nested, *spec.message, join(parent, spec.name));
      }
    }
    return true;
  }

  template <typename Fits>
  bool strings(element value, const FieldSpec& spec, const std::string& parent, Fits fits) {
    array items;
    if (value.get(items) != simdjson::SUCCESS) return wrong_type(spec, parent, "TYPE_STRING");
    for (const element item : items) {
      std::string_view text;
      if (item.get(text) != simdjson::SUCCESS || !fits(text)) {
        return wrong_type(spec, parent, "TYPE_STRING");
      }
    }
    return true;
  }

  bool string_map(element value, const FieldSpec& spec, const std::string& parent) {
    object entries;
    if (value.get(entries) != simdjson::SUCCESS) return wrong_type(spec, parent, "TYPE_MAP");
    std::size_t index = 0;
    for (const auto entry : entries) {
      if (!entry.value.is_string()) {
        const std::string path = fmt::format("{}[{}].value", join(parent, spec.name), index);
        return refuse(FcmReason::kMalformed, path,
                      fmt::format("Invalid value at '{}' (TYPE_STRING)", path));
      }
      ++index;
    }
    return true;
  }

  bool ttl(std::optional<double> seconds, const FieldSpec& spec, const std::string& parent) {
    if (!seconds) return illegal(spec, parent, "Illegal duration format");
    if (*seconds <= kTtlSecondsMax) return true;
    return refuse(FcmReason::kInvalidArgument, join(parent, spec.name),
                  "Invalid time to live: the maximum is 2419200 seconds");
  }

  static bool is_integer(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
  }

  // The admin SDK for Node sends "high" where the reference says HIGH, and Google takes it.
  static bool is_one_of(std::string_view text, std::span<const std::string_view> values) {
    return std::any_of(values.begin(), values.end(),
                       [&](std::string_view value) { return equals_ignoring_case(text, value); });
  }

  static std::string join(const std::string& parent, std::string_view name) {
    return parent.empty() ? std::string(name) : fmt::format("{}.{}", parent, name);
  }

  bool wrong_type(const FieldSpec& spec, const std::string& parent, std::string_view type) {
    const std::string path = join(parent, spec.name);
    return refuse(FcmReason::kMalformed, path,
                  fmt::format("Invalid value at '{}' ({})", path, type));
  }

  bool illegal(const FieldSpec& spec, const std::string& parent, std::string_view what) {
    const std::string path = join(parent, spec.name);
    return refuse(FcmReason::kMalformed, path,
                  fmt::format("Invalid value at '{}': {}", path, what));
  }

  bool refuse(FcmReason reason, std::string path, std::string message) {
    refusal_ = {reason, std::move(message), std::move(path)};
    return false;
  }

  FcmRefusal refusal_;
};

std::string_view text_in(object parent, std::string_view name) {
  const auto found = member(parent, name);
  std::string_view text;
  if (found && found->get(text) == simdjson::SUCCESS) return text;
  return {};
}

std::optional<object> object_in(object parent, std::string_view name) {
  const auto found = member(parent, name);
  object nested;
  if (found && found->get(nested) == simdjson::SUCCESS) return nested;
  return std::nullopt;
}

bool is_reserved(std::string_view key) {
  return key == "from" || key == "message_type" || key.starts_with("google.") ||
         key.starts_with("gcm.notification.");
}

// Adds a data map's bytes; the error is about a key that FCM keeps for itself.
FcmRefusal read_data(object data, const std::string& path, FcmMessage& message) {
  std::size_t index = 0;
  for (const auto entry : data) {
    std::string_view value;
    if (entry.value.get(value) != simdjson::SUCCESS) continue;
    if (is_reserved(entry.key)) {
      return {FcmReason::kInvalidArgument, fmt::format("Invalid data payload key: {}", entry.key),
              fmt::format("{}[{}].key", path, index)};
    }
    message.payload_bytes += entry.key.size() + value.size();
    if (entry.key == "carillon_event") message.event = value;
    ++index;
  }
  return {};
}

void read_notification(object notification, FcmMessage& message) {
  message.has_notification = true;
  for (const auto field : notification) {
    std::string_view value;
    if (field.value.get(value) != simdjson::SUCCESS) continue;
    message.payload_bytes += value.size();
    if (field.key == "title") message.title = value;
    if (field.key == "body") message.body = value;
    if (field.key == "tag") message.tag = value;
  }
}

// Later parts override: what android says wins over what is common.
FcmRefusal read_parts(object source, FcmMessage& message) {
  if (const auto part = object_in(source, "notification")) read_notification(*part, message);
  if (const auto part = object_in(source, "data")) {
    if (auto refusal = read_data(*part, "message.data", message);
        refusal.reason != FcmReason::kNone) {
      return refusal;
    }
  }
  const auto android = object_in(source, "android");
  if (!android) return {};
  message.collapse_key = text_in(*android, "collapse_key");
  if (const auto ttl = seconds_of(text_in(*android, "ttl"))) {
    message.ttl_s = static_cast<std::uint32_t>(*ttl);
  }
  if (const auto part = object_in(*android, "notification")) read_notification(*part, message);
  if (const auto part = object_in(*android, "data")) {
    return read_data(*part, "message.android.data", message);
  }
  return {};
}

FcmRefusal read_target(object source, FcmMessage& message) {
  message.token = text_in(source, "token");
  message.fid = text_in(source, "fid");
  message.topic = text_in(source, "topic");
  message.condition = text_in(source, "condition");
  const int targets = int{!message.token.empty()} + int{!message.fid.empty()} +
                      int{!message.topic.empty()} + int{!message.condition.empty()};
  if (targets == 0) {
    return {FcmReason::kInvalidArgument, "Recipient of the message is not set.", "message"};
  }
  if (targets > 1) {
    return {FcmReason::kInvalidArgument,
            "Exactly one of token, fid, topic and condition must be set.", "message"};
  }
  if (!message.topic.empty() && !is_topic_name(message.topic)) {
    return {FcmReason::kInvalidArgument, "Malformed topic name", "message.topic"};
  }
  return {};
}

}  // namespace

const FcmReasonRow& fcm_row(FcmReason reason) {
  return kFcmRows[static_cast<std::size_t>(reason)];
}

FcmRefusal parse_fcm_message(std::string& body, FcmMessage& message) {
  message = {};
  thread_local simdjson::dom::parser parser;
  // The parser reads a little beyond the end, so that it need not copy.
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  object root;
  if (parser.parse(body.data(), body.size(), false).get(root) != simdjson::SUCCESS) {
    return {FcmReason::kMalformed, "Invalid JSON payload received.", ""};
  }
  ShapeCheck shape;
  if (!shape.message(root, kRequestSchema, "")) return shape.take();
  if (const auto flag = member(root, "validate_only")) {
    message.validate_only = flag->is_bool() && bool(*flag);
  }
  const auto source = object_in(root, "message");
  if (!source) {
    return {FcmReason::kInvalidArgument, "The message is not set.", "message"};
  }
  if (auto refusal = read_target(*source, message); refusal.reason != FcmReason::kNone) {
    return refusal;
  }
  if (auto refusal = read_parts(*source, message); refusal.reason != FcmReason::kNone) {
    return refusal;
  }
  if (auto refusal = check_handed_on(*source); refusal.reason != FcmReason::kNone) {
    return refusal;
  }
  const bool to_topic = !message.topic.empty() || !message.condition.empty();
  if (message.payload_bytes > (to_topic ? kFcmTopicPayloadBytesMax : kFcmPayloadBytesMax)) {
    return {FcmReason::kPayloadTooLarge, "Android message is too big", ""};
  }
  return {};
}

std::string fcm_error_body(const FcmRefusal& refusal) {
  using nlohmann::json;
  const FcmReasonRow& row = fcm_row(refusal.reason);
  json details = json::array();
  if (!row.error_code.empty()) {
    details.push_back({{"@type", "type.googleapis.com/google.firebase.fcm.v1.FcmError"},
                       {"errorCode", row.error_code}});
  }
  if (!refusal.field.empty() || refusal.reason == FcmReason::kMalformed) {
    json violation{{"description", refusal.message}};
    if (!refusal.field.empty()) violation["field"] = refusal.field;
    details.push_back({{"@type", "type.googleapis.com/google.rpc.BadRequest"},
                       {"fieldViolations", json::array({violation})}});
  }
  json error{{"code", row.status}, {"message", refusal.message}, {"status", row.rpc_status}};
  if (!details.empty()) error["details"] = std::move(details);
  // What was quoted from the request may not be UTF-8: replaced rather than refused.
  return json{{"error", std::move(error)}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace device_sim
