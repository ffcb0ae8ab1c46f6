// Devices whose app was not heard of for long: left out of audiences, later removed. Once a day the
// relay walks over all devices, in small steps that take nothing from the sends.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "relay/api/stale_totals.h"
#include "relay/config/config.h"
#include "storage/store.h"

namespace carillon::cli {

// How many subscribers a step looks at: learned from how long steps took. Pure.
class SweepPace {
 public:
  static constexpr std::size_t kSubscribersLeast = 16, kSubscribersFirst = 256,
                               kSubscribersMost = 4'096;
  // Steps aim at this: a publish that waits behind one hardly notices.
  static constexpr std::chrono::milliseconds kStepLongest{10};

  std::size_t subscribers() const { return subscribers_; }
  void took(std::chrono::steady_clock::duration step);

 private:
  std::size_t subscribers_ = kSubscribersFirst;
};

class StaleUpkeep {
 public:
  using Clock = std::chrono::steady_clock;
  struct Clocks {
    std::function<Clock::time_point()> monotonic = &Clock::now;
    std::function<std::int64_t()> calendar_ms;  // since 1970
  };
  // From the beginning of one walk to the next; and from the start of the relay, which has other
  // things to do then, to the first.
  static constexpr std::chrono::hours kWalkInterval{24};
  static constexpr std::chrono::minutes kFirstWalkAfter{10};
  // It rests nine times as long as it works: a tenth of the writer's time at most.
  static constexpr int kRest = 9;
  // How long a step that failed waits before it is tried again.
  static constexpr std::chrono::minutes kFailedWait{10};

  // The store outlives it. Apps without a rule are passed over.
  StaleUpkeep(store::Store& store, const std::map<std::string, config::App>& apps, Clocks clocks);

  // Does what is due, one step at most; how long until the next call. For one thread.
  std::chrono::milliseconds work();

  // Since the start, of each app that has a rule. Any thread.
  std::vector<api::StaleTotals> totals() const;

 private:
  struct Rule {
    std::string app;
    store::StaleAction action;
    std::int64_t after_days;
    std::atomic<std::uint64_t> devices{0};

    Rule(std::string of, store::StaleAction what, std::int64_t days)
        : app(std::move(of)), action(what), after_days(days) {}
  };
  std::chrono::milliseconds step();
  std::chrono::milliseconds begin_walk();
  void end_rule();

  store::Store& store_;
  const Clocks clocks_;
  std::deque<Rule> rules_;  // of an app the removal first: what goes need not be left out
  SweepPace pace_;
  Clock::time_point due_, walk_at_;
  std::optional<std::size_t> rule_;  // none: no walk goes on
  std::int64_t before_ms_ = 0;
  store::DevicePosition after_ = 0;
  std::uint64_t found_ = 0;  // by this rule in this walk
};

}  // namespace carillon::cli
