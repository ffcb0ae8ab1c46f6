#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "device-sim/faults/fault_dice.h"
#include "device-sim/journal/journal.h"
#include "device-sim/phones/device_book.h"
#include "device-sim/population/population.h"

namespace device_sim {

// Read once a batch, not once a request.
struct Moment {
  std::int64_t unix_ms = 0;
  std::chrono::steady_clock::time_point steady{};
  std::int64_t unix_s() const { return unix_ms / 1'000; }
};

// Written by one thread, read by any.
class Counter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t amount) { add(~amount + 1); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// What one loop counts of one gateway.
struct GatewayCounters {
  static constexpr std::size_t kReasonsMax = 32;
  std::array<Counter, kReasonsMax> answers;  // by the gateway's reason; [0] is success
  Counter tokens_issued;                     // OAuth
  Counter tokens_refused;
  Counter provider_tokens;  // APNs: that a connection brought for the first time
  Counter validated_only;
  Counter without_device;  // accepted, but to a topic or condition
  Counter without_event;   // accepted, but carries no event id
  Counter connections_opened;
  Counter connections_open;
  Counter handshakes_failed;
  Counter streams_open;
  Counter bytes_in;  // as they are on the wire
  Counter bytes_out;
};

// What a gateway must know of the device that a token names.
struct DeviceStanding {
  enum class Kind : std::uint8_t { kUnknown, kInstalled, kUninstalled };
  Kind kind = Kind::kUnknown;
  bool is_special = false;          // a phone of `listen`, or a device whose state was set
  std::int64_t uninstalled_ms = 0;  // Unix time
};

// An accepted push in a loop's ring.
struct RecentSend {
  std::uint64_t device = 0;
  std::uint32_t event_serial = 0;  // 0: without an event
  std::int64_t accepted_ms = 0;
};

// One loop's way from an accepted push to the journal and the phones. One thread.
class DeliveryDesk {
 public:
  DeliveryDesk(const Population& population, Journal& journal, DeviceBook& book);

  // Once a batch: takes over phones and states that have changed.
  void refresh();

  const Population& population() const { return population_; }
  DeviceStanding look_up(std::uint64_t number, Platform platform) const;

  // The push was answered with success.
  void accept(const Notification& notification, bool is_special, std::int64_t now_ms);

  // The pushes to one device among the loop's last kRecentSends, oldest first.
  std::vector<RecentSend> recent_of(std::uint64_t device) const;

  static constexpr std::size_t kRecentSends = 65'536;

 private:
  const Population& population_;
  DeviceBook& book_;
  RecordCache records_;
  std::shared_ptr<const DeviceSnapshot> snapshot_;
  std::uint64_t version_ = 0;
  std::vector<RecentSend> recent_;
  std::size_t next_recent_ = 0;
};

// What the gateways of one loop share. One thread.
struct LoopContext {
  LoopContext(const Population& population, Journal& journal, DeviceBook& book, FaultBoard& faults,
              std::uint64_t seed)
      : dice(faults, population.seed(), seed), desk(population, journal, book) {}

  void begin_batch(Moment moment) {
    now = moment;
    dice.refresh();
    desk.refresh();
  }

  Moment now;
  FaultDice dice;
  DeliveryDesk desk;
};

}  // namespace device_sim
