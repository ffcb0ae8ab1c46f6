#pragma once

#include <cstdint>

namespace device_sim {

// What a connection's SETTINGS promise.
struct Http2Limits {
  std::uint32_t max_concurrent_streams = 1'000;
  // One stream only until the gateway has taken a credential, and again after it has refused one:
  // what is in flight then is reset with REFUSED_STREAM.
  bool one_until_authenticated = false;
};

}  // namespace device_sim
