// Filling a store that has no devices yet: the way of the first import, several times as fast as
// batches and in one piece.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "storage/store.h"

namespace carillon::store {

// What it leaves is what `Store::put_devices` would have left, called with the same lines in the
// same order; all of it, once `finish` has answered well, or else nothing. One thread at a time.
class BulkLoad {
 public:
  virtual ~BulkLoad() = default;  // not finished: nothing happened

  // As Store::put_devices; `numbers` name the lines, numbers[i] is of devices[i]. A line that is
  // taken counts as created until `finish` says otherwise. A failure is the whole load's.
  virtual Result<std::vector<Result<Registered>>> add(std::span<const DeviceRegistration> devices,
                                                      std::span<const std::uint64_t> numbers,
                                                      std::int64_t now_ms) = 0;
  // Durable when it answers. Calls correct(number, result), ascending, for each line that `add`
  // took and that was not simply a new device.
  using Correct = std::function<void(std::uint64_t number, const Result<Registered>& result)>;
  virtual Result<void> finish(const Correct& correct) = 0;
};

}  // namespace carillon::store
