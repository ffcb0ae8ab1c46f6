#include "device-sim/population/population.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <nlohmann/json.hpp>

#include "device-sim/gateway/jwt.h"

namespace device_sim {
namespace {

constexpr std::uint64_t kPlatformPurpose = 100;
constexpr std::uint64_t kShufflePurpose = 101;
constexpr unsigned kFeistelRounds = 4;
constexpr std::size_t kNumberDigitsMin = 7;

// At least seven digits, so that ids sort as their numbers do up to ten million devices.
void append_number(std::uint64_t number, std::string& out) {
  std::array<char, 20> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  const auto length = static_cast<std::size_t>(end - digits.data());
  if (length < kNumberDigitsMin) out.append(kNumberDigitsMin - length, '0');
  out.append(digits.data(), length);
}

}  // namespace

std::string device_id(std::uint64_t number) {
  std::string id = "d-";
  append_number(number, id);
  return id;
}

std::string subscriber_id(std::uint64_t number) {
  std::string id = "u-";
  append_number(number, id);
  return id;
}

std::optional<std::uint64_t> parse_device_id(std::string_view id) {
  if (!id.starts_with("d-")) return std::nullopt;
  id.remove_prefix(2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size() || number == 0) return std::nullopt;
  return number;
}

Population::Population(std::uint64_t seed, Mix mix, std::uint64_t count)
    : seed_(seed),
      mix_(mix),
      count_(count),
      tokens_(seed),
      browser_keys_(seed),
      platform_key_(derive_key(seed, kPlatformPurpose)),
      shuffle_key_(derive_key(seed, kShufflePurpose)) {
  while ((1ULL << (2 * shuffle_half_bits_)) < count_) ++shuffle_half_bits_;
}

std::uint64_t Population::shuffled(std::uint64_t position) const {
  const std::uint64_t mask = (1ULL << shuffle_half_bits_) - 1;
  std::uint64_t value = position;
  do {
    std::uint64_t left = value >> shuffle_half_bits_;
    std::uint64_t right = value & mask;
    for (unsigned round = 0; round < kFeistelRounds; ++round) {
      const std::uint64_t mixed =
          splitmix64(right ^ shuffle_key_.k0 ^ (shuffle_key_.k1 * (round + 1))) & mask;
      const std::uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    value = left << shuffle_half_bits_ | right;
  } while (value >= count_);
  return value + 1;
}

void append_subscription(const Population& population, std::string_view origin,
                         std::uint64_t number, std::string& out) {
  const auto text = [](const auto& bytes) {
    return base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  out += R"({"endpoint":")";
  out += origin;
  out += "/push/";
  population.tokens().append_token(Platform::kWebPush, number, out);
  out += R"(","keys":{"p256dh":")";
  out += text(population.browser_keys().public_key(number));
  out += R"(","auth":")";
  out += text(population.browser_keys().secret(number));
  out += R"("}})";
}

DeviceLines::DeviceLines(const Population& population, const DeviceLineFormat& format)
    : population_(population),
      devices_per_subscriber_(format.devices_per_subscriber),
      webpush_origin_(format.webpush_origin) {
  app_part_ = R"(","app":)" + nlohmann::json(format.app).dump() + R"(,"platform":")";
  tail_ = R"(","topics":)" + nlohmann::json(format.topics).dump() + "}\n";
}

void DeviceLines::append(std::uint64_t number, std::string& out) const {
  const Platform platform = population_.platform_of(number);
  out += R"({"device":"d-)";
  append_number(number, out);
  out += app_part_;
  out += platform_name(platform);
  if (platform == Platform::kWebPush) {
    out += R"(","subscription":)";
    append_subscription(population_, webpush_origin_, number, out);
  } else {
    out += R"(","token":")";
    population_.tokens().append_token(platform, number, out);
    out += '"';
  }
  out += R"(,"subscriber":"u-)";
  append_number((number - 1) / devices_per_subscriber_ + 1, out);
  out += tail_;
}

}  // namespace device_sim
