// Which devices of an audience are accounted for: the contiguous prefix that a checkpoint's cursor
// stands for, and what is settled beyond it. Pure; for one thread.
//
// Devices are appended in the order in which the audience is read, and settle in any order. The
// ledger never forgets an open device: the cursor does not pass it until it is settled or parked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/store.h"

namespace carillon::fanout {

class Ledger {
 public:
  struct Entry {
    store::DevicePosition position = 0;
    std::uint32_t read_ms = 0;  // when its token was read, since the job was taken up
    bool settled = false;
  };
  struct Parked {
    std::uint64_t sequence = 0;
    Entry entry;
  };

  // Goes on after a recorded `cursor`, with the devices `beyond` it (ascending) that have an
  // outcome already. The first device that is appended has the number `first`.
  Ledger(store::DevicePosition cursor, std::vector<store::DevicePosition> beyond,
         std::uint64_t first = 0);

  // A device that the scan has just read, in ascending order of position. False: it was settled
  // before a restart and must not be handed out. Its number is `next_sequence() - 1` either way.
  bool append(store::DevicePosition position, std::uint32_t read_ms);
  // The scan has passed everything at or before `through`.
  void read_through(store::DevicePosition through);

  std::uint64_t next_sequence() const { return base_ + (entries_.size() - head_); }
  // Nothing for a device that the prefix has passed: parked, or never appended.
  const Entry* open_entry(std::uint64_t sequence) const;
  void settle(std::uint64_t sequence);

  // Takes the oldest open device out of the way of the cursor. The caller must record it as a
  // retry in the same checkpoint, so that it is still accounted for.
  std::optional<Parked> park_oldest();

  // Everything at or before it is settled or parked.
  store::DevicePosition cursor() const { return cursor_; }
  // Settled after the cursor, ascending, into a vector that is reused.
  void beyond(std::vector<store::DevicePosition>& out) const;
  // Devices from the first open one to the latest read: what `beyond` may have to name.
  std::size_t span() const { return entries_.size() - head_; }
  std::size_t open() const { return open_; }

 private:
  void skip_recorded_before(store::DevicePosition position);
  void advance();

  std::vector<Entry> entries_;  // from head_ on: those after the prefix
  std::size_t head_ = 0;
  std::uint64_t base_ = 0;  // sequence number of entries_[head_]
  std::size_t open_ = 0;
  store::DevicePosition cursor_;
  store::DevicePosition through_;
  std::vector<store::DevicePosition> recorded_;  // from an earlier run, not read again yet
  std::size_t recorded_at_ = 0;
};

}  // namespace carillon::fanout
