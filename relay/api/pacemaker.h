// How fast events are being settled, from what was seen of them a moment ago.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>

#include "relay/api/event_document.h"
#include "storage/store.h"

namespace carillon::api {

// Remembers the last few readings of the last few events that someone asked about. Any thread: the
// mutex guards a small map, nothing waits under it.
class Pacemaker {
 public:
  static constexpr std::chrono::seconds kWindow{10};
  // Readings closer to each other than this say nothing: checkpoints come a few times a second.
  static constexpr std::chrono::milliseconds kSpacing{500};
  static constexpr std::size_t kEventsMax = 256;

  // Of a finished event: the average from its acceptance to its last outcome.
  Pace pace_of(const store::EventRecord& event, std::chrono::system_clock::time_point now);

 private:
  struct Reading {
    std::int64_t at_ms = 0;
    std::uint64_t settled = 0;
  };
  double measured(const store::EventRecord& event, Reading now);

  std::mutex mutex_;
  std::map<store::EventId, std::deque<Reading>> readings_;
};

}  // namespace carillon::api
