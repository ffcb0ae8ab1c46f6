// A value that is expensive to get and may be a moment old.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

namespace carillon::api {

// Any thread. Who comes while the value is being made waits for it: that is the point, so that a
// crowd costs what one costs.
template <class T>
class Recent {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Recent(std::chrono::milliseconds age_max) : age_max_(age_max) {}

  template <class Make>
  T get(Time now, Make make) {
    const std::lock_guard lock(mutex_);
    if (!value_ || now - made_ > age_max_) {
      value_ = make();
      made_ = now;
    }
    return *value_;
  }

 private:
  const std::chrono::milliseconds age_max_;
  std::mutex mutex_;
  std::optional<T> value_;
  Time made_{};
};

}  // namespace carillon::api
