#pragma once

#include <string>
#include <string_view>

#include "device-sim/gateway/apns_channels.h"
#include "device-sim/gateway/apns_check.h"

namespace device_sim {

// What a request about broadcast channels asks for (Apple, "Sending channel management requests to
// APNs" and "Sending broadcast push notification requests to APNs").
enum class ChannelCall : std::uint8_t { kNone, kCreate, kRead, kDelete, kList, kBroadcast };

struct ChannelPath {
  ChannelCall call = ChannelCall::kNone;
  ApnsReason reason = ApnsReason::kNone;  // with kNone: why it is none
  std::string_view app;                   // bundle id
};

// Whether a path is of the management host or of broadcasts at all. Asked for every push.
inline bool is_about_channels(std::string_view path) {
  return path.size() > 1 && path[1] != '3' &&
         (path.starts_with("/1/apps/") || path.starts_with("/4/broadcasts/apps/"));
}

// By path and method. Pure.
ChannelPath read_channel_path(std::string_view method, std::string_view path);

inline constexpr std::size_t kBroadcastPayloadBytesMax = 5'120;

// Form of a body that creates a channel. Pure.
struct ChannelOrder {
  ApnsReason reason = ApnsReason::kNone;
  int storage_policy = 0;
};
ChannelOrder check_channel_order(std::string_view body);

// Form of a channel's id: what create() gives out, 16 bytes in base64. Pure.
ApnsReason check_channel_id(std::string_view id);

// Headers and body of a message to `channel`. Pure.
ApnsReason check_broadcast(const Request& request, const ApnsChannel& channel);

}  // namespace device_sim
