// When an event will have been sent, where a provider's rate is what decides.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "relay/api/event_document.h"
#include "relay/fanout/engine.h"

namespace carillon::api {

// The latest of what was measured, what the event's own rate allows and what the governed rates of
// its providers do; other events
// that wait for the same provider are not looked at. Nothing for an event that does not run. Pure.
std::optional<std::int64_t> forecast(const store::EventRecord& event,
                                     std::span<const fanout::LaneStats> lanes,
                                     std::optional<std::int64_t> measured_ms, std::int64_t now_ms);

}  // namespace carillon::api
