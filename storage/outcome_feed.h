// What happened, in order, for whoever keeps a database of devices and events of their own: removed
// tokens, failures, events that ended. Each row is written in the transaction of what it tells of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/store.h"

namespace carillon::store {

inline constexpr std::size_t kOutcomesPageMax = 1'000;       // rows of one read
inline constexpr std::size_t kOutcomesForgottenMax = 5'000;  // rows of one step: some 10 ms

struct OutcomeRow {
  enum class Kind : std::uint8_t {
    kTokenRemoved = 1,  // a device went at a provider's word
    kFailed,            // of an event
    kCompleted,         // an event; once more after a replay
    kCancelled          // an event
  };
  std::uint64_t number = 0;  // ascending, with gaps; the next read goes on after it
  Kind kind = Kind::kFailed;
  std::int64_t at_ms = 0;
  std::string app;
  std::optional<EventId> event;      // none: of a removed token
  std::optional<Platform> platform;  // of a token and a failure
  // Of a removed token as it was called; of a failure as it is called now. Empty: it is gone since.
  std::string device;
  std::string subscriber;  // of a removed token; empty: anonymous
  std::string reason;
  std::int64_t dead_since_ms = 0;  // of a removed token: registrations before it
  Failure::Outcome outcome = Failure::Outcome::kRejected;  // of a failure
  std::uint32_t attempts = 0;
  // Of an event: so many of its failures, beyond what is stored device by device, have no rows
  // here. None: of a store of before format 4.
  std::optional<std::uint64_t> failures_untold;
};

struct OutcomePage {
  std::vector<OutcomeRow> rows;  // those after the number asked for, oldest first
  // Rows up to this number were forgotten. If that is more than what was asked for, some that the
  // caller has not seen are lost to it, and `rows` is empty.
  std::uint64_t forgotten_through = 0;
};

}  // namespace carillon::store
