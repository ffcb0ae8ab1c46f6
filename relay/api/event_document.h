// How an event looks from outside: GET /v1/events/{event}, its list, its progress.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "relay/import/rfc3339.h"
#include "storage/store.h"

namespace carillon::api {

// What is measured beside what is stored.
struct Pace {
  double per_second = 0;                    // settled devices; 0 if nothing moves
  std::optional<std::int64_t> forecast_ms;  // when the last device will be settled, at this pace
};

std::string_view state_name(store::EventState state);
std::string_view outcome_name(store::Failure::Outcome outcome);
std::string_view platform_name(store::Platform platform);
std::optional<store::Platform> platform_by_name(std::string_view name);
std::string_view priority_name(std::uint8_t priority);

using import::rfc3339;

store::Counters total_of(const store::EventRecord& event);
bool is_over(store::EventState state);
// It was cancelled, and only answers to what was handed out before are awaited.
bool is_cancelling(const store::EventRecord& event);

nlohmann::ordered_json event_links(std::string_view event_id);
nlohmann::ordered_json event_document(const store::EventRecord& event, const Pace& pace);

}  // namespace carillon::api
