#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace device_sim {

// Firebase, "Build topic send requests": at most five topics in a condition.
inline constexpr std::size_t kConditionTopicsMax = 5;
inline constexpr std::size_t kConditionDepthMax = 32;  // nested parentheses and negations; ours

// Who an FCM message to a topic or to a condition is for.
class TopicCondition {
 public:
  // One topic's subscribers.
  static TopicCondition of_topic(std::string_view topic);
  // 'a' in topics && ('b' in topics || !('c' in topics)). The error says what is wrong.
  static tl::expected<TopicCondition, std::string> parse(std::string_view text);

  // Each once, at most kConditionTopicsMax.
  const std::vector<std::string>& topics() const { return topics_; }
  // Bit i of `heard`: whether the device hears topics()[i].
  bool matches(std::uint32_t heard) const { return (table_ >> heard & 1) != 0; }

 private:
  std::vector<std::string> topics_;
  std::uint32_t table_ = 0;  // bit h: the answer for `heard` == h
};

// FCM's alphabet: 1 or more of A-Z a-z 0-9 - _ . ~ %
bool is_topic_name(std::string_view topic);

}  // namespace device_sim
