#include "relay/api/pacemaker.h"

#include <algorithm>

namespace carillon::api {
namespace {

double per_second(std::uint64_t count, std::int64_t ms) {
  return ms > 0 ? static_cast<double>(count) * 1000.0 / static_cast<double>(ms) : 0.0;
}

// Beyond it a forecast is a guess, and would not fit a date.
constexpr double kForecastMsMax = 30.0 * 24 * 3600 * 1000;

}  // namespace

double Pacemaker::measured(const store::EventRecord& event, Reading now) {
  const std::lock_guard lock(mutex_);
  // Ids are ordered by time: the oldest event goes first.
  while (readings_.size() >= kEventsMax && !readings_.contains(event.id)) {
    readings_.erase(readings_.begin());
  }
  auto& readings = readings_[event.id];
  const auto window = std::chrono::milliseconds(kWindow).count();
  while (!readings.empty() && readings.front().at_ms < now.at_ms - window) readings.pop_front();
  if (readings.empty() || now.at_ms - readings.back().at_ms >= kSpacing.count()) {
    readings.push_back(now);
  }
  const Reading& first = readings.front();
  if (now.at_ms - first.at_ms < kSpacing.count() || now.settled < first.settled) {
    // Nobody has asked before: the average since acceptance.
    return per_second(now.settled, now.at_ms - event.accepted_ms);
  }
  return per_second(now.settled - first.settled, now.at_ms - first.at_ms);
}

Pace Pacemaker::pace_of(const store::EventRecord& event,
                        std::chrono::system_clock::time_point now) {
  const store::Counters total = total_of(event);
  if (is_over(event.state)) {
    const std::lock_guard lock(mutex_);
    readings_.erase(event.id);
    // A tiny event may be over within the millisecond it was accepted in.
    const std::int64_t took = std::max<std::int64_t>(1, event.last_ms - event.accepted_ms);
    return {.per_second = event.last_ms == 0 ? 0.0 : per_second(total.settled(), took),
            .forecast_ms = std::nullopt};
  }
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  Pace pace{.per_second = measured(event, {now_ms, total.settled()}), .forecast_ms = std::nullopt};
  if (pace.per_second > 0) {
    const double left_ms = static_cast<double>(total.pending()) * 1000.0 / pace.per_second;
    if (left_ms <= kForecastMsMax) pace.forecast_ms = now_ms + static_cast<std::int64_t>(left_ms);
  }
  return pace;
}

}  // namespace carillon::api
