// How fast one app's way to one platform is used: a budget, a slow start and what throttles taught.
// Asked by batch. Pure: time comes in, monotonic, in ms. For one thread.
//
// With a budget the rate begins low and rises steadily to it within `ramp_up_ms`; without one it is
// free until the provider throttles for the first time. Every throttle halves the rate (once a
// second at most), and it rises again as steadily.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace carillon::fanout {

// Where the rate stands and is going: enough to say when so many devices are handed out.
struct GovernedPace {
  bool governed = false;
  double tokens = 0;             // devices that may go at once
  double per_second = 0;         // now
  double per_second_gained = 0;  // each second, up to ...
  double per_second_most = 0;

  // Until the last of `devices` may go; 0 if nothing governs.
  double seconds_for(double devices) const;
};

class RateGovernor {
 public:
  struct Limits {
    std::uint32_t per_minute = 0;  // devices; 0: no budget
    std::uint32_t ramp_up_ms = 60'000;
  };
  // Devices that may go at once, whatever the rate: a batch, and all that most events have.
  static constexpr double kBurst = 512;
  static constexpr double kRateLeast = 10;  // devices a second, however often it was halved
  static constexpr std::int64_t kHalvedOnceInMs = 1'000;
  // Unused for so long, the provider has forgotten us: it begins low again.
  static constexpr std::int64_t kColdAfterMs = 60'000;
  // Without a budget: so many times the rate that was throttled, nothing governs any more.
  static constexpr double kFreeAgain = 4;
  // Hand-outs a second at most while it governs, so that they stay worth a batch.
  static constexpr double kHandOutsPerSecond = 20;

  RateGovernor(const Limits& limits, std::int64_t monotonic_ms);

  // Devices that may be handed out now; 0 until it is worth a batch. Urgent ones may run into debt,
  // a second's worth: what waits behind them pays it back.
  std::size_t allowance(bool urgent, std::int64_t monotonic_ms) {
    return governed_ ? governed_allowance(urgent, monotonic_ms)
                     : std::numeric_limits<std::size_t>::max();
  }
  // So many were.
  void spent(std::size_t devices, std::int64_t monotonic_ms);
  void on_throttled(std::int64_t monotonic_ms);
  // When there may be an allowance again, if there is none now.
  std::int64_t next_ms(std::int64_t monotonic_ms) const;

  GovernedPace pace() const;

 private:
  std::size_t governed_allowance(bool urgent, std::int64_t monotonic_ms);
  void advance(std::int64_t monotonic_ms);
  double depth() const;
  double worth_a_batch() const;

  const double budget_;  // devices a second; 0: none
  const double ramp_up_s_;
  bool governed_;
  double most_ = 0;    // devices a second
  double gained_ = 0;  // each second
  double rate_ = 0;
  double tokens_ = 0;
  std::int64_t at_ms_;
  std::int64_t spent_at_ms_;
  std::int64_t halved_at_ms_;
  // What is handed out a second while nothing governs: what a first throttle is about.
  std::int64_t window_at_ms_;
  double window_devices_ = 0;
  double measured_ = 0;
};

}  // namespace carillon::fanout
