// Apple's push types and the rules of each (Apple, "Sending notification requests to APNs").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace carillon::push {

// Bytes of a request's body; VoIP alone may have more.
inline constexpr std::size_t kApnsPayloadBytesMax = 4096;
inline constexpr std::size_t kApnsVoipPayloadBytesMax = 5120;

enum class ApnsPriorityRule : std::uint8_t {
  kAny,         // 10 or, for a bulk notification, 5
  kAlwaysFive,  // 10 is an error
  kAlwaysTen,   // of no use otherwise
};

enum class ApnsCredentialRule : std::uint8_t { kAny, kTokenOnly, kCertificateOnly };

struct ApnsPushType {
  std::string_view name;          // of the header apns-push-type
  std::string_view topic_suffix;  // behind the app's bundle id
  ApnsPriorityRule priority = ApnsPriorityRule::kAny;
  ApnsCredentialRule credential = ApnsCredentialRule::kAny;
  std::size_t payload_bytes_max = kApnsPayloadBytesMax;
  bool now_or_never = false;  // apns-expiration is 0 whatever the notification's
};

inline constexpr std::array<ApnsPushType, 11> kApnsPushTypes{{
    {.name = "alert", .topic_suffix = ""},
    {.name = "background", .topic_suffix = "", .priority = ApnsPriorityRule::kAlwaysFive},
    {.name = "voip", .topic_suffix = ".voip", .payload_bytes_max = kApnsVoipPayloadBytesMax},
    {.name = "complication", .topic_suffix = ".complication"},
    {.name = "fileprovider", .topic_suffix = ".pushkit.fileprovider"},
    // The topic is the UID of the certificate that Apple gives out for device management.
    {.name = "mdm", .topic_suffix = "", .credential = ApnsCredentialRule::kCertificateOnly},
    {.name = "liveactivity",
     .topic_suffix = ".push-type.liveactivity",
     .credential = ApnsCredentialRule::kTokenOnly},
    {.name = "location",
     .topic_suffix = ".location-query",
     .credential = ApnsCredentialRule::kTokenOnly},
    // What somebody says now is not to be heard later.
    {.name = "pushtotalk",
     .topic_suffix = ".voip-ptt",
     .priority = ApnsPriorityRule::kAlwaysTen,
     .now_or_never = true},
    {.name = "widgets", .topic_suffix = ".push-type.widgets"},
    {.name = "controls", .topic_suffix = ".push-type.controls"},
}};

// Null: there is no such type.
constexpr const ApnsPushType* find_apns_push_type(std::string_view name) {
  for (const ApnsPushType& type : kApnsPushTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

}  // namespace carillon::push
