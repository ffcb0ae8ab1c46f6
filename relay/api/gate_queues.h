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
// of threads, and one whose workers wait for the disk gets as many as it needs.
class ReadyQueue {
 public:
  // Any thread.
  void put(Connection& connection) {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      ready_.push_back(&connection);
      wake = wants_another();
    }
    if (wake) changed_.notify_one();
  }

  // A worker: waits for one. Null: closed, and nothing is left.
  Connection* take() {
    Connection* taken = nullptr;
    bool wake = false;
    {
      std::unique_lock lock(mutex_);
      while (ready_.empty()) {
        if (closed_) return nullptr;
        ++asleep_;
        changed_.wait(lock);
        --asleep_;
        on_its_way_ = false;
      }
      taken = ready_.front();
      ready_.pop_front();
      wake = wants_another();
    }
    if (wake) changed_.notify_one();
    return taken;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  bool wants_another() {
    if (ready_.empty() || asleep_ == 0 || on_its_way_) return false;
    on_its_way_ = true;
    return true;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Connection*> ready_;
  std::size_t asleep_ = 0;   // workers
  bool on_its_way_ = false;  // a worker was woken and has not looked yet
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
