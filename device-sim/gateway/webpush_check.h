#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "device-sim/gateway/request.h"

namespace device_sim {

// The kinds of refusal that the simulated push service gives. kNone is a message that was accepted.
enum class WebPushReason : std::uint8_t {
  kNone,
  kUnknownSubscription,  // 404: the path names no subscription of this service
  kMethodNotAllowed,     // 405
  kDuplicateHeaders,     // 400
  kMissingTtl,           // 400
  kBadTtl,               // 400
  kBadTopic,             // 400
  kBadUrgency,           // 400
  kMissingVapid,         // 401
  kBadVapid,             // 403
  kOtherVapidKey,        // 403: the subscription was made with another key
  kBadEncoding,          // 400: a body that is not aes128gcm
  kBodyTooLarge,         // 413
  kUnavailable,          // 503
  kGone,                 // 410
  kTooManyRequests,      // 429
  kCannotDecrypt,        // 400: ours, a real service cannot know
};
inline constexpr std::size_t kWebPushReasonCount = 17;

struct WebPushReasonRow {
  std::string_view name;  // for the simulator's own statistics
  int status;
  int number;  // errno, as Mozilla's service has it
};
const WebPushReasonRow& webpush_row(WebPushReason reason);

inline constexpr std::size_t kWebPushBodyBytesMax = 4'096;         // RFC 8030 §7.2
inline constexpr std::size_t kWebPushTopicCharactersMax = 32;      // RFC 8030 §5.4
inline constexpr std::uint32_t kWebPushTtlSecondsMax = 2'592'000;  // 30 days, as Mozilla keeps one
inline constexpr std::string_view kWebPushPathPrefix = "/push/";

struct WebPushHeadVerdict {
  WebPushReason reason = WebPushReason::kNone;
  std::uint32_t ttl_s = 0;  // as the service keeps it
};

// What can be said from the request's headers alone, the path and the token's signature aside, in
// the order of the README's table. Pure.
WebPushHeadVerdict check_webpush_head(const Request& request);

// The body's size and what it says of itself. An empty body is a message without content. Pure.
WebPushReason check_webpush_body(const Request& request);

// What the browser needs from a plaintext; of a text that is not a JSON object only `body`.
struct WebPushPayload {
  std::string event;
  std::string title;
  std::string body;
  std::string tag;
};
WebPushPayload read_webpush_payload(std::string_view plaintext);

// The JSON body of an error answer.
std::string webpush_error_body(WebPushReason reason);

}  // namespace device_sim
