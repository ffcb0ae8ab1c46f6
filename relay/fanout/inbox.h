// Where other threads meet the fan-out thread. What waits here is bounded by what was handed out:
// verdicts by `repeat_bound`, a single recorded checkpoint, jobs by kJobsWaitingMax; the events
// that are expected by the requests that the API has open, wishes by the threads that wait for
// them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "relay/fanout/dispatcher.h"

namespace carillon::fanout {

class Inbox {
 public:
  struct Started {
    std::size_t lane = 0;
    JobStart start;
  };
  struct Contents {
    std::vector<std::vector<push::Verdict>> verdicts;  // by lane
    std::vector<Started> started;
    std::vector<SteeringRequest> steering;
    std::vector<std::size_t> renewed;  // lanes whose credential was replaced
    std::optional<store::Result<void>> recorded;
    bool draining = false;
    bool stopping = false;
    std::chrono::steady_clock::time_point stop_by;  // if stopping

    bool empty() const {
      if (recorded || !started.empty() || !steering.empty() || !renewed.empty()) return false;
      for (const auto& lane : verdicts) {
        if (!lane.empty()) return false;
      }
      return true;
    }
  };

  void add_lane() { contents_.verdicts.emplace_back(); }  // before the first use by a thread

  // Any thread; each takes the lock once per batch and wakes the fan-out only if it sleeps.
  void verdicts(std::size_t lane, std::span<const push::Verdict> verdicts) {
    put([&](Contents& contents) {
      auto& waiting = contents.verdicts[lane];
      waiting.insert(waiting.end(), verdicts.begin(), verdicts.end());
    });
  }
  // An event goes to the store, and `started` will say what came of it. False: too late, the relay
  // is shutting down.
  bool expect() {
    const std::lock_guard lock(mutex_);
    if (contents_.draining) return false;
    ++expected_;
    return true;
  }
  // The jobs of an event that was expected; none if it was refused.
  void started(std::vector<Started> jobs) {
    // Under one lock, and nothing after it: who waits for the last of them may end the inbox.
    const std::lock_guard lock(mutex_);
    if (!jobs.empty()) {
      for (Started& job : jobs) contents_.started.push_back(std::move(job));
      if (std::exchange(sleeping_, false)) wake_.notify_one();
    }
    if (--expected_ == 0) none_expected_.notify_all();
  }
  void steer(SteeringRequest request) {
    put([&](Contents& contents) { contents.steering.push_back(std::move(request)); });
  }
  void renewed(std::size_t lane) {
    put([&](Contents& contents) { contents.renewed.push_back(lane); });
  }
  void recorded(store::Result<void> result) {
    put([&](Contents& contents) { contents.recorded = std::move(result); });
  }
  // Nothing is expected any more: waits for what was, which the store answers in bounded time.
  void drain() {
    std::unique_lock lock(mutex_);
    contents_.draining = told_ = true;
    wake_.notify_one();
    none_expected_.wait(lock, [this] { return expected_ == 0; });
  }
  // What is left to record has until `deadline`.
  void stop(std::chrono::steady_clock::time_point deadline) {
    put([&](Contents& contents) {
      contents.stopping = told_ = true;
      contents.stop_by = deadline;
    });
  }

  // The fan-out thread: sleeps until something is there or `deadline`, then swaps all of it into
  // `taken`, whose vectors must be empty and give their capacity back.
  void take(Contents& taken, std::optional<std::chrono::steady_clock::time_point> deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return told_ || !contents_.empty(); };
    sleeping_ = true;
    if (deadline) {
      wake_.wait_until(lock, *deadline, ready);
    } else {
      wake_.wait(lock, ready);
    }
    sleeping_ = false;
    told_ = false;
    taken.verdicts.resize(contents_.verdicts.size());
    contents_.verdicts.swap(taken.verdicts);
    contents_.started.swap(taken.started);
    contents_.steering.swap(taken.steering);
    contents_.renewed.swap(taken.renewed);
    taken.recorded = std::exchange(contents_.recorded, std::nullopt);
    taken.draining = contents_.draining;
    taken.stopping = contents_.stopping;
    taken.stop_by = contents_.stop_by;
  }

 private:
  template <class Put>
  void put(Put put_into) {
    // Woken under the lock: what the fan-out thread takes may be the last there is, and then the
    // inbox ends as soon as it has the lock.
    const std::lock_guard lock(mutex_);
    put_into(contents_);
    if (std::exchange(sleeping_, false)) wake_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable wake_, none_expected_;
  std::size_t expected_ = 0;  // events that the store has not answered
  Contents contents_;
  bool sleeping_ = false;
  bool told_ = false;  // to drain or to stop, and has not heard it yet
};

}  // namespace carillon::fanout
