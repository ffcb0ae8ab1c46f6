#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/gateway/request.h"

namespace device_sim {

// Google's Instance ID service, of which only subscriptions to FCM's topics are played:
// POST /iid/v1:batchAdd and :batchRemove.
// https://developers.google.com/instance-id/reference/server
inline constexpr std::size_t kIidTokensMax = 1'000;  // registration tokens of one request

// Whether a path (without its query) is this service's to answer.
bool is_iid_path(std::string_view path);

struct IidRequest {
  int status = 200;   // else it is refused as a whole
  std::string error;  // of the refusal; the official client knows the words of its table only
  bool subscribes = false;
  std::string topic;  // without "/topics/"
  std::vector<std::string> tokens;
};

// Everything but the access token, which the caller has checked. Pure.
IidRequest check_iid_request(const Request& request);

}  // namespace device_sim
