#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "device-sim/population/mix.h"
#include "device-sim/population/siphash.h"

namespace device_sim {

// Device number ⇄ device token, so that millions of devices are known without storing one.
//
//   check  = SipHash(check key, number)              who does not know the seed cannot make one
//   masked = number XOR SipHash(mask key, check)     so that neighbours do not look alike
//   filler = SplitMix64 stream that starts at check  the rest of the length; verified as well
//
//   APNs   hex(masked 8 bytes, check 8 bytes, filler 16 bytes)                 64 characters
//   FCM    base64url(masked, check) ':' "APA91b" base64url-alphabet filler    143 characters
//   Web Push: as FCM, the end of the endpoint's path
//
// The keys differ by platform. Changing any character of a token makes it unknown. Immutable, so
// any thread may use it.
class TokenCodec {
 public:
  static constexpr std::size_t kApnsLength = 64;
  static constexpr std::size_t kFcmInstallationLength = 22;
  static constexpr std::size_t kFcmFillerLength = 114;
  static constexpr std::size_t kFcmLength = kFcmInstallationLength + 7 + kFcmFillerLength;

  explicit TokenCodec(std::uint64_t seed);

  // Appends the token of `number`.
  void append_token(Platform platform, std::uint64_t number, std::string& out) const;
  std::string token(Platform platform, std::uint64_t number) const;

  // The number of a token that this seed made for this platform; nothing for every other text.
  std::optional<std::uint64_t> number_of(Platform platform, std::string_view token) const;

  // The part of an FCM token before the colon is the device's Firebase installation id.
  std::optional<std::uint64_t> number_of_installation(std::string_view fid) const;

 private:
  struct Sealed {
    std::uint64_t masked;
    std::uint64_t check;
  };
  struct Keys {
    SipKey check;
    SipKey mask;
  };

  Sealed seal(Platform platform, std::uint64_t number) const;
  std::optional<std::uint64_t> open(Platform platform, Sealed sealed) const;
  std::optional<std::uint64_t> number_of_apns(std::string_view token) const;
  std::optional<std::uint64_t> number_of_fcm_form(Platform platform, std::string_view token) const;

  std::array<Keys, kPlatformCount> keys_;
};

}  // namespace device_sim
