#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "device-sim/population/siphash.h"

struct ec_group_st;

namespace device_sim {

inline constexpr std::size_t kBrowserSecretBytes = 16;
inline constexpr std::size_t kBrowserPointBytes = 65;  // uncompressed: 0x04, X, Y

// What a browser makes when it subscribes: a P-256 key pair and a secret (RFC 8291 §3.1). A pure
// function of (seed, device number), so nothing is stored; a public key takes some 10 µs to make.
// Immutable, so any thread may use it.
class BrowserKeys {
 public:
  explicit BrowserKeys(std::uint64_t seed);

  std::array<std::uint8_t, kBrowserPointBytes> public_key(std::uint64_t number) const;
  std::array<std::uint8_t, kBrowserSecretBytes> secret(std::uint64_t number) const;

  // The X coordinate that this device and the owner of `point` share (ECDH); nothing if `point`
  // does not lie on the curve.
  std::optional<std::array<std::uint8_t, 32>> agree(std::uint64_t number,
                                                    std::string_view point) const;

 private:
  std::array<std::uint8_t, 32> private_key(std::uint64_t number) const;

  SipKey private_key_purpose_;
  SipKey secret_purpose_;
  std::shared_ptr<const ec_group_st> group_;
};

}  // namespace device_sim
