#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/population/browser_keys.h"
#include "device-sim/population/mix.h"
#include "device-sim/population/token_codec.h"

namespace device_sim {

// A device's number becomes its id: "d-0000042". Numbers start at 1.
std::string device_id(std::uint64_t number);
std::string subscriber_id(std::uint64_t number);
std::optional<std::uint64_t> parse_device_id(std::string_view id);

// The devices 1 … count. Platform and token of a device are a pure function of (seed, mix, number),
// so that two processes that share these know the same devices. Immutable; any thread.
class Population {
 public:
  Population(std::uint64_t seed, Mix mix, std::uint64_t count);

  std::uint64_t count() const { return count_; }
  std::uint64_t seed() const { return seed_; }
  const Mix& mix() const { return mix_; }
  const TokenCodec& tokens() const { return tokens_; }
  const BrowserKeys& browser_keys() const { return browser_keys_; }

  bool contains(std::uint64_t number) const { return number >= 1 && number <= count_; }
  Platform platform_of(std::uint64_t number) const {
    return mix_.pick(siphash24(platform_key_, number));
  }

  // The number that stands at `position` (0 … count-1) of a shuffle of 1 … count. A bijection that
  // needs no memory: a Feistel network over the next even power of two, walked until inside.
  std::uint64_t shuffled(std::uint64_t position) const;

 private:
  std::uint64_t seed_;
  Mix mix_;
  std::uint64_t count_;
  TokenCodec tokens_;
  BrowserKeys browser_keys_;
  SipKey platform_key_;
  SipKey shuffle_key_;
  unsigned shuffle_half_bits_ = 1;
};

// A browser's subscription as JSON, as PushSubscription.toJSON() has it, appended to `out`.
// `origin` is the simulated push service's: "https://127.0.0.1:8446".
void append_subscription(const Population& population, std::string_view origin,
                         std::uint64_t number, std::string& out);

// How `device-sim devices` words one device: a line of the relay's import format.
struct DeviceLineFormat {
  std::string app = "video";
  std::vector<std::string> topics;
  std::uint64_t devices_per_subscriber = 1;
  std::string webpush_origin = "https://127.0.0.1:8446";
};

// Writes lines into a caller's buffer; what is alike on every line is encoded once.
class DeviceLines {
 public:
  DeviceLines(const Population& population, const DeviceLineFormat& format);

  // Appends one NDJSON line with its newline.
  void append(std::uint64_t number, std::string& out) const;

 private:
  const Population& population_;
  std::uint64_t devices_per_subscriber_;
  std::string webpush_origin_;
  std::string app_part_;
  std::string tail_;
};

}  // namespace device_sim
