// Keeps the store's file as small as what it holds, slowly, while the relay serves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "storage/compaction_pace.h"
#include "storage/store.h"

namespace carillon::cli {

class StoreUpkeep {
 public:
  using Clock = std::chrono::steady_clock;
  // From this share of free bytes on a compaction begins: one byte in so many ...
  static constexpr std::uint64_t kFreeShare = 4;
  // ... unless there is so little to gain that the next imports will use it anyway.
  static constexpr std::uint64_t kFreeBytesLeast = 16 * 1024 * 1024;
  // How often it is looked at, and how long a compaction that failed waits.
  static constexpr std::chrono::minutes kLookInterval{10};
  // It rests nine times as long as it works: a tenth of the writer's time at most.
  static constexpr int kRest = 9;

  // The store outlives it. `now` is the monotonic clock.
  explicit StoreUpkeep(store::Store& store, std::function<Clock::time_point()> now = &Clock::now)
      : store_(store), now_(std::move(now)) {}

  // Does what is due, one step of some 10 ms; how long until the next call. For one thread.
  std::chrono::milliseconds work();

 private:
  std::chrono::milliseconds look();
  std::chrono::milliseconds step();

  store::Store& store_;
  const std::function<Clock::time_point()> now_;
  std::optional<Clock::time_point> due_;
  std::optional<store::CompactionPlace> place_;  // none: no compaction goes on
  store::CompactionPace pace_{kRest};
  std::uint64_t bytes_before_ = 0;
  bool said_that_it_cannot_ = false;
};

}  // namespace carillon::cli
