#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/phones/topic_condition.h"

namespace device_sim {

// Firebase, "Topic messaging": topics of one app instance.
inline constexpr std::size_t kTopicsPerDeviceMax = 2'000;
// Ours, of all devices together: the book is in memory.
inline constexpr std::size_t kSubscriptionsMax = 1'000'000;

enum class Subscribing : std::uint8_t { kDone, kTooManyTopics, kFull };

// Which devices hear which of FCM's own topics. Any thread.
class TopicBook {
 public:
  // `subscriptions_max`: of all devices together.
  explicit TopicBook(std::size_t subscriptions_max = kSubscriptionsMax)
      : subscriptions_max_(subscriptions_max) {}

  Subscribing subscribe(std::uint64_t device, std::string_view topic);
  void unsubscribe(std::uint64_t device, std::string_view topic);
  // The app is gone from the device.
  void forget(std::uint64_t device);

  // Ascending. Of those that hear some topic: one that hears none is known to nobody.
  std::vector<std::uint64_t> audience(const TopicCondition& condition) const;
  std::vector<std::string> topics_of(std::uint64_t device) const;  // sorted

 private:
  const std::size_t subscriptions_max_;
  mutable std::mutex mutex_;  // a topic message reads it once, a push to a token never
  std::map<std::uint64_t, std::set<std::string, std::less<>>> topics_;  // by device
  std::size_t subscriptions_ = 0;
};

}  // namespace device_sim
