#include "device-sim/gateway/loop_context.h"

namespace device_sim {

DeliveryDesk::DeliveryDesk(const Population& population, Journal& journal, DeviceBook& book)
    : population_(population), book_(book), records_(journal), recent_(kRecentSends) {
  refresh();
}

void DeliveryDesk::refresh() {
  const std::uint64_t version = book_.version();
  if (version == version_) return;
  version_ = version;
  snapshot_ = book_.snapshot();
}

DeviceStanding DeliveryDesk::look_up(std::uint64_t number, Platform platform) const {
  using Kind = DeviceStanding::Kind;
  if (population_.contains(number)) {
    if (population_.platform_of(number) != platform) return {};
    if (!snapshot_->population_too) return {.kind = Kind::kInstalled};
  }
  const auto found = snapshot_->states.find(number);
  if (found == snapshot_->states.end()) {
    return {.kind = population_.contains(number) ? Kind::kInstalled : Kind::kUnknown};
  }
  const DeviceState& state = found->second;
  if (state.platform != platform) return {};
  return {.kind = state.uninstalled_ms == 0 ? Kind::kInstalled : Kind::kUninstalled,
          .is_special = true,
          .uninstalled_ms = state.uninstalled_ms};
}

void DeliveryDesk::accept(const Notification& notification, bool is_special, std::int64_t now_ms) {
  static const std::shared_ptr<EventRecord> kNoRecord;
  const bool has_event =
      !notification.event.empty() && notification.event.size() <= kEventIdBytesMax;
  const std::shared_ptr<EventRecord>& record =
      has_event ? records_.open(notification.event) : kNoRecord;
  if (record) record->accept(notification.platform, now_ms);
  recent_[next_recent_ % kRecentSends] = {notification.device, record ? record->serial() : 0,
                                          now_ms};
  ++next_recent_;
  if (is_special) {
    book_.deliver(notification, record, now_ms);
  } else if (record) {
    record->receive(notification.device, notification.platform, notification.identity_hash);
  }
}

std::vector<RecentSend> DeliveryDesk::recent_of(std::uint64_t device) const {
  std::vector<RecentSend> found;
  for (std::size_t i = 0; i < kRecentSends; ++i) {
    const RecentSend& send = recent_[(next_recent_ + i) % kRecentSends];
    if (send.device == device) found.push_back(send);
  }
  return found;
}

}  // namespace device_sim
