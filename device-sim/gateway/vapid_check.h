#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/gateway/jwt.h"

namespace device_sim {

enum class VapidVerdict : std::uint8_t { kValid, kMissing, kInvalid, kOtherKey };

// RFC 8292 §2: exp is at most 24 hours ahead. The minute is ours, for clocks that differ.
inline constexpr std::int64_t kVapidAheadSecondsMax = 24 * 3'600 + 60;

// Decides on the authorization header "vapid t=<JWT>, k=<public key>": ES256 by k, which is the key
// that the subscriptions were made with; aud is the service's origin, exp in the next 24 hours, sub
// a mailto: or https: address. A verified header is remembered by its exact text. One thread.
class VapidTokens {
 public:
  explicit VapidTokens(PublicKey key) : key_(std::move(key)), point_(key_.point()) {}

  // `authorization` is the header's value, empty if it is absent; `origin`
  // "https://localhost:8446".
  VapidVerdict check(std::string_view authorization, std::string_view origin, std::int64_t now_s);

 private:
  struct Verified {
    std::string authorization;
    std::string audience;
    std::int64_t expires_s = 0;
  };
  static constexpr std::size_t kVerifiedMax = 16;

  VapidVerdict verify(std::string_view authorization, Verified& verified) const;

  PublicKey key_;
  std::string point_;
  std::vector<Verified> verified_;
  std::size_t next_victim_ = 0;
};

}  // namespace device_sim
