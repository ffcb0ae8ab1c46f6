// Writing what a request gathered, each table in the order of its keys.
#include <algorithm>

#include "storage/sqlite/audience_edit.h"

namespace carillon::store::sqlite {
namespace {

// Whether an audience of topics or of a platform may have other devices of theirs now than before.
bool audiences_may_differ(const Subscriber& before, const Subscriber& now) {
  const auto same = [](const Subscriber::Device& a, const Subscriber::Device& b) {
    return a.ordinal == b.ordinal && a.platform == b.platform && a.stale == b.stale &&
           a.topics == b.topics;
  };
  return before.topics != now.topics || !std::equal(before.devices.begin(), before.devices.end(),
                                                    now.devices.begin(), now.devices.end(), same);
}

}  // namespace

// Ascending by topic: the subscriber's own topics, then those that only devices hear merged in.
void AudienceEdit::gather_hearing(const Subscriber& subscriber, std::vector<Hearing>& out) {
  const PlatformCounts platforms = subscriber.platforms();
  for (const std::uint32_t topic : subscriber.topics) {
    out.push_back({.topic = topic, .whole = true, .devices = platforms});
  }
  const std::size_t whole = out.size();
  for (const Subscriber::Device& device : subscriber.devices) {
    for (const std::uint32_t topic : device.topics) {
      if (subscriber.hears(topic)) continue;
      Hearing& hearing = out.emplace_back(Hearing{.topic = topic, .whole = false, .devices = {}});
      if (!device.stale) hearing.devices[static_cast<std::size_t>(device.platform) - 1] = 1;
    }
  }
  if (out.size() == whole) return;
  std::sort(out.begin(), out.end(),
            [](const Hearing& a, const Hearing& b) { return a.topic < b.topic; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < out.size(); ++i) {
    if (out[i].topic != out[kept].topic) {
      out[++kept] = out[i];
      continue;
    }
    for (std::size_t p = 0; p < kPlatforms; ++p) out[kept].devices[p] += out[i].devices[p];
  }
  out.resize(kept + 1);
}

void AudienceEdit::flush() {
  flush_slots();
  flush_names();
  flush_devices();
  flush_traits();
  flush_quarantine();
  flush_members();
  flush_topics();
  flush_apps();
  forget_looked_up();
  request_meta_ = meta_;
}

void AudienceEdit::flush_slots() {
  std::vector<const Slot*> changed;
  for (Slot& slot : slots_) {
    if (!slot.changed) continue;
    if (slot.stored && audiences_may_differ(slot.was(), slot.now)) {
      slot.now.changed_at = meta_.clock;
    }
    changed.push_back(&slot);
  }
  std::sort(changed.begin(), changed.end(),
            [](const Slot* a, const Slot* b) { return a->id < b->id; });
  for (const Slot* slot : changed) {
    count_difference(*slot);
    if (slot->gone) {
      if (slot->stored) erase_subscriber_.run(slot->id);
    } else {
      encoded_.clear();
      encode_subscriber(slot->now, encoded_);
      put_subscriber_.run(slot->id, Blob{encoded_});
    }
  }
}

// What follows from the row before the request and the row after it.
void AudienceEdit::count_difference(const Slot& slot) {
  if (!slot.gone) ++meta_.subscribers;
  if (slot.stored) --meta_.subscribers;
  meta_.devices += (slot.gone ? 0 : slot.now.devices.size()) - slot.was().devices.size();
  count_app(slot);
  count_topics(slot);
  edit_device_members(slot);
}

void AudienceEdit::count_app(const Slot& slot) {
  const PlatformCounts before = slot.was().platforms();
  const PlatformCounts after = slot.gone ? PlatformCounts{} : slot.now.platforms();
  const std::uint8_t kind_before = slot.was().only_platform();
  const std::uint8_t kind_after = slot.gone ? 0 : slot.now.only_platform();
  AppRow& app = app_row(slot.now.app);
  const auto touch = [&] {
    if (!app.changed) changed_apps_.push_back(slot.now.app);
    app.changed = true;
  };
  if (app.usual == 0 && kind_after != 0) {
    app.usual = kind_after;  // all who were there before have no device
    touch();
  }
  const auto edit = [&](std::uint8_t kind, bool erase) {
    if (kind != 0 && kind == app.usual) return;
    unusual_edits_.push_back(
        {{.key = member_key(unusual_group(slot.now.app, kind), slot.id), .since = 0}, erase});
  };
  if (slot.stored && (slot.gone || kind_before != kind_after)) edit(kind_before, true);
  if (!slot.gone && (!slot.stored || kind_before != kind_after)) edit(kind_after, false);
  if (before == after) return;
  touch();
  const auto any = [](const PlatformCounts& counts) { return counts != PlatformCounts{} ? 1 : 0; };
  app.subscribers += any(after) - any(before);
  for (std::size_t i = 0; i < kPlatforms; ++i) app.devices[i] += after[i] - before[i];
}

void AudienceEdit::count_topics(const Slot& slot) {
  hearing_before_.clear();
  hearing_after_.clear();
  gather_hearing(slot.was(), hearing_before_);
  if (!slot.gone) gather_hearing(slot.now, hearing_after_);
  const auto add = [&](std::uint32_t topic, const Hearing* before, const Hearing* after) {
    const bool was_whole = before && before->whole, is_whole = after && after->whole;
    if (was_whole != is_whole) {
      member_edits_.push_back(
          {{.key = member_key(topic, slot.id), .since = is_whole ? since() : 0}, was_whole});
    }
    const PlatformCounts minus = before ? before->devices : PlatformCounts{};
    const PlatformCounts plus = after ? after->devices : PlatformCounts{};
    if (before && after && minus == plus) return;
    TopicRow& row = topic_row(topic);
    for (std::size_t i = 0; i < kPlatforms; ++i) row.devices[i] += plus[i] - minus[i];
    row.subscribers += (after ? 1 : 0) - (before ? 1 : 0);
    if (!row.changed) changed_topics_.push_back(topic);
    row.changed = true;
  };
  auto old = hearing_before_.begin();
  auto now = hearing_after_.begin();
  while (old != hearing_before_.end() || now != hearing_after_.end()) {
    if (now == hearing_after_.end() || (old != hearing_before_.end() && old->topic < now->topic)) {
      add(old->topic, &*old, nullptr);
      ++old;
    } else if (old == hearing_before_.end() || now->topic < old->topic) {
      add(now->topic, nullptr, &*now);
      ++now;
    } else {
      add(now->topic, &*old, &*now);
      ++old;
      ++now;
    }
  }
}

// Devices are told apart by their ordinals, which do not come back within a request that others may
// still be frozen before.
void AudienceEdit::edit_device_members(const Slot& slot) {
  const auto each = [&](const Subscriber& of, const Subscriber& but, bool erase) {
    for (const Subscriber::Device& device : of.devices) {
      if (device.topics.empty()) continue;
      const Subscriber::Device* other = but.device_at(device.ordinal);
      for (const std::uint32_t topic : device.topics) {
        if (other && std::binary_search(other->topics.begin(), other->topics.end(), topic))
          continue;
        device_member_edits_.push_back({{.key = member_key(topic, slot.id),
                                         .since = erase ? 0 : since(),
                                         .ordinal = device.ordinal},
                                        erase});
      }
    }
  };
  const Subscriber& after = slot.gone ? kNobody : slot.now;
  each(slot.was(), after, true);
  each(after, slot.was(), false);
}

void AudienceEdit::flush_names() {
  std::sort(name_edits_.begin(), name_edits_.end(), [](const NameEdit& a, const NameEdit& b) {
    return a.key != b.key ? a.key < b.key : a.subscriber < b.subscriber;
  });
  std::vector<NameLevels::Edit> edits;
  edits.reserve(name_edits_.size());
  for (std::size_t i = 0; i < name_edits_.size();) {
    const NameEdit& first = name_edits_[i];
    std::int32_t change = 0;
    for (; i < name_edits_.size() && name_edits_[i].key == first.key &&
           name_edits_[i].subscriber == first.subscriber;
         ++i) {
      change += name_edits_[i].change;
    }
    for (; change > 0; --change) edits.push_back({{first.key, first.subscriber}, false});
    for (; change < 0; ++change) edits.push_back({{first.key, first.subscriber}, true});
  }
  name_edits_.clear();
  names_.apply(edits, meta_.names);
}

void AudienceEdit::flush_devices() {
  std::vector<std::pair<DevicePosition, DeviceEdit*>> order;
  order.reserve(device_edits_.size());
  for (auto& [position, edit] : device_edits_) order.emplace_back(position, &edit);
  std::sort(order.begin(), order.end());
  std::vector<OrderedChunks<HotFormat>::Edit> edits;
  edits.reserve(order.size());
  for (const auto& [position, edit] : order) {
    HotDevice hot{.key = position, .since = 0, .token = {}, .locale = 0};
    if (edit->device) {
      hot.code = pack_token(edit->device->token, edit->packed);
      hot.token = edit->packed;
      hot.platform = edit->device->platform;
      hot.locale = edit->device->locale;
      hot.since = edit->device->since;
      hot.stale = edit->device->stale;
    }
    edits.push_back({hot, !edit->device});
  }
  hot_.apply(edits, oldest_running_);
  device_edits_.clear();
}

void AudienceEdit::flush_traits() {
  if (trait_edits_.empty()) return;
  std::vector<OrderedChunks<TraitFormat>::Edit> edits;
  edits.reserve(trait_edits_.size());
  for (const auto& [position, traits] : trait_edits_) {
    edits.push_back({{.key = position, .traits = traits}, traits.empty()});
  }
  std::sort(edits.begin(), edits.end(),
            [](const auto& a, const auto& b) { return a.entry.key < b.entry.key; });
  traits_.apply(edits, oldest_running_);
  trait_edits_.clear();
}

void AudienceEdit::flush_members() {
  const auto by_key = [](const auto& a, const auto& b) { return a.entry.key < b.entry.key; };
  std::sort(member_edits_.begin(), member_edits_.end(), by_key);
  members_.apply(member_edits_, oldest_running_);
  member_edits_.clear();
  std::sort(unusual_edits_.begin(), unusual_edits_.end(), by_key);
  unusual_.apply(unusual_edits_, oldest_running_);
  unusual_edits_.clear();
  std::sort(
      device_member_edits_.begin(), device_member_edits_.end(),
      [](const auto& a, const auto& b) { return DeviceMemberFormat::before(a.entry, b.entry); });
  device_members_.apply(device_member_edits_, oldest_running_);
  device_member_edits_.clear();
}

void AudienceEdit::flush_topics() {
  std::sort(changed_topics_.begin(), changed_topics_.end());
  for (const std::uint32_t id : changed_topics_) {
    TopicRow& row = topic_row(id);
    update_topic_.run(id, row.subscribers, row.devices[0], row.devices[1], row.devices[2]);
    row.changed = false;
  }
  changed_topics_.clear();
}

void AudienceEdit::flush_apps() {
  for (const std::uint32_t id : changed_apps_) {
    AppRow& row = app_row(id);
    update_app_.run(id, row.usual, row.subscribers, row.devices[0], row.devices[1], row.devices[2]);
    row.changed = false;
  }
  changed_apps_.clear();
}

}  // namespace carillon::store::sqlite
