#include "device-sim/gateway/apns_check.h"

#include <simdjson.h>

#include <algorithm>

#include "device-sim/gateway/client_connection.h"

namespace device_sim {
namespace {

constexpr std::array<ApnsReasonRow, kApnsReasonCount> kRows{{
    {"", 200},
    {"BadMessageId", 400},
    {"MethodNotAllowed", 405},
    {"DuplicateHeaders", 400},
    {"MissingTopic", 400},
    {"BadCollapseId", 400},
    {"BadPriority", 400},
    {"BadExpirationDate", 400},
    {"InvalidPushType", 400},
    {"BadTopic", 400},
    {"TopicDisallowed", 400},
    {"BadPath", 404},
    {"MissingDeviceToken", 400},
    {"BadDeviceToken", 400},
    {"MissingProviderToken", 403},
    {"InvalidProviderToken", 403},
    {"ExpiredProviderToken", 403},
    {"PayloadEmpty", 400},
    {"PayloadTooLarge", 413},
    {"ServiceUnavailable", 503},
    {"Unregistered", 410},
    {"DeviceTokenNotForTopic", 400},
    {"TooManyRequests", 429},
    {"BadCertificate", 403},
    {"TooManyProviderTokenUpdates", 429},
    {"BadChannelId", 400},
    {"BadRequestPayload", 400},
    {"CannotCreateChannelConfig", 400},
    {"ChannelNotRegistered", 400},
    {"MissingChannelId", 400},
    {"MissingPushType", 400},
    {"TopicMismatch", 403},
}};
static_assert(!kRows.back().reason.empty(), "a row for every reason");

// Apple, "Sending notification requests to APNs": which topic a push type goes to, and whether a
// connection with a certificate or one without may send it.
struct PushTypeRow {
  std::string_view name;
  std::string_view topic_suffix;
  bool by_certificate = true;
  bool by_token = true;
};
constexpr std::array<PushTypeRow, 11> kPushTypes{{
    {"alert", ""},
    {"background", ""},
    {"voip", ".voip"},
    {"complication", ".complication"},
    {"fileprovider", ".pushkit.fileprovider"},
    {"mdm", "", true, false},
    {"liveactivity", ".push-type.liveactivity", false, true},
    {"location", ".location-query", false, true},
    {"pushtotalk", ".voip-ptt"},
    {"widgets", ".push-type.widgets"},
    {"controls", ".push-type.controls"},
}};

constexpr std::string_view kPathPrefix = "/3/device/";

// A request without the header is an alert: only watchOS demands it.
const PushTypeRow* push_type_of(const Request& request) {
  if (!request.has(Field::kApnsPushType)) return &kPushTypes.front();
  const std::string_view name = request.get(Field::kApnsPushType);
  for (const PushTypeRow& row : kPushTypes) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

bool is_known_app(std::string_view bundle_id, const std::vector<std::string>& topics) {
  return std::find(topics.begin(), topics.end(), bundle_id) != topics.end();
}

ApnsReason check_topic(std::string_view topic, const PushTypeRow& type,
                       const std::vector<std::string>& topics) {
  if (topic.ends_with(type.topic_suffix) &&
      is_known_app(topic.substr(0, topic.size() - type.topic_suffix.size()), topics)) {
    return ApnsReason::kNone;
  }
  // A known app with the suffix of another push type is a malformed topic; a stranger is not
  // allowed.
  for (const PushTypeRow& other : kPushTypes) {
    if (topic.ends_with(other.topic_suffix) &&
        is_known_app(topic.substr(0, topic.size() - other.topic_suffix.size()), topics)) {
      return ApnsReason::kBadTopic;
    }
  }
  return ApnsReason::kTopicDisallowed;
}

// Whether the connection may send to it, which is none of the app's.
bool is_allowed(std::string_view topic, const PushTypeRow& type,
                const ClientConnection* connection) {
  using Certificate = ClientConnection::Certificate;
  if (connection == nullptr || connection->certificate == Certificate::kNone) return type.by_token;
  if (connection->certificate == Certificate::kRefused) return true;  // that comes later
  return type.by_certificate &&
         (connection->topics.empty() || is_known_app(topic, connection->topics));
}

// A certificate for one topic names it for every request that does not.
std::string_view topic_of(const Request& request) {
  const std::string_view given = request.get(Field::kApnsTopic);
  const ClientConnection* connection = request.connection;
  if (!given.empty() || connection == nullptr || connection->topics.size() != 1) return given;
  return connection->topics.front();
}

bool is_priority(std::string_view text) {
  return text == "10" || text == "5" || text == "1";
}

// Unix seconds, as many as 64 bits hold.
bool is_expiration(std::string_view text) {
  constexpr std::size_t kDigitsMax = 18;
  return !text.empty() && text.size() <= kDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool repeats_what_matters(const Request& request) {
  if (!request.repeats_any()) return false;
  for (const Field field :
       {Field::kAuthorization, Field::kApnsId, Field::kApnsTopic, Field::kApnsPushType,
        Field::kApnsPriority, Field::kApnsExpiration, Field::kApnsCollapseId, Field::kMethod,
        Field::kPath, Field::kAuthority, Field::kScheme}) {
    if (request.repeats(field)) return true;
  }
  return false;
}

std::string text_of(simdjson::simdjson_result<simdjson::dom::element> element) {
  std::string_view text;
  return element.get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

void read_alert(simdjson::dom::element root, ApnsPayload& payload) {
  simdjson::dom::element alert;
  if (root["aps"]["alert"].get(alert) != simdjson::SUCCESS) return;
  if (alert.is_string()) {
    payload.body = std::string(std::string_view(alert));
    return;
  }
  payload.title = text_of(alert["title"]);
  payload.body = text_of(alert["body"]);
}

}  // namespace

const ApnsReasonRow& apns_row(ApnsReason reason) {
  return kRows[static_cast<std::size_t>(reason)];
}

// Asked for every push, so without a branch for each character.
bool is_uuid(std::string_view text) {
  static constexpr std::array<bool, 256> kHex = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view("0123456789abcdefABCDEF")) {
      table[static_cast<unsigned char>(c)] = true;
    }
    return table;
  }();
  if (text.size() != 36) return false;
  bool good = text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
  const auto hex = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) good &= kHex[static_cast<unsigned char>(text[i])];
  };
  hex(0, 8);
  hex(9, 13);
  hex(14, 18);
  hex(19, 23);
  hex(24, 36);
  return good;
}

