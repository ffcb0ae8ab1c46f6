#include "device-sim/gateway/webpush_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "device-sim/gateway/jwt.h"

namespace device_sim {
namespace {

// Mozilla, "Autopush HTTP endpoints for notifications: error codes"; 0 where it has none.
constexpr std::array<WebPushReasonRow, kWebPushReasonCount> kWebPushRows{{
    {"", 201, 0},
    {"UnknownSubscription", 404, 102},
    {"MethodNotAllowed", 405, 0},
    {"DuplicateHeaders", 400, 0},
    {"MissingTtl", 400, 111},
    {"BadTtl", 400, 114},
    {"BadTopic", 400, 113},
    {"BadUrgency", 400, 0},
    {"MissingVapid", 401, 109},
    {"BadVapid", 403, 109},
    {"VapidPkHashMismatch", 403, 109},
    {"BadEncoding", 400, 110},
    {"PayloadTooLarge", 413, 104},
    {"ServiceUnavailable", 503, 201},
    {"Gone", 410, 106},
    {"TooManyRequests", 429, 0},
    {"CannotDecrypt", 400, 110},
}};
static_assert(!kWebPushRows.back().name.empty(), "a row for every reason");

constexpr std::array<std::string_view, 4> kUrgencies{"very-low", "low", "normal", "high"};

bool is_base64url_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// RFC 8030 §5.2: digits; more than 31 bits are as good as that, and the service shortens.
bool read_ttl(std::string_view text, std::uint32_t& ttl_s) {
  std::uint64_t value = 0;
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(c - '0'), 1ULL << 31);
  }
  ttl_s = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kWebPushTtlSecondsMax));
  return true;
}

}  // namespace

const WebPushReasonRow& webpush_row(WebPushReason reason) {
  return kWebPushRows[static_cast<std::size_t>(reason)];
}

WebPushHeadVerdict check_webpush_head(const Request& request) {
  if (request.get(Field::kMethod) != "POST") return {WebPushReason::kMethodNotAllowed};
  for (const Field field : {Field::kTtl, Field::kTopic, Field::kUrgency, Field::kAuthorization,
                            Field::kContentEncoding}) {
    if (request.repeats(field)) return {WebPushReason::kDuplicateHeaders};
  }
  WebPushHeadVerdict verdict;
  if (!request.has(Field::kTtl)) return {WebPushReason::kMissingTtl};
  if (!read_ttl(request.get(Field::kTtl), verdict.ttl_s)) return {WebPushReason::kBadTtl};
  if (request.has(Field::kTopic)) {
    const std::string_view topic = request.get(Field::kTopic);
    if (topic.empty() || topic.size() > kWebPushTopicCharactersMax ||
        !std::ranges::all_of(topic, is_base64url_character)) {
      return {WebPushReason::kBadTopic};
    }
  }
  if (request.has(Field::kUrgency) &&
      std::ranges::find(kUrgencies, request.get(Field::kUrgency)) == kUrgencies.end()) {
    return {WebPushReason::kBadUrgency};
  }
  return verdict;
}

WebPushReason check_webpush_body(const Request& request) {
  if (request.body_is_cut || request.body.size() > kWebPushBodyBytesMax) {
    return WebPushReason::kBodyTooLarge;
  }
  if (!request.body.empty() && request.get(Field::kContentEncoding) != "aes128gcm") {
    return WebPushReason::kBadEncoding;
  }
  return WebPushReason::kNone;
}

WebPushPayload read_webpush_payload(std::string_view plaintext) {
  WebPushPayload payload;
  const auto document = nlohmann::json::parse(plaintext, nullptr, false);
  if (!document.is_object()) {
    payload.body = plaintext;
    return payload;
  }
  payload.event = text_member(document, "event");
  const auto shown = document.find("notification");
  if (shown != document.end() && shown->is_object()) {
    payload.title = text_member(*shown, "title");
    payload.body = text_member(*shown, "body");
    payload.tag = text_member(*shown, "tag");
  }
  return payload;
}

std::string webpush_error_body(WebPushReason reason) {
  const WebPushReasonRow& row = webpush_row(reason);
  if (row.number == 0) return fmt::format(R"({{"code":{},"error":"{}"}})", row.status, row.name);
  return fmt::format(R"({{"code":{},"errno":{},"error":"{}"}})", row.status, row.number, row.name);
}

}  // namespace device_sim
