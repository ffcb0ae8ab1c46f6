// /v1/outcomes: what happened, in order, for a publisher's own database.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "relay/api/desk.h"
#include "storage/outcome_feed.h"
#include "storage/store.h"

namespace carillon::api {

inline constexpr std::size_t kOutcomesPageDefault = 100;
inline constexpr int kOutcomesWaitMaxS = 30;

// Any thread.
class OutcomesResource {
 public:
  // So many requests at once may wait for something to happen, each with the worker that it has;
  // others are answered at once, as if they had not asked to wait. The store must outlive it.
  OutcomesResource(store::Store& store, std::size_t waiting_max)
      : store_(store), waiting_max_(waiting_max) {}

  Reply list(const Admission& admission);
  // Nobody waits from now on.
  void stop();

 private:
  // False: stopped, or `until` has come.
  bool wait_a_moment(std::chrono::steady_clock::time_point until);

  store::Store& store_;
  const std::size_t waiting_max_;
  std::mutex mutex_;  // guards the two below
  std::condition_variable stopped_;
  std::size_t waiting_ = 0;
  bool stopping_ = false;
};

}  // namespace carillon::api
