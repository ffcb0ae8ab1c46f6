// Where the gate's thread, its workers and whoever answers later meet. Both are bounded by the
// connections that there are, as each is in one place.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "relay/api/connection.h"

namespace carillon::api {

// Connections that a worker is to take. A worker is woken only while none is on its way: it takes
// one and wakes the next if there are more. So a burst that one worker can serve costs one switch
// of threads, and one whose workers wait for the disk gets as many as it needs. Who fell asleep
// last is woken first: what it needs is still in the caches.
class ReadyQueue {
 public:
  // A worker's place to sleep in. Outlives its use by the queue.
  class Place {
    friend ReadyQueue;
    std::condition_variable woken_;
    bool called_ = false;
  };

  // Any thread.
  void put(Connection& connection) {
    Place* called = nullptr;
    {
      const std::lock_guard lock(mutex_);
      ready_.push_back(&connection);
      called = call_another();
    }
    if (called != nullptr) called->woken_.notify_one();
  }

  // A worker, at its own place: waits for one. Null: closed, and nothing is left.
  Connection* take(Place& place) {
    Connection* taken = nullptr;
    Place* called = nullptr;
    {
      std::unique_lock lock(mutex_);
      while (ready_.empty()) {
        if (closed_) return nullptr;
        asleep_.push_back(&place);
        place.woken_.wait(lock, [&] { return place.called_; });
        place.called_ = false;
        on_its_way_ = false;
      }
      taken = ready_.front();
      ready_.pop_front();
      called = call_another();
    }
    if (called != nullptr) called->woken_.notify_one();
    return taken;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (Place* const place : asleep_) {
      place->called_ = true;
      place->woken_.notify_one();
    }
    asleep_.clear();
  }

 private:
  Place* call_another() {
    if (ready_.empty() || asleep_.empty() || on_its_way_) return nullptr;
    on_its_way_ = true;
    Place* const place = asleep_.back();
    asleep_.pop_back();
    place->called_ = true;
    return place;
  }

  std::mutex mutex_;
  std::deque<Connection*> ready_;
  std::vector<Place*> asleep_;
  bool on_its_way_ = false;  // a worker was called and has not looked yet
  bool closed_ = false;
};

// Connections that come back to the gate's thread.
class ReturnTray {
 public:
  // Any thread. True: the gate's thread must be woken; it then finds those that come after, too.
  [[nodiscard]] bool put(Connection& connection) {
    const std::lock_guard lock(mutex_);
    returned_.push_back(&connection);
    return returned_.size() == 1;
  }

  // The gate's thread, after it was woken. `taken` must be empty and gives its capacity back.
  void take(std::vector<Connection*>& taken) {
    const std::lock_guard lock(mutex_);
    returned_.swap(taken);
  }

 private:
  std::mutex mutex_;
  std::vector<Connection*> returned_;
};

}  // namespace carillon::api
