#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/gateway/request.h"

namespace device_sim {

// The reasons that this simulator gives, in the spelling of Apple's "Handling notification
// responses from APNs". kNone is a push that was accepted.
enum class ApnsReason : std::uint8_t {
  kNone,
  kBadMessageId,
  kMethodNotAllowed,
  kDuplicateHeaders,
  kMissingTopic,
  kBadCollapseId,
  kBadPriority,
  kBadExpirationDate,
  kInvalidPushType,
  kBadTopic,
  kTopicDisallowed,
  kBadPath,
  kMissingDeviceToken,
  kBadDeviceToken,
  kMissingProviderToken,
  kInvalidProviderToken,
  kExpiredProviderToken,
  kPayloadEmpty,
  kPayloadTooLarge,
  kServiceUnavailable,
  kUnregistered,
  kDeviceTokenNotForTopic,
  kTooManyRequests,
  kBadCertificate,
  kTooManyProviderTokenUpdates,
  // Of broadcast channels alone.
  kBadChannelId,
  kBadRequestPayload,
  kCannotCreateChannelConfig,
  kChannelNotRegistered,
  kMissingChannelId,
  kMissingPushType,
  kTopicMismatch,
};
inline constexpr std::size_t kApnsReasonCount = 32;

struct ApnsReasonRow {
  std::string_view reason;
  int status;
};
// Apple's table: the word and the status it comes with.
const ApnsReasonRow& apns_row(ApnsReason reason);

inline constexpr std::size_t kApnsPayloadBytesMax = 4'096;
inline constexpr std::size_t kApnsVoipPayloadBytesMax = 5'120;
inline constexpr std::size_t kApnsCollapseIdBytesMax = 64;

struct ApnsHeadVerdict {
  ApnsReason reason = ApnsReason::kNone;
  std::string_view device_token;  // of the request's path; set when reason is kNone
  bool is_voip = false;
};

// Everything that can be said from the request's head and its connection's certificate, in the
// order of the README's table. `topics` are the bundle ids of the known apps. Pure.
ApnsHeadVerdict check_apns_head(const Request& request, const std::vector<std::string>& topics);

// 8-4-4-4-12 hexadecimal digits; Apple's canonical form is lower case, both are taken.
bool is_uuid(std::string_view text);

// What the phone needs from a payload.
struct ApnsPayload {
  ApnsReason reason = ApnsReason::kNone;
  std::string event;  // carillon.event, as a nested member or a key with a dot; empty if absent
  std::string title;
  std::string body;
};

// Size and form of a body. `is_voip` raises the limit. Pure.
ApnsPayload check_apns_payload(std::string_view body, bool is_voip);

}  // namespace device_sim
