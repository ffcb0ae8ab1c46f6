// What became of devices that were not heard of for long, for /metrics.
#pragma once

#include <cstdint>
#include <string>

namespace carillon::api {

struct StaleTotals {
  std::string app;
  std::uint64_t left_out = 0, removed = 0;  // devices, since the start
};

}  // namespace carillon::api
