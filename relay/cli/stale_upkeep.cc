#include "relay/cli/stale_upkeep.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "relay/cli/figures.h"

namespace carillon::cli {

using std::chrono::milliseconds;

void SweepPace::took(std::chrono::steady_clock::duration step) {
  if (step > kStepLongest) {
    subscribers_ = std::max(subscribers_ / 2, kSubscribersLeast);
  } else if (step < kStepLongest / 3) {
    subscribers_ = std::min(subscribers_ * 2, kSubscribersMost);
  }
}

StaleUpkeep::StaleUpkeep(store::Store& store, const std::map<std::string, config::App>& apps,
                         Clocks clocks)
    : store_(store), clocks_(std::move(clocks)) {
  const auto add = [this](const std::string& app, store::StaleAction action, std::uint32_t days) {
    if (days != 0) rules_.emplace_back(app, action, days);
  };
  for (const auto& [name, app] : apps) {
    add(name, store::StaleAction::kRemove, app.stale.remove_after_days);
    add(name, store::StaleAction::kLeaveOut, app.stale.leave_out_after_days);
  }
  due_ = walk_at_ = clocks_.monotonic() + kFirstWalkAfter;
}

milliseconds StaleUpkeep::work() {
  if (rules_.empty()) return kWalkInterval;
  const auto now = clocks_.monotonic();
  if (now < due_) return std::chrono::ceil<milliseconds>(due_ - now);
  const milliseconds pause = std::max(rule_ ? step() : begin_walk(), milliseconds(1));
  due_ = clocks_.monotonic() + pause;
  return pause;
}

milliseconds StaleUpkeep::begin_walk() {
  walk_at_ = clocks_.monotonic() + kWalkInterval;
  rule_ = 0;
  after_ = 0;
  found_ = 0;
  return milliseconds(0);
}

void StaleUpkeep::end_rule() {
  const Rule& rule = rules_[*rule_];
  if (found_ != 0) {
    spdlog::info("{} of {} not seen for {} days: {}", counted(found_, "device"), rule.app,
                 rule.after_days,
                 rule.action == store::StaleAction::kRemove ? "removed" : "left out of audiences");
  }
  after_ = 0;
  found_ = 0;
  ++*rule_;
  if (*rule_ == rules_.size()) rule_.reset();
}

milliseconds StaleUpkeep::step() {
  Rule& rule = rules_[*rule_];
  // One moment for all steps of a rule, however long they take.
  if (after_ == 0) {
    before_ms_ = clocks_.calendar_ms() - rule.after_days * store::kLastSeenStepMs;
  }
  const auto begun = clocks_.monotonic();
  const auto swept =
      store_.sweep_stale(rule.app, rule.action, before_ms_, after_, pace_.subscribers());
  if (!swept) {
    spdlog::warn("stale devices of {} stay for now: {}", rule.app, swept.error().message);
    return kFailedWait;
  }
  const auto took = clocks_.monotonic() - begun;
  pace_.took(took);
  rule.devices.fetch_add(swept->devices, std::memory_order_relaxed);
  found_ += swept->devices;
  after_ = swept->through;
  if (swept->end) end_rule();
  if (!rule_) return std::chrono::ceil<milliseconds>(walk_at_ - clocks_.monotonic());
  return std::chrono::ceil<milliseconds>(took * kRest);
}

std::vector<api::StaleTotals> StaleUpkeep::totals() const {
  std::vector<api::StaleTotals> all;
  for (const Rule& rule : rules_) {
    if (all.empty() || all.back().app != rule.app) all.push_back({.app = rule.app});
    const auto devices = rule.devices.load(std::memory_order_relaxed);
    (rule.action == store::StaleAction::kRemove ? all.back().removed : all.back().left_out) =
        devices;
  }
  return all;
}

}  // namespace carillon::cli
