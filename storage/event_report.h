// What is known of single devices of an event: its failures, and why one device did or did not get
// it. No row exists for a success, so some of it is derived; `exact` says what is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace carillon::store {

inline constexpr std::size_t kFailuresPageMax = 1'000;  // failures of one read

// Where a page of failures ended: the next one begins after it.
struct FailurePlace {
  Platform platform = Platform::kApns;
  DevicePosition position = 0;
  friend bool operator==(const FailurePlace&, const FailurePlace&) = default;
};

struct FailureQuery {
  std::optional<Platform> platform;         // none: all
  std::optional<Failure::Outcome> outcome;  // none: all
  std::optional<FailurePlace> after;        // none: from the first
  std::size_t limit = kFailuresPageMax;     // 1..kFailuresPageMax
};

// The reason that the relay records with devices that it suppresses for want of a provider.
inline constexpr std::string_view kNoProvider = "NoProvider";

struct FailureRecord {
  Platform platform = Platform::kApns;
  std::string device;  // its name; empty: it is gone since, and its name is not known any more
  Failure failure;
};

struct FailurePage {
  std::vector<FailureRecord> failures;  // by platform, then in the order of the audience
  std::optional<FailurePlace> next;     // none: no more
  std::uint64_t counted_only = 0;       // failures of the event that are known by their number only
};

// What became of one device. Names mean those of the event's app.
struct DeviceFate {
  enum class Kind : std::uint8_t {
    kAccepted = 1,  // a provider said yes
    kPending,       // its turn, its answer or its next attempt is to come
    kRejected,
    kExpired,
    kDeadLettered,
    kCancelled,
    kNotInAudience,  // it was not, or it left before its turn
    kCameLater,      // registered or subscribed after the event was published
    kStale,          // left out of audiences, as its app was not heard of
    kQuarantined,    // left out of audiences, as a provider called it dead
    kUnknownDevice,  // never registered, or removed since
    kRemoved,        // at a provider's word: the outcome feed still tells when
    kNotKnown,       // what is stored allows of more than one
    kSuppressed,     // nothing could be sent to its platform
  };
  Kind kind = Kind::kUnknownDevice;
  bool exact = false;  // false: follows from what is stored, but is not itself
  std::optional<Platform> platform;
  std::string reason;                // of a failure, or of the latest attempt
  std::uint32_t attempts = 0;        // made, as far as it is stored
  std::int64_t at_ms = 0;            // of a failure, of a removal; 0: not known
  std::int64_t next_attempt_ms = 0;  // of a pending one that was tried; 0: none is planned
  bool removed_before = false;       // kRemoved: before the event was published
  // A success that is derived might be one of so many failures that were only counted.
  std::uint64_t counted_only = 0;
  // kNotKnown: the provider took it, or it is one of so many that were suppressed for want of one.
  // 0: the event is over, and it may have come into the audience since.
  std::uint64_t without_provider = 0;
};

}  // namespace carillon::store
