// Devices that a provider called dead when it said so of suspiciously many: kept, with their token
// and all that they hear, and left out of every audience until somebody decides. A registration of
// the device takes it out; an erasure takes it along.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/store.h"

namespace carillon::store {

inline constexpr std::size_t kQuarantineBatchMax = 1'000;  // devices of one decision: some 10 ms

struct QuarantinedDevice {
  DevicePosition position = 0;  // where the next page goes on
  std::string device;
  Platform platform = Platform::kApns;
  std::string reason;              // the provider's word
  std::int64_t dead_since_ms = 0;  // what it was about: registrations before this
  std::int64_t at_ms = 0;          // when it was put there
  friend bool operator==(const QuarantinedDevice&, const QuarantinedDevice&) = default;
};

enum class QuarantineAction : std::uint8_t {
  kRestore = 1,  // into audiences, as young as a new device
  kConfirm       // the word was right: removed
};

struct QuarantineStep {
  std::uint64_t devices = 0;
  DevicePosition through = 0;  // where the next call goes on
  bool end = false;            // none comes after
};

}  // namespace carillon::store
