#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "device-sim/population/mix.h"

namespace device_sim {

// What makes two notifications one on the phone's screen, hashed to 32 bits.
// 0 is not used; kNeverFolds is a notification without an identity: each is shown for itself.
using CollapseIdentity = std::uint32_t;
inline constexpr CollapseIdentity kNeverFolds = 1;
CollapseIdentity collapse_identity(std::string_view text);

struct JournalLimits {
  std::size_t events_max = 1'000;               // remembered at once; then the oldest is forgotten
  std::size_t memory_bytes_max = 512ULL << 20;  // for device pages; then the oldest is forgotten
  std::uint64_t devices_max = 0;                // device numbers run from 1 to this
};

inline constexpr std::size_t kEventIdBytesMax = 64;

struct PlatformCounts {
  std::uint64_t accepted = 0;
  std::uint64_t received = 0;
  std::uint64_t unique_devices = 0;
};

// accepted = received + waiting + superseded + expired + dropped, and received = unique_devices +
// duplicates.
struct EventCounts {
  std::string event;
  std::uint64_t accepted = 0;    // sends that were answered with success
  std::uint64_t received = 0;    // of these: reached a phone that is online
  std::uint64_t waiting = 0;     // kept for a phone that is offline
  std::uint64_t superseded = 0;  // kept, then replaced by a newer one before the phone came back
  std::uint64_t expired = 0;     // its time passed before the phone came back
  std::uint64_t dropped = 0;     // kept, then thrown away: too many, or the app was uninstalled
  std::uint64_t unique_devices = 0;  // phones that received it at least once
  std::uint64_t duplicates = 0;      // receipts beyond a phone's first
  std::uint64_t shown_twice = 0;     // duplicates that the phone could not fold into the first
  std::array<PlatformCounts, kPlatformCount> by_platform{};
  std::int64_t first_ms = 0;  // Unix time of the first and last accepted send
  std::int64_t last_ms = 0;
};

// One event's receipts. Every function may be called by any thread; none locks.
class EventRecord {
 public:
  EventRecord(std::string event, std::uint32_t serial, std::uint64_t devices_max,
              std::atomic<std::size_t>& bytes);
  ~EventRecord();
  EventRecord(const EventRecord&) = delete;
  EventRecord& operator=(const EventRecord&) = delete;

  const std::string& event() const { return event_; }
  // Counts the events of a journal from 1: a short name for rings that hold many.
  std::uint32_t serial() const { return serial_; }

  // A send was answered with success; `now_ms` is Unix time.
  void accept(Platform platform, std::int64_t now_ms);
  // The phone has it. `device` is 1 … devices_max.
  void receive(std::uint64_t device, Platform platform, CollapseIdentity identity);
  // The phone is offline and it is kept; and each way in which that ends.
  void wait() { waiting_.fetch_add(1, std::memory_order_relaxed); }
  void end_wait() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  void supersede() { end_wait_as(superseded_); }
  void expire() { end_wait_as(expired_); }
  void drop() { end_wait_as(dropped_); }

  bool was_received_by(std::uint64_t device) const;
  EventCounts counts() const;

 private:
  // 4,096 devices, four bytes each: the identity that the device saw first, 0 if it saw none.
  static constexpr std::size_t kPageDevices = 4'096;
  using Page = std::array<std::atomic<CollapseIdentity>, kPageDevices>;

  std::atomic<CollapseIdentity>& cell(std::uint64_t device);
  void end_wait_as(std::atomic<std::uint64_t>& outcome) {
    end_wait();
    outcome.fetch_add(1, std::memory_order_relaxed);
  }

  struct alignas(64) PerPlatform {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> unique{0};
    std::atomic<std::uint64_t> shown_twice{0};
  };

  std::string event_;
  std::uint32_t serial_;
  std::atomic<std::size_t>& bytes_;
  std::vector<std::atomic<Page*>> pages_;
  std::array<PerPlatform, kPlatformCount> platforms_{};
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<std::uint64_t> superseded_{0};
  std::atomic<std::uint64_t> expired_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::int64_t> first_ms_{0};
  std::atomic<std::int64_t> last_ms_{0};
};

// All events that are remembered. Any thread; locks only to open or to look up an event, which a
// loop does once per event and not per push. A record that was forgotten lives on for who holds it.
class Journal {
 public:
  explicit Journal(JournalLimits limits);

  // The event's record, made if it is new. `event` is 1 … kEventIdBytesMax bytes.
  std::shared_ptr<EventRecord> open(std::string_view event);
  std::shared_ptr<EventRecord> find(std::string_view event) const;
  std::shared_ptr<EventRecord> find_serial(std::uint32_t serial) const;

  // Newest first.
  std::vector<EventCounts> newest(std::size_t count) const;

  std::size_t memory_bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  void forget_oldest();

  JournalLimits limits_;
  // Before the records, which give their bytes back when they go.
  std::atomic<std::size_t> bytes_{0};
  std::atomic<std::uint64_t> forgotten_{0};
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<EventRecord>> events_;
  std::deque<std::shared_ptr<EventRecord>> order_;  // oldest first
  std::uint32_t last_serial_ = 0;
};

// A loop's own short list of records, so that consecutive pushes of an event find theirs by
// comparing a string. One thread.
class RecordCache {
 public:
  explicit RecordCache(Journal& journal) : journal_(journal) {}
  // Valid until eight other events were asked for.
  const std::shared_ptr<EventRecord>& open(std::string_view event);

 private:
  static constexpr std::size_t kEntries = 8;
  Journal& journal_;
  std::array<std::shared_ptr<EventRecord>, kEntries> entries_;
  std::size_t last_ = 0;
  std::size_t next_victim_ = 0;
};

}  // namespace device_sim