ApnsHeadVerdict check_apns_head(const Request& request, const std::vector<std::string>& topics) {
  const auto refuse = [](ApnsReason reason) { return ApnsHeadVerdict{reason, {}, false}; };
  if (request.has(Field::kApnsId) && !is_uuid(request.get(Field::kApnsId))) {
    return refuse(ApnsReason::kBadMessageId);
  }
  if (request.get(Field::kMethod) != "POST") return refuse(ApnsReason::kMethodNotAllowed);
  if (repeats_what_matters(request)) return refuse(ApnsReason::kDuplicateHeaders);
  const std::string_view topic = topic_of(request);
  if (topic.empty()) return refuse(ApnsReason::kMissingTopic);
  if (request.get(Field::kApnsCollapseId).size() > kApnsCollapseIdBytesMax) {
    return refuse(ApnsReason::kBadCollapseId);
  }
  const std::string_view priority =
      request.has(Field::kApnsPriority) ? request.get(Field::kApnsPriority) : "10";
  if (!is_priority(priority)) return refuse(ApnsReason::kBadPriority);
  if (request.has(Field::kApnsExpiration) && !is_expiration(request.get(Field::kApnsExpiration))) {
    return refuse(ApnsReason::kBadExpirationDate);
  }
  const PushTypeRow* type = push_type_of(request);
  if (type == nullptr) return refuse(ApnsReason::kInvalidPushType);
  if (type->name == "background" && priority != "5") return refuse(ApnsReason::kBadPriority);
  if (const ApnsReason reason = check_topic(topic, *type, topics); reason != ApnsReason::kNone) {
    return refuse(reason);
  }
  if (!is_allowed(topic, *type, request.connection)) return refuse(ApnsReason::kTopicDisallowed);
  const std::string_view path = request.get(Field::kPath);
  if (path == kPathPrefix || path == kPathPrefix.substr(0, kPathPrefix.size() - 1)) {
    return refuse(ApnsReason::kMissingDeviceToken);
  }
  if (!path.starts_with(kPathPrefix)) return refuse(ApnsReason::kBadPath);
  return ApnsHeadVerdict{.device_token = path.substr(kPathPrefix.size()),
                         .is_voip = type->name == "voip"};
}

ApnsPayload check_apns_payload(std::string_view body, bool is_voip) {
  ApnsPayload payload;
  if (body.empty()) {
    payload.reason = ApnsReason::kPayloadEmpty;
    return payload;
  }
  if (body.size() > (is_voip ? kApnsVoipPayloadBytesMax : kApnsPayloadBytesMax)) {
    payload.reason = ApnsReason::kPayloadTooLarge;
    return payload;
  }
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    payload.reason = ApnsReason::kPayloadEmpty;
    return payload;
  }
  payload.event = text_of(root["carillon"]["event"]);
  if (payload.event.empty()) payload.event = text_of(root["carillon.event"]);
  read_alert(root, payload);
  return payload;
}

}  // namespace device_sim
