// Broadcast channels in Apple's words, without I/O (Apple, "Sending channel management requests to
// APNs", "Sending broadcast push notification requests to APNs").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "providers/broadcast_channel.h"
#include "providers/provider.h"

namespace carillon::push {

// Apple: a broadcast's payload.
inline constexpr std::size_t kApnsBroadcastBytesMax = 5'120;
// Of the answer that names all channels: Apple allows 10,000 of an app, some 27 bytes each.
inline constexpr std::size_t kApnsChannelListBytesMax = 1024 * 1024;
// An id as Apple gives it has 24 characters.
inline constexpr std::size_t kApnsChannelIdBytesMax = 64;

// Where the channels of apps that push through `endpoint` are managed.
std::string apns_channels_endpoint(std::string_view endpoint);

// Base64 (RFC 4648, section 4), not empty, within kApnsChannelIdBytesMax: fit for a header.
bool is_apns_channel_id(std::string_view text) noexcept;

struct ApnsChannelRequest {
  std::string_view method;
  std::string path;
  std::vector<RenderedMessage::Header> headers;  // without authorization
  std::string body;                              // empty: none
};
ApnsChannelRequest apns_channel_request(const ChannelRequest& request, std::string_view bundle_id);

struct ApnsChannelReply {
  std::uint16_t status = 0;
  std::string_view body;
  std::string_view channel_id;  // the header
  std::string_view request_id;  // the header
};
ChannelAnswer read_apns_channel_reply(ChannelRequest::Kind asked, const ApnsChannelReply& reply);

}  // namespace carillon::push
