#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace device_sim {

enum class Platform : std::uint8_t { kApns, kFcm, kWebPush };
inline constexpr std::size_t kPlatformCount = 3;

// "apns", "fcm", "webpush": the spelling of the import format and of every JSON answer.
std::string_view platform_name(Platform platform);
tl::expected<Platform, std::string> parse_platform(std::string_view name);

// Which share of the devices is on which platform, as weights: "apns:50,fcm:40,webpush:10".
struct Mix {
  std::array<std::uint32_t, kPlatformCount> weights{55, 45, 0};

  // Every weight is at most 1,000,000 and one is above 0. A platform left out weighs 0. The error
  // is one sentence that says what is wrong.
  static tl::expected<Mix, std::string> parse(std::string_view text);

  // `draw` is any evenly spread 64-bit number.
  Platform pick(std::uint64_t draw) const;

  bool has(Platform platform) const { return weights[static_cast<std::size_t>(platform)] > 0; }

  std::string to_string() const;
};

}  // namespace device_sim
