// What a provider's word does to a device: it goes, or it waits in quarantine for a decision.
#include <algorithm>

#include "storage/sqlite/audience_edit.h"

namespace carillon::store::sqlite {

// The device, if the word is about the registration that it has now.
std::optional<AudienceEdit::Place> AudienceEdit::told_dead(const TokenRemoval& word,
                                                           Platform platform) {
  Slot* holder = slot(subscriber_of(word.position));
  if (!holder) return std::nullopt;
  const auto& devices = holder->now.devices;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].ordinal != ordinal_of(word.position)) continue;
    const bool registered_since = devices[i].registered_ms >= word.dead_since_ms;
    if (devices[i].platform != platform || registered_since) return std::nullopt;
    if (!word.token.empty() && device_at(*holder, devices[i].ordinal).token != word.token) {
      return std::nullopt;
    }
    return Place{holder, i};
  }
  return std::nullopt;
}

bool AudienceEdit::remove_dead(const TokenRemoval& word, Platform platform, std::int64_t now_ms) {
  const auto place = told_dead(word, platform);
  if (!place) return false;
  tell_removed(*place->slot, place->index, word.reason, word.dead_since_ms, now_ms);
  detach(*place->slot, place->index);
  drop_if_empty(*place->slot);
  return true;
}

bool AudienceEdit::quarantine_dead(const TokenRemoval& word, Platform platform,
                                   std::int64_t now_ms) {
  const auto place = told_dead(word, platform);
  if (!place || in_quarantine(word.position)) return false;
  const std::uint32_t app = place->slot->now.app;
  set_stale(*place->slot, place->index);
  quarantine_edits_[word.position] = QuarantineRow{.position = word.position,
                                                   .app = app,
                                                   .platform = platform,
                                                   .dead_since_ms = word.dead_since_ms,
                                                   .at_ms = now_ms,
                                                   .reason = word.reason};
  return true;
}

void AudienceEdit::tell_removed(const Slot& slot, std::size_t index, std::string_view reason,
                                std::int64_t dead_since_ms, std::int64_t at_ms) {
  const Subscriber::Device& device = slot.now.devices[index];
  outcomes_.token_removed({.app = slot.now.app,
                           .platform = device.platform,
                           .device = device.name,
                           .subscriber = slot.now.anonymous ? "" : std::string_view(slot.now.name),
                           .reason = reason,
                           .dead_since_ms = dead_since_ms,
                           .at_ms = at_ms});
}

// Whoever is erased is in no feed either.
void AudienceEdit::forget_outcomes_of(const Slot& slot) {
  for (const Subscriber::Device& device : slot.now.devices) {
    outcomes_.erase_device(slot.now.app, device.name);
  }
  if (!slot.now.anonymous) outcomes_.erase_subscriber(slot.now.app, slot.now.name);
}

bool AudienceEdit::in_quarantine(DevicePosition position) {
  const auto edit = quarantine_edits_.find(position);
  return edit != quarantine_edits_.end() ? edit->second.has_value() : quarantine_.has(position);
}

// Only a device that is in no audience can have a row.
void AudienceEdit::leave_quarantine(DevicePosition position) {
  quarantine_edits_[position] = std::nullopt;
}

void AudienceEdit::decide(QuarantineAction action, Slot& slot, std::size_t index) {
  if (action == QuarantineAction::kConfirm) {
    const DevicePosition position = position_of(slot.id, slot.now.devices[index].ordinal);
    for (const QuarantineRow& row : quarantine_.rows(slot.now.app, position - 1, 1)) {
      tell_removed(slot, index, row.reason, row.dead_since_ms, row.at_ms);
    }
    detach(slot, index);
    drop_if_empty(slot);
    return;
  }
  Subscriber::Device& device = change(slot).devices[index];
  const DevicePosition position = position_of(slot.id, device.ordinal);
  StoredDevice stored = device_at(slot, device.ordinal).stored();
  device.stale = stored.stale = false;
  // Events that are under way were counted without it.
  stored.since = since();
  edit_device(position, std::move(stored));
  leave_quarantine(position);
}

QuarantineStep AudienceEdit::decide_quarantine(std::string_view app, QuarantineAction action,
                                               std::optional<Platform> platform,
                                               DevicePosition after, std::size_t limit) {
  QuarantineStep step{.devices = 0, .through = after, .end = true};
  const auto app_id = tables_.app(app);
  if (!app_id) return step;
  limit = std::clamp<std::size_t>(limit, 1, kQuarantineBatchMax);
  const std::vector<QuarantineRow> rows = quarantine_.rows(*app_id, after, limit);
  step.end = rows.size() < limit;
  for (const QuarantineRow& row : rows) {
    step.through = row.position;
    if (platform && row.platform != *platform) continue;
    Slot* holder = slot(subscriber_of(row.position));
    if (!holder) fail_corrupt("a device in quarantine");
    const auto& devices = holder->now.devices;
    const auto found = std::find_if(devices.begin(), devices.end(), [&](const auto& device) {
      return device.ordinal == ordinal_of(row.position);
    });
    if (found == devices.end()) fail_corrupt("a device in quarantine");
    decide(action, *holder, static_cast<std::size_t>(found - devices.begin()));
    ++step.devices;
  }
  return step;
}

QuarantineStep AudienceEdit::decide_quarantine(std::string_view app, QuarantineAction action,
                                               std::span<const std::string> devices) {
  QuarantineStep step{.devices = 0, .through = 0, .end = true};
  const auto app_id = tables_.app(app);
  if (!app_id) return step;
  for (const std::string& name : devices) {
    const auto place = find_device(*app_id, name);
    if (!place) continue;
    const std::uint8_t ordinal = place->slot->now.devices[place->index].ordinal;
    if (!in_quarantine(position_of(place->slot->id, ordinal))) continue;
    decide(action, *place->slot, place->index);
    ++step.devices;
  }
  return step;
}

void AudienceEdit::flush_quarantine() {
  for (const auto& [position, row] : quarantine_edits_) {
    if (row) {
      put_quarantine_.run(position, row->app, static_cast<int>(row->platform), row->dead_since_ms,
                          row->at_ms, std::string_view(row->reason));
    } else {
      erase_quarantine_.run(position);
    }
  }
  quarantine_edits_.clear();
}

}  // namespace carillon::store::sqlite
