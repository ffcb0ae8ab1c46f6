#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/gateway/jwt.h"

namespace device_sim {

// One signing key that the simulated Apple knows.
struct ApnsKey {
  std::string key_id;
  std::string team_id;
  PublicKey public_key;
};

enum class ProviderTokenVerdict { kValid, kMissing, kInvalid, kExpired };

// Apple: a provider token's iat must be no more than one hour old.
inline constexpr std::int64_t kProviderTokenAgeSecondsMax = 3'600;
// How far a client's clock may run ahead. Apple gives no figure; this one is ours.
inline constexpr std::int64_t kProviderTokenAheadSecondsMax = 60;
// Apple, "Establishing a token-based connection to APNs": no more often than every 20 minutes,
// counted from when a connection first brought the token.
inline constexpr std::int64_t kProviderTokenKeptSecondsMin = 1'200;

// Decides on the authorization header: "bearer <JWT>", ES256, kid and iss known, iat in its hour.
// A verified header is remembered by its exact text, so that the next request costs a comparison.
// One thread.
class ApnsProviderTokens {
 public:
  explicit ApnsProviderTokens(std::vector<ApnsKey> keys) : keys_(std::move(keys)) {}

  // `authorization` is the header's value, empty if it is absent; `now_s` is Unix time.
  ProviderTokenVerdict check(std::string_view authorization, std::int64_t now_s);
  // Of the token that was found valid last.
  const std::string& key_id() const { return verified_[last_].key_id; }
  // Of that token: the same for the same key, team and iat, never 0.
  std::uint64_t identity() const { return verified_[last_].identity; }

 private:
  struct Verified {
    std::string authorization;
    std::int64_t issued_s = 0;
    std::string key_id;
    std::uint64_t identity = 0;
  };
  static constexpr std::size_t kVerifiedMax = 16;

  const Verified* find_verified(std::string_view authorization);
  // Fills the rest of `verified`.
  bool verify(std::string_view authorization, Verified& verified) const;

  std::vector<ApnsKey> keys_;
  std::vector<Verified> verified_;
  std::size_t last_ = 0;
  std::size_t next_victim_ = 0;
};

}  // namespace device_sim
