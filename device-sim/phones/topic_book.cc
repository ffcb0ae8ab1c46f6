#include "device-sim/phones/topic_book.h"

namespace device_sim {

Subscribing TopicBook::subscribe(std::uint64_t device, std::string_view topic) {
  const std::lock_guard lock(mutex_);
  if (const auto found = topics_.find(device); found != topics_.end()) {
    if (found->second.contains(topic)) return Subscribing::kDone;
    if (found->second.size() >= kTopicsPerDeviceMax) return Subscribing::kTooManyTopics;
  }
  if (subscriptions_ >= subscriptions_max_) return Subscribing::kFull;
  topics_[device].emplace(topic);
  ++subscriptions_;
  return Subscribing::kDone;
}

void TopicBook::unsubscribe(std::uint64_t device, std::string_view topic) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(device);
  if (found == topics_.end()) return;
  const auto heard = found->second.find(topic);
  if (heard == found->second.end()) return;
  found->second.erase(heard);
  --subscriptions_;
  if (found->second.empty()) topics_.erase(found);
}

void TopicBook::forget(std::uint64_t device) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(device);
  if (found == topics_.end()) return;
  subscriptions_ -= found->second.size();
  topics_.erase(found);
}

std::vector<std::uint64_t> TopicBook::audience(const TopicCondition& condition) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> devices;
  for (const auto& [device, topics] : topics_) {
    std::uint32_t heard = 0;
    for (std::size_t i = 0; i < condition.topics().size(); ++i) {
      heard |= std::uint32_t{topics.contains(condition.topics()[i])} << i;
    }
    if (condition.matches(heard)) devices.push_back(device);
  }
  return devices;
}

std::vector<std::string> TopicBook::topics_of(std::uint64_t device) const {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(device);
  if (found == topics_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

}  // namespace device_sim
