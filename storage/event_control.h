// What somebody in charge asks of an event's stored outcomes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace carillon::store {

enum class Platform : std::uint8_t;
struct Job;

inline constexpr std::size_t kReplayReasonsMax = 64;  // reasons that one replay names

// Which recorded failures of a completed event are to be sent again. Never those whose token the
// provider called dead: there is nothing to send to.
struct ReplayWish {
  bool rejected = false, expired = false, dead_lettered = false;
  std::vector<std::string> reasons;  // any of them; empty: whatever the reason
  std::optional<Platform> platform;  // none: all
  // Until when the event is worth sending from now on; 0: as before. Refused if that has passed.
  std::int64_t expires_ms = 0;
};

struct Replayed {
  std::uint64_t taken = 0;  // pending again, as retries that are due at once
  // Failures of the outcomes and the platform asked for that are known by their number only: more
  // failed than are stored device by device. With reasons named it is the most that there may be.
  std::uint64_t counted_only = 0;
  std::uint64_t token_dead = 0;  // of the asked-for, left alone for their token's sake
  std::vector<Job> jobs;         // that run again, as they are now
};

}  // namespace carillon::store
