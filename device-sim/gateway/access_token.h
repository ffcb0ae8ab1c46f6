#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace device_sim {

inline constexpr std::int64_t kAccessTokenSeconds = 3'599;  // as Google answers

// Shared by all loops of a simulator, so that each takes what another has issued.
using AccessTokenKey = std::array<unsigned char, 32>;
AccessTokenKey random_access_token_key();

enum class AccessTokenVerdict { kValid, kInvalid, kExpired };

// OAuth access tokens that need no storage: "ya29." base64url(expiry, nonce, HMAC-SHA-256 of both).
// The last one that was verified is remembered by its text. One thread.
class AccessTokens {
 public:
  explicit AccessTokens(const AccessTokenKey& key) : key_(key) {}

  // Unix seconds.
  std::string issue(std::int64_t now_s) const;
  // `token` is what follows "Bearer ".
  AccessTokenVerdict check(std::string_view token, std::int64_t now_s);

 private:
  AccessTokenKey key_;
  std::string verified_;
  std::int64_t verified_expiry_s_ = 0;
};

}  // namespace device_sim
