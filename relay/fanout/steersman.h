// Carries wishes about running events from any thread to the fan-out thread and waits for the
// answer; has the store take failures back for a replay.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "relay/fanout/inbox.h"
#include "relay/fanout/steering.h"
#include "storage/store.h"

namespace carillon::fanout {

class Steersman {
 public:
  // The lane of an app and platform; nothing: the config has no such app.
  using LaneOf = std::function<std::optional<std::size_t>(const std::string&, store::Platform)>;

  // Store and inbox outlive it.
  Steersman(store::Store& store, Inbox& inbox,
            std::function<std::chrono::system_clock::time_point()> calendar, LaneOf lane_of,
            std::chrono::milliseconds wait = std::chrono::milliseconds(kSteeringWaitMs));

  // See Engine. Any thread.
  SteeringResult steer(const store::EventId& event, const Wish& wish);
  tl::expected<store::Replayed, SteeringRefusal> replay(const store::EventId& event,
                                                        store::ReplayWish wish,
                                                        std::optional<std::chrono::seconds> ttl);
  void drain() { draining_ = true; }

 private:
  // The fan-out has no job of the event: why.
  SteeringResult not_running(const store::EventId& event, const Wish& wish);
  std::int64_t now_ms() const;

  store::Store& store_;
  Inbox& inbox_;
  const std::function<std::chrono::system_clock::time_point()> calendar_;
  const LaneOf lane_of_;
  const std::chrono::milliseconds wait_;
  std::atomic<bool> draining_{false};
};

}  // namespace carillon::fanout
