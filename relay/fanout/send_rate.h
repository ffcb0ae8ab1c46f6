// How many devices of an event may be handed out now: a token bucket over all its platforms, asked
// by batch. Pure; for one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace carillon::fanout {

class SendRate {
 public:
  // A tenth of a second's worth may go at once, and is given out by quarters: a batch costs the
  // same whatever its size.
  SendRate(std::uint32_t per_second, std::int64_t monotonic_ms)
      : per_second_(per_second),
        most_(std::max<std::int64_t>(1, per_second / 10) * kParts),
        least_(std::max<std::int64_t>(kParts, most_ / 4)),
        at_ms_(monotonic_ms) {}

  std::uint32_t per_second() const { return static_cast<std::uint32_t>(per_second_); }

  // Devices that may be handed out at this time; 0 until it is worth a batch.
  std::size_t available(std::int64_t monotonic_ms) {
    refill(monotonic_ms);
    return parts_ < least_ ? 0 : static_cast<std::size_t>(parts_ / kParts);
  }
  // So many were: not more than were available.
  void take(std::size_t devices) { parts_ -= static_cast<std::int64_t>(devices) * kParts; }
  // When the next ones may be. Monotonic, ms.
  std::int64_t next_ms(std::int64_t monotonic_ms) {
    refill(monotonic_ms);
    if (parts_ >= least_) return monotonic_ms;
    return monotonic_ms + (least_ - parts_ + per_second_ - 1) / per_second_;
  }

 private:
  // Thousandths of a device: what comes in a millisecond at one a second.
  static constexpr std::int64_t kParts = 1'000;

  void refill(std::int64_t monotonic_ms) {
    // Longer than it takes to fill; keeps the product small.
    const std::int64_t passed = std::clamp<std::int64_t>(monotonic_ms - at_ms_, 0, 1'000);
    parts_ = std::min(most_, parts_ + passed * per_second_);
    at_ms_ = std::max(at_ms_, monotonic_ms);
  }

  std::int64_t per_second_;
  std::int64_t most_, least_;
  std::int64_t parts_ = 0;
  std::int64_t at_ms_;
};

}  // namespace carillon::fanout
