// What `GET /v1/events/{id}` says, as far as the commands show it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "relay/cli/progress_bar.h"

namespace carillon::cli {

struct EventProgress {
  std::string id;
  std::string state;  // queued running paused completed cancelled
  std::uint64_t targeted = 0, accepted = 0, rejected = 0, expired = 0, suppressed = 0,
                cancelled = 0, dead_lettered = 0, pending = 0;
  double rate_per_second = 0;
  std::string accepted_at;
  std::string last_outcome_at;
  // "apns", "Unregistered" → 17; most frequent first
  struct Reason {
    std::string platform;
    std::string reason;
    std::uint64_t count = 0;
  };
  std::vector<Reason> reasons;
  std::map<std::string, std::string> settled_at;  // "50" → when half of the devices had an outcome

  bool ended() const { return state == "completed" || state == "cancelled"; }
};

// The error is a sentence: the document is not an event. Unknown members are ignored: a newer relay
// says more.
tl::expected<EventProgress, std::string> parse_event_progress(std::string_view json);

// Whether it has the form of an event's id.
bool is_event_id(std::string_view text);

// For the bar: "912,300 of 1,000,003: accepted …, rejected …, pending …, 312,000/s, 4.2 s left".
Progress progress_of(const EventProgress& event);

// Several lines: state, every counter, what was refused and why, how long it took.
std::string summary_of(const EventProgress& event);

// "2026-11-21T02:00:00.123Z" → since the epoch; nothing if it is no such time.
std::optional<std::chrono::milliseconds> parse_rfc3339_utc(std::string_view text);

}  // namespace carillon::cli
