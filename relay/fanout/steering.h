// What somebody in charge wants of a running event, and what they are told.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "storage/store.h"

namespace carillon::fanout {

// Paused jobs at once, three to an event at most: each stays in memory with its message.
inline constexpr std::size_t kPausedJobsMax = 3'072;
// Events at once that have a limit of their own: each keeps one of the kActiveJobsMax turns.
inline constexpr std::size_t kSlowedEventsMax = 32;
inline constexpr std::uint32_t kRatePerSecondMax = 1'000'000;  // devices a second
// How long a caller waits until a wish is durable: a checkpoint on its way and one more.
inline constexpr std::int64_t kSteeringWaitMs = 10'000;

struct Wish {
  enum class Kind : std::uint8_t { kPause, kResume, kCancel, kSetRate };
  Kind kind = Kind::kPause;
  std::uint32_t per_second = 0;  // kSetRate: devices, over all platforms; 0: no limit
};

// Where one job of the event stood at the moment from which nothing more was handed out (for
// kResume and kSetRate: when the wish was taken). targeted is the sum of the others.
struct Boundary {
  store::Platform platform = store::Platform::kApns;
  std::uint64_t targeted = 0;
  std::uint64_t settled = 0;         // have an outcome
  std::uint64_t unanswered = 0;      // handed out: they get the outcome that their answer leads to
  std::uint64_t retrying = 0;        // answered, and to be handed out again
  std::uint64_t not_handed_out = 0;  // of whom some may have left the audience
};

// Durable when the caller hears of it.
struct Steered {
  bool changed = false;  // false: it was so before
  std::int64_t at_ms = 0;
  std::vector<Boundary> jobs;  // those that had not ended
};

// Why nothing changed.
struct SteeringRefusal {
  enum class Kind : std::uint8_t {
    kUnknownEvent,
    kFinished,      // or is being cancelled
    kNotCompleted,  // only what is completed can be replayed
    kExpired,       // a replay needs a new time
    kTooMany,       // kPausedJobsMax, kSlowedEventsMax
    kUnknownApp,    // taken out of the config since
    kBusy,          // try again in a moment
    kDraining,
    kStoreFull,
    kStoreFailed,  // or takes too long: then it is not known whether it came about
  };
  Kind kind = Kind::kBusy;
  std::string message;
};

using SteeringResult = tl::expected<Steered, SteeringRefusal>;

struct SteeringRequest {
  store::EventId event{};
  Wish wish;
  std::function<void(SteeringResult)> done;  // once, on the fan-out thread; must not block
};

}  // namespace carillon::fanout
