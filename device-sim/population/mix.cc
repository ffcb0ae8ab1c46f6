#include "device-sim/population/mix.h"

#include <fmt/format.h>

#include <charconv>

namespace device_sim {
namespace {

constexpr std::uint32_t kWeightMax = 1'000'000;
constexpr std::array<std::string_view, kPlatformCount> kPlatformNames{"apns", "fcm", "webpush"};

}  // namespace

std::string_view platform_name(Platform platform) {
  return kPlatformNames[static_cast<std::size_t>(platform)];
}

tl::expected<Platform, std::string> parse_platform(std::string_view name) {
  for (std::size_t i = 0; i < kPlatformCount; ++i) {
    if (kPlatformNames[i] == name) return static_cast<Platform>(i);
  }
  return tl::unexpected(
      fmt::format("'{}' is not a platform; known are apns, fcm and webpush", name));
}

tl::expected<Mix, std::string> Mix::parse(std::string_view text) {
  Mix mix{.weights = {}};
  std::array<bool, kPlatformCount> named{};
  std::uint64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const std::size_t colon = item.find(':');
    if (colon == std::string_view::npos) {
      return tl::unexpected(fmt::format("'{}' in a mix is not of the form platform:weight", item));
    }
    const auto platform = parse_platform(item.substr(0, colon));
    if (!platform) return tl::unexpected(platform.error());
    const auto index = static_cast<std::size_t>(*platform);
    if (named[index]) {
      return tl::unexpected(fmt::format("a mix names {} twice", platform_name(*platform)));
    }
    named[index] = true;
    const std::string_view digits = item.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), mix.weights[index]);
    if (error != std::errc{} || end != digits.data() + digits.size() ||
        mix.weights[index] > kWeightMax) {
      return tl::unexpected(
          fmt::format("the weight '{}' in a mix is not a number from 0 to {}", digits, kWeightMax));
    }
    total += mix.weights[index];
  }
  if (total == 0) {
    return tl::unexpected(std::string("a mix needs a weight above 0, for example apns:55,fcm:45"));
  }
  return mix;
}

Platform Mix::pick(std::uint64_t draw) const {
  std::uint64_t total = 0;
  for (const std::uint32_t weight : weights) total += weight;
  std::uint64_t point = draw % total;
  for (std::size_t i = 0; i + 1 < kPlatformCount; ++i) {
    if (point < weights[i]) return static_cast<Platform>(i);
    point -= weights[i];
  }
  return static_cast<Platform>(kPlatformCount - 1);
}

std::string Mix::to_string() const {
  std::string text;
  for (std::size_t i = 0; i < kPlatformCount; ++i) {
    if (weights[i] == 0) continue;
    if (!text.empty()) text += ',';
    text += fmt::format("{}:{}", kPlatformNames[i], weights[i]);
  }
  return text;
}

}  // namespace device_sim
