#include "device-sim/phones/outbox.h"

#include <algorithm>
#include <utility>

namespace device_sim {
namespace {

// Takes out those of which `of` is true, each counted by `ends`.
template <typename Of>
std::size_t remove_kept(std::deque<KeptPush>& kept, Of of, void (EventRecord::*ends)()) {
  return std::erase_if(kept, [&](const KeptPush& push) {
    if (!of(push)) return false;
    if (push.record) ((*push.record).*ends)();
    return true;
  });
}

}  // namespace

Outbox::~Outbox() {
  drop();
}

void Outbox::keep(KeptPush push, std::int64_t now_ms) {
  expire(now_ms);
  if (push.record) push.record->wait();
  if (push.until_ms <= now_ms) {  // now or never
    if (push.record) push.record->expire();
    return;
  }
  push.until_ms = std::min(push.until_ms, now_ms + kKeptMsMax);
  make_room(push);
  kept_.push_back(std::move(push));
}

void Outbox::make_room(const KeptPush& push) {
  const auto has_slot = [](const KeptPush& kept) { return kept.slot.has_value(); };
  if (push.slot) {
    remove_kept(
        kept_, [&](const KeptPush& kept) { return kept.slot == push.slot; },
        &EventRecord::supersede);
    if (push.message.platform == Platform::kFcm &&
        static_cast<std::size_t>(std::ranges::count_if(kept_, has_slot)) >= kFcmCollapseKeysMax) {
      const auto oldest = std::ranges::find_if(kept_, has_slot);
      if (oldest->record) oldest->record->drop();
      kept_.erase(oldest);
    }
  } else if (push.message.platform == Platform::kFcm) {
    const auto others = kept_.size() - std::ranges::count_if(kept_, has_slot);
    if (others >= kFcmKeptMax) {
      remove_kept(
          kept_, [&](const KeptPush& kept) { return !kept.slot; }, &EventRecord::drop);
      ++deletions_;
    }
  }
  if (push.message.platform == Platform::kWebPush && kept_.size() >= kWebPushKeptMax) {
    if (kept_.front().record) kept_.front().record->drop();
    kept_.pop_front();
  }
}

void Outbox::expire(std::int64_t now_ms) {
  remove_kept(
      kept_, [now_ms](const KeptPush& push) { return push.until_ms <= now_ms; },
      &EventRecord::expire);
}

std::vector<KeptPush> Outbox::take(std::int64_t now_ms) {
  expire(now_ms);
  std::vector<KeptPush> taken;
  for (KeptPush& push : kept_) {
    if (push.record) push.record->end_wait();
    taken.push_back(std::move(push));
  }
  kept_.clear();
  return taken;
}

void Outbox::drop() {
  remove_kept(
      kept_, [](const KeptPush&) { return true; }, &EventRecord::drop);
}

}  // namespace device_sim
