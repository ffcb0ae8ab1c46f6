#include "relay/fanout/rate_governor.h"

#include <algorithm>
#include <cmath>

namespace carillon::fanout {
namespace {

constexpr std::int64_t kMeasuredOverMs = 1'000;
constexpr double kUnbounded = std::numeric_limits<double>::infinity();

double seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1'000.0;
}

}  // namespace

double GovernedPace::seconds_for(double devices) const {
  const double left = devices - tokens;
  if (!governed || left <= 0) return 0;
  const double rising_s =
      per_second_gained > 0 ? (per_second_most - per_second) / per_second_gained : 0;
  const double while_rising = (per_second + per_second_most) / 2 * rising_s;
  if (rising_s <= 0) return left / per_second;
  if (std::isinf(rising_s) || left < while_rising) {
    const double root = std::sqrt(per_second * per_second + 2 * per_second_gained * left);
    return (root - per_second) / per_second_gained;
  }
  return rising_s + (left - while_rising) / per_second_most;
}

RateGovernor::RateGovernor(const Limits& limits, std::int64_t monotonic_ms)
    : budget_(static_cast<double>(limits.per_minute) / 60.0),
      ramp_up_s_(std::max(seconds(limits.ramp_up_ms), 1.0)),
      governed_(limits.per_minute > 0),
      most_(budget_),
      gained_(budget_ / ramp_up_s_),
      rate_(gained_),
      tokens_(kBurst),
      at_ms_(monotonic_ms),
      spent_at_ms_(monotonic_ms),
      halved_at_ms_(monotonic_ms - kHalvedOnceInMs),
      window_at_ms_(monotonic_ms) {}

double RateGovernor::depth() const {
  return std::max(kBurst, rate_);
}

double RateGovernor::worth_a_batch() const {
  return std::clamp(rate_ / kHandOutsPerSecond, 1.0, kBurst);
}

void RateGovernor::advance(std::int64_t monotonic_ms) {
  if (monotonic_ms <= at_ms_) return;
  const double passed = seconds(monotonic_ms - at_ms_);
  at_ms_ = monotonic_ms;
  if (monotonic_ms - spent_at_ms_ >= kColdAfterMs) {
    // A throttle is forgotten by then as well.
    governed_ = budget_ > 0;
    most_ = budget_;
    gained_ = rate_ = budget_ / ramp_up_s_;
    tokens_ = kBurst;
    return;
  }
  const double before = rate_;
  rate_ = std::min(most_, rate_ + gained_ * passed);
  tokens_ = std::min(depth(), tokens_ + (before + rate_) / 2 * passed);
  if (budget_ == 0 && rate_ >= gained_ * ramp_up_s_ * kFreeAgain) governed_ = false;
}

std::size_t RateGovernor::governed_allowance(bool urgent, std::int64_t monotonic_ms) {
  advance(monotonic_ms);
  if (!governed_) return std::numeric_limits<std::size_t>::max();
  const double free = urgent ? tokens_ + depth() : tokens_;
  return free < (urgent ? 1.0 : worth_a_batch()) ? 0 : static_cast<std::size_t>(free);
}

void RateGovernor::spent(std::size_t devices, std::int64_t monotonic_ms) {
  spent_at_ms_ = monotonic_ms;
  if (governed_) {
    tokens_ -= static_cast<double>(devices);
    return;
  }
  at_ms_ = monotonic_ms;
  const std::int64_t passed = monotonic_ms - window_at_ms_;
  if (passed >= kMeasuredOverMs) {
    measured_ = window_devices_ / seconds(passed);
    window_devices_ = 0;
    window_at_ms_ = monotonic_ms;
  }
  window_devices_ += static_cast<double>(devices);
}

void RateGovernor::on_throttled(std::int64_t monotonic_ms) {
  if (monotonic_ms - halved_at_ms_ < kHalvedOnceInMs) return;
  halved_at_ms_ = monotonic_ms;
  if (!governed_) {
    // The first second of a send is not measured yet: what was handed out in it is what we know.
    const double seen = std::max(measured_, window_devices_);
    governed_ = true;
    most_ = kUnbounded;
    rate_ = std::max(seen, 2 * kRateLeast);
    gained_ = rate_ / ramp_up_s_;
    at_ms_ = monotonic_ms;
  } else {
    advance(monotonic_ms);
  }
  rate_ = std::max(kRateLeast, rate_ / 2);
  if (budget_ > 0) rate_ = std::min(rate_, budget_);
  tokens_ = std::min(tokens_, 0.0);
}

std::int64_t RateGovernor::next_ms(std::int64_t monotonic_ms) const {
  const double missing = worth_a_batch() - tokens_;
  if (!governed_ || missing <= 0) return monotonic_ms;
  return monotonic_ms +
         std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(missing / rate_ * 1'000.0)));
}

GovernedPace RateGovernor::pace() const {
  return {.governed = governed_,
          .tokens = tokens_,
          .per_second = rate_,
          .per_second_gained = gained_,
          .per_second_most = most_};
}

}  // namespace carillon::fanout
