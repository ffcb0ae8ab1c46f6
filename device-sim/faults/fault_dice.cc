#include "device-sim/faults/fault_dice.h"

#include <limits>

namespace device_sim {
namespace {

constexpr std::uint64_t kUnregisteredPurpose = 200;
constexpr std::uint64_t kWrongAppPurpose = 201;

std::uint64_t threshold(double share) {
  if (share >= 1) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(share * 0x1p64);
}

}  // namespace

std::string_view fault_name(Fault fault) {
  constexpr std::array<std::string_view, kFaultCount> kNames{
      "unregistered", "wrong_app", "throttled", "unavailable", "goaway", "cut"};
  return kNames[static_cast<std::size_t>(fault)];
}

void FaultBoard::set(FaultPlan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::make_shared<const FaultPlan>(std::move(plan));
  requests_.store(0, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const FaultPlan> FaultBoard::plan() const {
  const std::lock_guard lock(mutex_);
  return plan_;
}

FaultDice::FaultDice(FaultBoard& board, std::uint64_t population_seed, std::uint64_t seed)
    : board_(board),
      unregistered_key_(derive_key(population_seed, kUnregisteredPurpose)),
      wrong_app_key_(derive_key(population_seed, kWrongAppPurpose)),
      state_(splitmix64(seed)) {
  refresh();
}

void FaultDice::refresh() {
  const std::uint64_t version = board_.version();
  if (version == version_) return;
  version_ = version;
  adopt(board_.plan());
}

void FaultDice::adopt(std::shared_ptr<const FaultPlan> plan) {
  plan_ = std::move(plan);
  unregistered_below_ = threshold(plan_->unregistered_share);
  wrong_app_below_ = threshold(plan_->wrong_app_share);
  throttled_below_ = threshold(plan_->throttled_share);
  unavailable_below_ = threshold(plan_->unavailable_share);
  counts_requests_ = plan_->goaway_every != 0 || plan_->cut_every != 0;
}

bool FaultDice::is_unregistered(std::uint64_t device) {
  return unregistered_below_ != 0 &&
         strikes(siphash24(unregistered_key_, device) < unregistered_below_, Fault::kUnregistered);
}

bool FaultDice::is_of_wrong_app(std::uint64_t device) {
  return wrong_app_below_ != 0 &&
         strikes(siphash24(wrong_app_key_, device) < wrong_app_below_, Fault::kWrongApp);
}

bool FaultDice::is_unavailable() {
  return unavailable_below_ != 0 && strikes(random() < unavailable_below_, Fault::kUnavailable);
}

bool FaultDice::is_throttled() {
  return throttled_below_ != 0 && strikes(random() < throttled_below_, Fault::kThrottled);
}

ConnectionFate FaultDice::next_fate() {
  if (!counts_requests_) return ConnectionFate::kStays;
  const std::uint64_t request = board_.next_request();
  if (plan_->cut_every != 0 && request % plan_->cut_every == 0) return ConnectionFate::kIsCut;
  if (plan_->goaway_every != 0 && request % plan_->goaway_every == 0) {
    return ConnectionFate::kGoesAway;
  }
  return ConnectionFate::kStays;
}

}  // namespace device_sim
