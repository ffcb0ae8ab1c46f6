// The ways to the push services: one PushChannel for each origin that something goes to.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/push_channel.h"
#include "providers/webpush/origin_list.h"

namespace carillon::push {

struct OriginChannelsConfig {
  OriginList allowed;
  std::size_t origins_max = 1;           // channels at once
  std::chrono::milliseconds idle_max{};  // without a message; then a channel is closed
  // Opens the channel of an origin.
  std::function<std::unique_ptr<PushChannel>(const http2::HttpsUrl& url, std::string_view origin)>
      open;
};

// Why nothing can go to an origin now.
enum class OriginFault : std::uint8_t {
  kRefused,  // not on the list: never
  kTooMany,  // `origins_max` others are in use
  kFull,     // more waits for it than it takes
};

// Any thread; one lock.
class OriginChannels {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit OriginChannels(OriginChannelsConfig config) : config_(std::move(config)) {}

  // The channel, which stays open as long as the pointer is held. An unreachable service must not
  // keep what the others could take: a channel that has far more waiting than it takes is kFull.
  tl::expected<std::shared_ptr<PushChannel>, OriginFault> take(std::string_view origin, Time now);

  // Closes what is idle; blocks for as long as that takes. Not on the loop's thread.
  void close_idle(Time now);
  // Closes all, with one deadline for all; then there is nothing to take any more. Idempotent, not
  // on the loop's thread.
  void close(std::chrono::milliseconds grace);

  // Of all channels together.
  std::size_t window() const;
  ProviderHealth health() const;

 private:
  struct Entry {
    std::shared_ptr<PushChannel> channel;
    Time used_at{};
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  static bool is_idle(const Entry& entry);
  std::shared_ptr<PushChannel> evict_one();

  const OriginChannelsConfig config_;
  mutable std::mutex mutex_;
  Entries entries_;
  bool closed_ = false;
};

}  // namespace carillon::push
