#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "device-sim/journal/journal.h"
#include "device-sim/phones/outbox.h"
#include "device-sim/phones/phone_message.h"
#include "device-sim/population/population.h"

namespace device_sim {

// A push that a gateway has accepted, as the phone will see it. Views into the request.
struct Notification {
  std::uint64_t device = 0;
  Platform platform = Platform::kApns;
  std::string_view event;
  std::string_view title;
  std::string_view body;
  // apns-collapse-id, Android's notification tag, or for a data-only message the event: what lets
  // the phone fold it. Empty: it is shown for itself.
  std::string_view identity;
  CollapseIdentity identity_hash = kNeverFolds;
  // How its platform keeps it while the device is offline: see KeptPush.
  std::int64_t keep_until_ms = 0;
  std::optional<std::string_view> slot = {};
};

struct Phone {
  std::uint64_t number = 0;
  Platform platform = Platform::kApns;
};

// A device that is not simply "installed and online": a phone of `listen`, or one whose state was
// set.
struct DeviceState {
  Platform platform = Platform::kApns;
  bool is_phone = false;
  bool online = true;
  std::int64_t uninstalled_ms = 0;  // Unix time; 0: installed
};

// What a loop reads on its way. Immutable.
struct DeviceSnapshot {
  std::unordered_map<std::uint64_t, DeviceState> states;  // phones included
  bool population_too = false;  // some of these are devices of the population
};

inline constexpr std::size_t kPhonesMax = 10'000;
inline constexpr std::size_t kInboxMessagesMax = 100;
inline constexpr std::size_t kMessageLogMax = 4'096;
inline constexpr std::size_t kMessageTextBytesMax = 4'096;

// The phones, the devices with a state of their own, and their inboxes. Any thread. A loop that
// sends to ordinary devices takes no lock here: it keeps a snapshot and compares version() once a
// batch.
class DeviceBook {
 public:
  explicit DeviceBook(const Population& population);

  // Adds phones beyond the population, alternating between the platforms unless one is given. The
  // error is a sentence.
  tl::expected<std::vector<Phone>, std::string> add_phones(std::size_t count,
                                                           std::optional<Platform> platform);
  std::vector<Phone> phones() const;

  // Nothing if there is no such device.
  std::optional<DeviceState> state(std::uint64_t number) const;

  // Leaves alone what is not given. Coming online delivers what was kept, being uninstalled drops
  // it. False: no such device.
  bool set_state(std::uint64_t number, std::optional<bool> online, std::optional<bool> uninstalled,
                 std::int64_t now_ms);

  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  std::shared_ptr<const DeviceSnapshot> snapshot() const;

  // For a device that is in the snapshot. `record` is null for a push without an event id.
  void deliver(const Notification& notification, const std::shared_ptr<EventRecord>& record,
               std::int64_t now_ms);

  // What waits at its platform for a device that is offline.
  struct Waiting {
    struct Push {
      std::string event;  // empty: none
      std::string title;
      std::int64_t until_ms = 0;  // Unix time
    };
    std::vector<Push> pushes;     // oldest first
    std::uint64_t deletions = 0;  // how often FCM threw all away
  };
  Waiting waiting(std::uint64_t number, std::int64_t now_ms);
  // Throws away what has expired, so that the events' counters are of this moment.
  void expire(std::int64_t now_ms);

  // Oldest first, at most kInboxMessagesMax.
  std::vector<PhoneMessage> inbox(std::uint64_t number) const;

  // The messages after `sequence`, oldest first, waiting up to `patience` for one. The log keeps
  // the last kMessageLogMax.
  std::vector<PhoneMessage> messages_after(std::uint64_t sequence,
                                           std::chrono::milliseconds patience);
  std::uint64_t last_sequence() const;

  // Ends every wait in messages_after, now and later.
  void stop_waiting();

 private:
  // All with the mutex held.
  void publish();
  void receive(KeptPush push, bool into_inbox, std::int64_t now_ms);
  DeviceState state_of(std::uint64_t number) const;

  const Population& population_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  bool stopping_ = false;
  DeviceSnapshot current_;
  std::shared_ptr<const DeviceSnapshot> published_;
  std::atomic<std::uint64_t> version_{1};
  std::vector<Phone> phones_;
  std::unordered_map<std::uint64_t, std::deque<PhoneMessage>> inboxes_;
  std::unordered_map<std::uint64_t, Outbox> outboxes_;  // of devices that are or were offline
  std::deque<PhoneMessage> log_;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace device_sim
