// A sink that keeps every verdict and lets a test wait for them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "providers/provider.h"

namespace carillon::push::test {

inline constexpr std::chrono::seconds kPatience{20};

class RecordingSink final : public VerdictSink {
 public:
  void on_verdicts(std::span<const Verdict> verdicts) noexcept override {
    const std::lock_guard lock(mutex_);
    verdicts_.insert(verdicts_.end(), verdicts.begin(), verdicts.end());
    ++calls_;
    changed_.notify_all();
  }

  // Those that have come when there are `count`, or when patience ends.
  std::vector<Verdict> wait_for(std::size_t count, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return verdicts_.size() >= count; });
    return verdicts_;
  }

  std::vector<Verdict> verdicts() {
    const std::lock_guard lock(mutex_);
    return verdicts_;
  }

  std::size_t calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Verdict> verdicts_;
  std::size_t calls_ = 0;
};

// Looks until it is so, or patience ends.
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace carillon::push::test
