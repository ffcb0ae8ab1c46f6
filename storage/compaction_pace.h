// How much a step of a compaction works on, and how long it rests before the next: learned from how
// long steps took, so that whoever writes or reads beside it hardly notices. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace carillon::store {

class CompactionPace {
 public:
  using Duration = std::chrono::steady_clock::duration;
  // A write that waits behind a step waits for all of it: 20 ms at most are nothing that anybody
  // notices. Steps of one size differ by a factor of two and more, so half of that is aimed at.
  static constexpr std::chrono::milliseconds kStepAim{10};
  static constexpr std::size_t kBytesLeast = 16 * 1024, kBytesFirst = 128 * 1024,
                               kBytesMost = 4 * 1024 * 1024;
  static constexpr std::chrono::milliseconds kRestLongest{1'000};

  // `rest`: how many times as long as a step took it rests after it; 0: nobody else is there.
  explicit CompactionPace(int rest) : rest_(rest) {}

  std::size_t bytes() const { return bytes_; }
  // A step took so long, its wait for other writes included; how long to rest now.
  std::chrono::milliseconds took(Duration step) {
    if (step > kStepAim) {
      bytes_ = std::max(bytes_ / 2, kBytesLeast);
    } else if (step < kStepAim / 4) {
      bytes_ = std::min(bytes_ * 2, kBytesMost);
    }
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(step * rest_);
    return std::min(rest, kRestLongest);
  }

 private:
  int rest_;
  std::size_t bytes_ = kBytesFirst;
};

}  // namespace carillon::store
