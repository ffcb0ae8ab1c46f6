#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device-sim/journal/journal.h"
#include "device-sim/phones/phone_message.h"

namespace device_sim {

// A push that waits at its platform for a device that is offline.
struct KeptPush {
  PhoneMessage message;
  CollapseIdentity identity_hash = kNeverFolds;
  std::shared_ptr<EventRecord> record;  // null: without an event
  std::int64_t until_ms = 0;            // Unix time at which it is thrown away
  // A later push with the same slot takes its place. None: nothing does.
  std::optional<std::string> slot;
};

// Firebase, "About FCM messages": pushes that nothing takes the place of; with one more all go and
// the app is told (onDeletedMessages).
inline constexpr std::size_t kFcmKeptMax = 100;
// Firebase, "Collapsible message types": keys at a time; which ones go beyond that is not promised,
// here the oldest.
inline constexpr std::size_t kFcmCollapseKeysMax = 4;
// Ours: RFC 8030 leaves it to the service. Beyond it the oldest goes.
inline constexpr std::size_t kWebPushKeptMax = 100;
// Apple, "Viewing the status of push notifications": the longest that one is stored; Mozilla keeps
// a message as long.
inline constexpr std::int64_t kKeptMsMax = std::int64_t{30} * 86'400 * 1'000;

// What a platform keeps for one device that is offline, as its vendor describes it. Every push that
// was kept ends in one of its event's counters: received (by who takes it), superseded, expired or
// dropped. Not for several threads at once.
class Outbox {
 public:
  Outbox() = default;
  ~Outbox();  // drops what is there
  Outbox(Outbox&&) = default;
  Outbox& operator=(Outbox&&) = delete;

  void keep(KeptPush push, std::int64_t now_ms);
  // Throws away whose time has passed.
  void expire(std::int64_t now_ms);
  // All that is left for the device, oldest first.
  std::vector<KeptPush> take(std::int64_t now_ms);
  // The app is gone.
  void drop();

  const std::deque<KeptPush>& kept() const { return kept_; }
  // How often FCM threw all away: what it tells the app when it is back.
  std::uint64_t deletions() const { return deletions_; }

 private:
  void make_room(const KeptPush& push);

  std::deque<KeptPush> kept_;
  std::uint64_t deletions_ = 0;
};

}  // namespace device_sim
