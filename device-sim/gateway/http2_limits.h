#pragma once

#include <cstdint>

namespace device_sim {

// What a connection's SETTINGS promise.
struct Http2Limits {
  std::uint32_t max_concurrent_streams = 1'000;
};

}  // namespace device_sim
