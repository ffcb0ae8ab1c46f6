// What follows from a provider's verdict: the one place that decides on retry, expiry, removal and
// giving up. Pure.
#pragma once

#include <cstdint>

#include "providers/provider.h"
#include "relay/config/fanout_limits.h"

namespace carillon::fanout {

// One delivery at the moment its verdict came.
struct Attempt {
  push::Platform platform = push::Platform::kApns;
  std::uint32_t made_before = 0;   // attempts that reached a provider, without this one
  std::int64_t expires_ms = 0;     // no attempt is made after this
  bool now_or_never = false;       // published with a TTL of 0: a second attempt would be too late
  std::int64_t token_read_ms = 0;  // when the token was read from the store
};

// What a verdict says of the token itself. Whether the device goes is not decided here: see
// TokenGuard.
enum class TokenWord : std::uint8_t {
  kNone,
  kDead,      // the provider's explicit word that it is gone
  kUnusable,  // not a token of this app, key or environment: the device's fault or ours
};

struct Outcome {
  enum class Kind : std::uint8_t { kAccepted, kRejected, kExpired, kDeadLettered, kRetry };
  Kind kind = Kind::kAccepted;
  std::int64_t due_ms = 0;     // kRetry: not before
  std::uint32_t attempts = 0;  // made so far, with this one if it counts
  TokenWord token = TokenWord::kNone;
  std::int64_t dead_since_ms = 0;  // of a word: a registration at or after it is not meant
  // The whole way to the provider is closed for a while, not this device's alone: nothing more is
  // handed to it before this time. 0: no.
  std::int64_t pause_until_ms = 0;
  // The provider was asked for too much, not by this device alone: see RateGovernor.
  bool slow_down = false;
};

// How long a refused credential keeps the way closed before it is tried again: somebody has to mend
// it, so asking more often only fills the provider's error budget. Another credential opens it.
inline constexpr std::int64_t kCredentialPauseMs = 15'000;
// Between attempts at what was certainly not sent. Short: nothing was used up at the provider.
inline constexpr std::int64_t kNotSentPauseMs = 200;
// A throttle without a Retry-After: Firebase's documented default, and the only number that any of
// the vendors gives.
inline constexpr std::int64_t kThrottleMs = 60'000;
// Devices that were told the same Retry-After come back spread over this part of it, after it.
inline constexpr std::int64_t kRetryAfterSpread = 8;

// `jitter` in [0, 1) spreads what failed together.
Outcome decide(const Attempt& attempt, const push::Verdict& verdict, std::int64_t now_ms,
               const config::Fanout& limits, double jitter);

// Exponential, from `first_ms` to retry_max_ms (or `first_ms`, if that is more), the upper half of
// each step at random.
std::int64_t backoff_ms(std::int64_t first_ms, std::uint32_t attempts, const config::Fanout& limits,
                        double jitter);

}  // namespace carillon::fanout
