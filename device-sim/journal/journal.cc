#include "device-sim/journal/journal.h"

#include <cassert>

#include "device-sim/population/siphash.h"

namespace device_sim {
namespace {

constexpr SipKey kIdentityKey{.k0 = 0x636f6c6c61707365, .k1 = 0x6964656e74697479};

}  // namespace

CollapseIdentity collapse_identity(std::string_view text) {
  const auto hash =
      static_cast<CollapseIdentity>(siphash24(kIdentityKey, text.data(), text.size()));
  return hash <= kNeverFolds ? hash + 2 : hash;
}

EventRecord::EventRecord(std::string event, std::uint32_t serial, std::uint64_t devices_max,
                         std::atomic<std::size_t>& bytes)
    : event_(std::move(event)),
      serial_(serial),
      bytes_(bytes),
      pages_(devices_max / kPageDevices + 1) {}

EventRecord::~EventRecord() {
  for (auto& slot : pages_) {
    if (const Page* page = slot.load(std::memory_order_relaxed)) {
      delete page;
      bytes_.fetch_sub(sizeof(Page), std::memory_order_relaxed);
    }
  }
}

std::atomic<CollapseIdentity>& EventRecord::cell(std::uint64_t device) {
  assert(device / kPageDevices < pages_.size());
  std::atomic<Page*>& slot = pages_[device / kPageDevices];
  Page* page = slot.load(std::memory_order_acquire);
  if (page == nullptr) {
    auto fresh = std::make_unique<Page>();
    if (slot.compare_exchange_strong(page, fresh.get(), std::memory_order_acq_rel)) {
      page = fresh.release();
      bytes_.fetch_add(sizeof(Page), std::memory_order_relaxed);
    }
  }
  return (*page)[device % kPageDevices];
}

void EventRecord::accept(Platform platform, std::int64_t now_ms) {
  platforms_[static_cast<std::size_t>(platform)].accepted.fetch_add(1, std::memory_order_relaxed);
  if (first_ms_.load(std::memory_order_relaxed) == 0) {
    std::int64_t none = 0;
    first_ms_.compare_exchange_strong(none, now_ms, std::memory_order_relaxed);
  }
  if (last_ms_.load(std::memory_order_relaxed) < now_ms) {
    last_ms_.store(now_ms, std::memory_order_relaxed);
  }
}

void EventRecord::receive(std::uint64_t device, Platform platform, CollapseIdentity identity) {
  PerPlatform& counts = platforms_[static_cast<std::size_t>(platform)];
  counts.received.fetch_add(1, std::memory_order_relaxed);
  CollapseIdentity first = 0;
  if (cell(device).compare_exchange_strong(first, identity, std::memory_order_relaxed)) {
    // Released after `received`, see counts().
    counts.unique.fetch_add(1, std::memory_order_release);
  } else if (first != identity || identity == kNeverFolds) {
    counts.shown_twice.fetch_add(1, std::memory_order_relaxed);
  }
}

bool EventRecord::was_received_by(std::uint64_t device) const {
  if (device / kPageDevices >= pages_.size()) return false;
  const Page* page = pages_[device / kPageDevices].load(std::memory_order_acquire);
  return page != nullptr && (*page)[device % kPageDevices].load(std::memory_order_relaxed) != 0;
}

EventCounts EventRecord::counts() const {
  EventCounts sum;
  sum.event = event_;
  sum.waiting = waiting_.load(std::memory_order_relaxed);
  sum.superseded = superseded_.load(std::memory_order_relaxed);
  sum.expired = expired_.load(std::memory_order_relaxed);
  sum.dropped = dropped_.load(std::memory_order_relaxed);
  sum.first_ms = first_ms_.load(std::memory_order_relaxed);
  sum.last_ms = last_ms_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kPlatformCount; ++i) {
    const PerPlatform& from = platforms_[i];
    PlatformCounts& to = sum.by_platform[i];
    // Unique before received: a receipt that arrives in between must not make duplicates negative.
    to.unique_devices = from.unique.load(std::memory_order_acquire);
    to.received = from.received.load(std::memory_order_relaxed);
    to.accepted = from.accepted.load(std::memory_order_relaxed);
    sum.shown_twice += from.shown_twice.load(std::memory_order_relaxed);
    sum.unique_devices += to.unique_devices;
    sum.received += to.received;
    sum.accepted += to.accepted;
  }
  sum.duplicates = sum.received - sum.unique_devices;
  return sum;
}

Journal::Journal(JournalLimits limits) : limits_(limits) {
  assert(limits_.events_max > 0);
}

std::shared_ptr<EventRecord> Journal::open(std::string_view event) {
  assert(!event.empty() && event.size() <= kEventIdBytesMax);
  const std::lock_guard lock(mutex_);
  const std::string key(event);
  if (const auto found = events_.find(key); found != events_.end()) return found->second;
  while (order_.size() >= limits_.events_max) forget_oldest();
  while (!order_.empty() && memory_bytes() >= limits_.memory_bytes_max) forget_oldest();
  auto record = std::make_shared<EventRecord>(key, ++last_serial_, limits_.devices_max, bytes_);
  events_.emplace(key, record);
  order_.push_back(record);
  return record;
}

void Journal::forget_oldest() {
  events_.erase(order_.front()->event());
  order_.pop_front();
  forgotten_.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<EventRecord> Journal::find(std::string_view event) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(std::string(event));
  return found == events_.end() ? nullptr : found->second;
}

std::shared_ptr<EventRecord> Journal::find_serial(std::uint32_t serial) const {
  const std::lock_guard lock(mutex_);
  for (const auto& record : order_) {
    if (record->serial() == serial) return record;
  }
  return nullptr;
}

std::vector<EventCounts> Journal::newest(std::size_t count) const {
  std::vector<std::shared_ptr<EventRecord>> records;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = order_.rbegin(); it != order_.rend() && records.size() < count; ++it) {
      records.push_back(*it);
    }
  }
  std::vector<EventCounts> counts;
  counts.reserve(records.size());
  for (const auto& record : records) counts.push_back(record->counts());
  return counts;
}

const std::shared_ptr<EventRecord>& RecordCache::open(std::string_view event) {
  if (entries_[last_] && entries_[last_]->event() == event) return entries_[last_];
  for (std::size_t i = 0; i < kEntries; ++i) {
    if (entries_[i] && entries_[i]->event() == event) {
      last_ = i;
      return entries_[i];
    }
  }
  last_ = next_victim_;
  next_victim_ = (next_victim_ + 1) % kEntries;
  entries_[last_] = journal_.open(event);
  return entries_[last_];
}

}  // namespace device_sim
