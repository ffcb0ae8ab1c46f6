#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace device_sim {

// A message to a channel, as it came.
struct ApnsBroadcast {
  std::string payload;
  std::string priority;
  std::int64_t expiration_s = 0;  // Unix time
};

// One broadcast channel of an app, for Live Activities.
struct ApnsChannel {
  int storage_policy = 0;  // 0: nothing is stored; 1: the latest message
  std::uint64_t broadcasts = 0;
  // Whatever the policy: what a test looks at is no store. Empty: there was none.
  std::optional<ApnsBroadcast> latest = {};
};

// Apple: 10,000 of an app and environment.
inline constexpr std::size_t kChannelsPerAppMax = 10'000;

// The channels of all apps, in memory. Any thread: there are few calls, each takes the lock.
class ApnsChannels {
 public:
  explicit ApnsChannels(std::uint64_t seed) : state_(seed) {}

  // A new channel's id, 16 random bytes in base64 as Apple's are; nothing when the app has
  // kChannelsPerAppMax.
  std::optional<std::string> create(const std::string& app, int storage_policy);
  std::optional<ApnsChannel> find(const std::string& app, std::string_view id) const;
  bool remove(const std::string& app, std::string_view id);
  std::vector<std::string> list(const std::string& app) const;
  // Counts a message to it and keeps it in place of the one before.
  void note_broadcast(const std::string& app, std::string_view id, ApnsBroadcast message);

 private:
  using Channels = std::map<std::string, ApnsChannel, std::less<>>;
  mutable std::mutex mutex_;
  std::map<std::string, Channels> apps_;
  std::uint64_t state_;
};

}  // namespace device_sim
