#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "device-sim/faults/fault_plan.h"
#include "device-sim/population/siphash.h"

namespace device_sim {

enum class Fault : std::uint8_t {
  kUnregistered,
  kWrongApp,
  kThrottled,
  kUnavailable,
  kGoaway,
  kCut
};
inline constexpr std::size_t kFaultCount = 6;
std::string_view fault_name(Fault fault);

// The plan in force, and how often each fault struck. Any thread.
class FaultBoard {
 public:
  void set(FaultPlan plan);
  std::shared_ptr<const FaultPlan> plan() const;

  // Changes whenever the plan does: a loop compares it once a batch instead of taking the lock.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  void count(Fault fault) { struck_[index(fault)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t struck(Fault fault) const {
    return struck_[index(fault)].load(std::memory_order_relaxed);
  }

  // Requests of all loops since the plan was set; only counted while a plan needs it.
  std::uint64_t next_request() { return requests_.fetch_add(1, std::memory_order_relaxed) + 1; }

 private:
  static std::size_t index(Fault fault) { return static_cast<std::size_t>(fault); }

  mutable std::mutex mutex_;
  std::shared_ptr<const FaultPlan> plan_ = std::make_shared<FaultPlan>();
  std::atomic<std::uint64_t> version_{1};
  std::atomic<std::uint64_t> requests_{0};
  std::array<std::atomic<std::uint64_t>, kFaultCount> struck_{};
};

// What a request does to its connection besides being answered.
enum class ConnectionFate : std::uint8_t { kStays, kGoesAway, kIsCut };

// One loop's view of the plan and its own random numbers. `seed` makes a run repeat; the shares of
// devices depend on `population_seed` alone, so that every loop and every run picks the same ones.
class FaultDice {
 public:
  FaultDice(FaultBoard& board, std::uint64_t population_seed, std::uint64_t seed);

  // Once a batch: takes over a plan that has changed.
  void refresh();

  const FaultPlan& plan() const { return *plan_; }

  bool is_unregistered(std::uint64_t device);
  bool is_of_wrong_app(std::uint64_t device);
  bool is_unavailable();
  bool is_throttled();

  // Once a request that was processed. Whoever carries the fate out counts it: a connection that is
  // going away already does not go away again.
  ConnectionFate next_fate();
  void count(Fault fault) { board_.count(fault); }

 private:
  void adopt(std::shared_ptr<const FaultPlan> plan);
  std::uint64_t random() { return splitmix64(state_ += 0x9e3779b97f4a7c15ULL); }
  bool strikes(bool hit, Fault fault) {
    if (hit) board_.count(fault);
    return hit;
  }

  FaultBoard& board_;
  SipKey unregistered_key_;
  SipKey wrong_app_key_;
  std::uint64_t state_;
  std::shared_ptr<const FaultPlan> plan_;
  std::uint64_t version_ = 0;
  // The shares as thresholds for an even 64-bit draw; 0 means off and costs no hash.
  std::uint64_t unregistered_below_ = 0;
  std::uint64_t wrong_app_below_ = 0;
  std::uint64_t throttled_below_ = 0;
  std::uint64_t unavailable_below_ = 0;
  bool counts_requests_ = false;
};

}  // namespace device_sim
