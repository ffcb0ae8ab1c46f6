// Bodies of requests about broadcast channels, as the API takes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/broadcast_channel.h"
#include "relay/api/problem.h"

namespace carillon::api {

struct ChannelFault {
  Problem problem = Problem::kInvalidBody;
  std::vector<FieldError> errors;
};

// {"storage": "none" or "latest"}; "none" if it is left out. Pure.
tl::expected<push::ChannelStorage, ChannelFault> parse_channel(std::string_view body);

struct BroadcastForm {
  std::string payload;          // JSON, at most push::kApnsBroadcastBytesMax
  std::chrono::seconds ttl{0};  // at most kTtlMax; 0: now or never
  bool urgent = true;
};
// {"apns": {"aps": {…}}, "ttl": s, "priority": "urgent", "normal" or "bulk"}. Pure.
tl::expected<BroadcastForm, ChannelFault> parse_broadcast(std::string_view body);

}  // namespace carillon::api
