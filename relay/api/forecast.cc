#include "relay/api/forecast.h"

#include <algorithm>

namespace carillon::api {
namespace {

// Beyond it a forecast is a guess, and would not fit a date.
constexpr double kGovernedSecondsMax = 30.0 * 24 * 3600;

}  // namespace

std::optional<std::int64_t> forecast(const store::EventRecord& event,
                                     std::span<const fanout::LaneStats> lanes,
                                     std::optional<std::int64_t> measured_ms, std::int64_t now_ms) {
  const bool runs =
      event.state == store::EventState::kRunning || event.state == store::EventState::kQueued;
  if (!runs) return measured_ms;
  std::optional<std::int64_t> latest = measured_ms;
  const auto not_before = [&](double seconds) {
    const std::int64_t at_ms = now_ms + static_cast<std::int64_t>(seconds * 1'000);
    latest = std::max(latest.value_or(at_ms), at_ms);
  };
  if (event.rate_per_second > 0) {
    std::uint64_t pending = 0;
    for (const auto& job : event.jobs) pending += job.counters.pending();
    const double seconds = static_cast<double>(pending) / event.rate_per_second;
    if (seconds > kGovernedSecondsMax) return std::nullopt;
    if (pending > 0) not_before(seconds);
  }
  for (const auto& job : event.jobs) {
    const auto lane = std::find_if(lanes.begin(), lanes.end(), [&](const fanout::LaneStats& of) {
      return of.app == event.app && static_cast<store::Platform>(of.platform) == job.platform;
    });
    if (lane == lanes.end() || !lane->pace.governed || job.counters.pending() == 0) continue;
    const double seconds = lane->pace.seconds_for(static_cast<double>(job.counters.pending()));
    if (seconds > kGovernedSecondsMax) return std::nullopt;
    not_before(seconds);
  }
  return latest;
}

}  // namespace carillon::api
