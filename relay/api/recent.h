// A value that is expensive to get and may be a moment old.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

namespace carillon::api {

// Any thread. One caller at a time makes a new value; who comes meanwhile gets the old one, so that
// a crowd costs what one costs and a slow source holds one thread, not all. Only before there is a
// first value does everyone make their own.
template <class T>
class Recent {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Recent(std::chrono::milliseconds age_max) : age_max_(age_max) {}

  template <class Make>
  T get(Time now, Make make) {
    {
      const std::lock_guard lock(mutex_);
      if (value_ && (making_ || now - made_ <= age_max_)) return *value_;
      making_ = true;
    }
    const NoLongerMaking guard{*this};
    T value = make();
    keep(value, now);
    return value;
  }

 private:
  void keep(const T& value, Time now) {
    const std::lock_guard lock(mutex_);
    value_ = value;
    made_ = now;
  }

  // Also when `make` throws.
  struct NoLongerMaking {
    Recent& of;
    ~NoLongerMaking() {
      const std::lock_guard lock(of.mutex_);
      of.making_ = false;
    }
  };

  const std::chrono::milliseconds age_max_;
  std::mutex mutex_;  // never held while a value is made
  std::optional<T> value_;
  Time made_{};
  bool making_ = false;
};

}  // namespace carillon::api
