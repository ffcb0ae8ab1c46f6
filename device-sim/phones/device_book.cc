#include "device-sim/phones/device_book.h"

#include <fmt/format.h>

#include <algorithm>

namespace device_sim {
namespace {

std::string bounded(std::string_view text) {
  return std::string(text.substr(0, kMessageTextBytesMax));
}

Display display_of(const std::deque<PhoneMessage>& inbox, const PhoneMessage& message) {
  if (message.identity.empty()) return Display::kShown;
  bool replaces = false;
  for (const PhoneMessage& earlier : inbox) {
    if (earlier.identity != message.identity) continue;
    if (earlier.event == message.event) return Display::kFolded;
    replaces = true;
  }
  return replaces ? Display::kReplaced : Display::kShown;
}

}  // namespace

std::string_view display_name(Display display) {
  switch (display) {
    case Display::kShown:
      return "shown";
    case Display::kReplaced:
      return "replaced";
    case Display::kFolded:
      return "folded";
  }
  return "";
}

DeviceBook::DeviceBook(const Population& population)
    : population_(population), published_(std::make_shared<DeviceSnapshot>()) {}

tl::expected<std::vector<Phone>, std::string> DeviceBook::add_phones(
    std::size_t count, std::optional<Platform> platform) {
  const std::lock_guard lock(mutex_);
  if (count == 0 || count > kPhonesMax - phones_.size()) {
    return tl::unexpected(fmt::format("count must be from 1 to {}: at most {} phones, {} there",
                                      kPhonesMax - phones_.size(), kPhonesMax, phones_.size()));
  }
  std::vector<Phone> added;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t number = population_.count() + phones_.size() + 1;
    // Browsers only among those who have some: the relay need not send to them.
    const std::size_t platforms = population_.mix().has(Platform::kWebPush) ? 3 : 2;
    const auto turn = static_cast<Platform>(phones_.size() % platforms);
    const Phone phone{.number = number, .platform = platform.value_or(turn)};
    phones_.push_back(phone);
    added.push_back(phone);
    current_.states[number] = DeviceState{.platform = phone.platform, .is_phone = true};
  }
  publish();
  return added;
}

std::vector<Phone> DeviceBook::phones() const {
  const std::lock_guard lock(mutex_);
  return phones_;
}

DeviceState DeviceBook::state_of(std::uint64_t number) const {
  if (const auto found = current_.states.find(number); found != current_.states.end()) {
    return found->second;
  }
  return DeviceState{.platform = population_.platform_of(number)};
}

std::optional<DeviceState> DeviceBook::state(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  if (!population_.contains(number) && !current_.states.contains(number)) return std::nullopt;
  return state_of(number);
}

bool DeviceBook::set_state(std::uint64_t number, std::optional<bool> online,
                           std::optional<bool> uninstalled, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!population_.contains(number) && !current_.states.contains(number)) return false;
  DeviceState state = state_of(number);
  if (online) state.online = *online;
  if (uninstalled && *uninstalled != (state.uninstalled_ms != 0)) {
    state.uninstalled_ms = *uninstalled ? now_ms : 0;
  }
  const bool ordinary = !state.is_phone && state.online && state.uninstalled_ms == 0;
  if (ordinary) {
    current_.states.erase(number);
  } else {
    current_.states[number] = state;
  }
  publish();
  const auto outbox = outboxes_.find(number);
  if (outbox == outboxes_.end()) return true;
  if (state.uninstalled_ms != 0) {
    outboxes_.erase(outbox);
  } else if (state.online) {
    for (KeptPush& push : outbox->second.take(now_ms)) {
      receive(std::move(push), state.is_phone, now_ms);
    }
  }
  return true;
}

void DeviceBook::publish() {
  current_.population_too = std::any_of(current_.states.begin(), current_.states.end(),
                                        [](const auto& entry) { return !entry.second.is_phone; });
  published_ = std::make_shared<const DeviceSnapshot>(current_);
  version_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const DeviceSnapshot> DeviceBook::snapshot() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void DeviceBook::deliver(const Notification& notification,
                         const std::shared_ptr<EventRecord>& record, std::int64_t now_ms) {
  KeptPush push{.message = {.device = notification.device,
                            .platform = notification.platform,
                            .event = std::string(notification.event),
                            .title = bounded(notification.title),
                            .body = bounded(notification.body),
                            .identity = bounded(notification.identity)},
                .identity_hash = notification.identity_hash,
                .record = record,
                .until_ms = notification.keep_until_ms};
  if (notification.slot) push.slot = *notification.slot;
  const std::lock_guard lock(mutex_);
  // Read again under the lock: the loop's snapshot may be a batch old.
  const DeviceState state = state_of(notification.device);
  if (state.online) {
    receive(std::move(push), state.is_phone, now_ms);
    return;
  }
  outboxes_[notification.device].keep(std::move(push), now_ms);
}

DeviceBook::Waiting DeviceBook::waiting(std::uint64_t number, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Waiting waiting;
  const auto found = outboxes_.find(number);
  if (found == outboxes_.end()) return waiting;
  found->second.expire(now_ms);
  for (const KeptPush& push : found->second.kept()) {
    waiting.pushes.push_back({push.message.event, push.message.title, push.until_ms});
  }
  waiting.deletions = found->second.deletions();
  return waiting;
}

void DeviceBook::expire(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  for (auto& [number, outbox] : outboxes_) outbox.expire(now_ms);
}

void DeviceBook::receive(KeptPush push, bool into_inbox, std::int64_t now_ms) {
  PhoneMessage& message = push.message;
  if (push.record) push.record->receive(message.device, message.platform, push.identity_hash);
  if (!into_inbox) return;
  std::deque<PhoneMessage>& inbox = inboxes_[message.device];
  message.sequence = ++last_sequence_;
  message.received_ms = now_ms;
  message.display = display_of(inbox, message);
  if (inbox.size() == kInboxMessagesMax) inbox.pop_front();
  inbox.push_back(message);
  if (log_.size() == kMessageLogMax) log_.pop_front();
  log_.push_back(std::move(message));
  arrived_.notify_all();
}

std::vector<PhoneMessage> DeviceBook::inbox(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = inboxes_.find(number);
  if (found == inboxes_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<PhoneMessage> DeviceBook::messages_after(std::uint64_t sequence,
                                                     std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, patience, [&] { return stopping_ || last_sequence_ > sequence; });
  const auto first = std::find_if(log_.begin(), log_.end(), [&](const PhoneMessage& message) {
    return message.sequence > sequence;
  });
  return {first, log_.end()};
}

std::uint64_t DeviceBook::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return last_sequence_;
}

void DeviceBook::stop_waiting() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  arrived_.notify_all();
}

}  // namespace device_sim
