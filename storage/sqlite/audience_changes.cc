// What a request changes, gathered in memory.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/name_check.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {

std::vector<Result<Registered>> AudienceEdit::put_devices(
    std::span<const DeviceRegistration> devices, std::int64_t now_ms) {
  look_up(devices);
  std::vector<Result<Registered>> results;
  results.reserve(devices.size());
  for (const DeviceRegistration& line : devices) {
    results.push_back(put_device(results.size(), line, now_ms));
  }
  return results;
}

Result<Registered> AudienceEdit::put_device(std::size_t number, const DeviceRegistration& line,
                                            std::int64_t now_ms) {
  const LineKeys keys = keys_[number];
  if (keys.app == 0) {
    if (auto error = check_registration(line)) return tl::unexpected(*std::move(error));
  }
  const std::uint32_t app = keys.app;
  std::optional<Place> device = find_device(app, line.device, keys.device);
  std::optional<Place> holder = find_token(app, line.platform, line.token, keys.token);
  if (holder && device && holder->slot == device->slot && holder->index == device->index) {
    holder.reset();
  }
  Slot* target = nullptr;
  if (!line.subscriber.empty()) {
    target = find_subscriber(app, line.subscriber, keys.subscriber);
  } else if (device && device->slot->now.anonymous) {
    target = device->slot;
  }
  Slot* const left = device && device->slot != target ? device->slot : nullptr;
  Slot* const robbed = holder ? holder->slot : nullptr;
  if (auto error = refuse(target, device, robbed, app, line)) {
    return tl::unexpected(*std::move(error));
  }
  const auto locale = texts_.id(line.locale), timezone = texts_.id(line.timezone);
  if (!locale || !timezone) {
    return tl::unexpected(
        Error{Error::Kind::kFull, "the store knows too many locales and time zones to add one"});
  }
  Result<std::string> traits = trait_encoder_.encode(app, line);
  if (!traits) return tl::unexpected(std::move(traits.error()));
  const std::int64_t seen_ms = line.last_seen_ms == 0 ? now_ms : line.last_seen_ms;
  Facts facts{.locale = static_cast<std::uint16_t>(*locale),
              .timezone = *timezone,
              .traits = *std::move(traits),
              .seen_day = day_of(std::min(seen_ms, now_ms)),
              .now_ms = now_ms};

  if (holder) {
    detach(*robbed, holder->index);
    device = find_device(app, line.device, keys.device);  // may stand elsewhere in the same row now
  }
  Registered result = Registered::kUnchanged;
  if (device && !left) {
    if (update_in_place(*device, line, std::move(facts))) result = Registered::kUpdated;
  } else {
    result = device ? Registered::kUpdated : Registered::kCreated;
    if (device) {
      const Subscriber::Device& former = left->now.devices[device->index];
      facts.topics = former.topics;
      facts.seen_day = std::max(facts.seen_day, former.seen_day);
      detach(*left, device->index);
    }
    if (!target) target = &new_subscriber(app, line.subscriber);
    attach(*target, line, std::move(facts));
  }
  const bool hears_more = add_topics(*target, app, line.topics);
  const bool device_hears_more = add_device_topics(*target, line.device, app, line.device_topics);
  if ((hears_more || device_hears_more) && result == Registered::kUnchanged) {
    result = Registered::kUpdated;
  }
  if (left) drop_if_empty(*left);
  if (robbed && robbed != target && !robbed->gone) drop_if_empty(*robbed);
  return result;
}

// The limits that the line would pass, before anything is changed.
std::optional<Error> AudienceEdit::refuse(const Slot* target, const std::optional<Place>& device,
                                          const Slot* holder_slot, std::uint32_t app,
                                          const DeviceRegistration& line) {
  const Slot* const device_slot = device ? device->slot : nullptr;
  const std::size_t devices = target ? target->now.devices.size() : 0;
  const bool joins = !target || device_slot != target;
  if (joins &&
      devices + 1 - (holder_slot && holder_slot == target ? 1 : 0) > kDevicesPerSubscriberMax) {
    return Error{
        Error::Kind::kInvalid,
        fmt::format("the subscriber has {} devices, the most allowed", kDevicesPerSubscriberMax)};
  }
  if (joins && target && !free_ordinal(target->now)) {
    return Error{Error::Kind::kFull,
                 "the subscriber changed devices too often while an event was running: try again "
                 "when it is completed"};
  }
  if (!line.device_topics.empty()) {
    std::set<std::string_view> added(line.device_topics.begin(), line.device_topics.end());
    std::size_t own = 0;
    if (device) {
      const auto& topics = device_slot->now.devices[device->index].topics;
      own = topics.size();
      std::erase_if(added, [&](std::string_view name) {
        const auto id = find_topic(app, name);
        return id && std::binary_search(topics.begin(), topics.end(), *id);
      });
    }
    if (own + added.size() > kTopicsPerDeviceMax) {
      return Error{Error::Kind::kInvalid,
                   fmt::format("the device would hear more than {} topics", kTopicsPerDeviceMax)};
    }
  }
  const std::size_t heard = target ? target->now.topics.size() : 0;
  if (heard + line.topics.size() > kTopicsPerSubscriberMax) {
    std::set<std::string_view> added;
    for (const std::string_view topic : line.topics) {
      const auto id = find_topic(app, topic);
      if (!id || !target || !target->now.hears(*id)) added.insert(topic);
    }
    if (heard + added.size() > kTopicsPerSubscriberMax) {
      return Error{
          Error::Kind::kInvalid,
          fmt::format("the subscriber would hear more than {} topics", kTopicsPerSubscriberMax)};
    }
  }
  return std::nullopt;
}

// Ordinals are given out once; once all were, those of gone devices again, but only while no
// running audience was frozen before they went.
std::optional<std::uint8_t> AudienceEdit::free_ordinal(const Subscriber& subscriber) const {
  if (subscriber.next_ordinal < kOrdinals)
    return static_cast<std::uint8_t>(subscriber.next_ordinal);
  if (oldest_running_ != kNoneRunning && oldest_running_ < subscriber.freed_at) return std::nullopt;
  std::uint32_t ordinal = 0;
  for (const Subscriber::Device& device : subscriber.devices) {
    if (device.ordinal != ordinal) break;
    ++ordinal;
  }
  return static_cast<std::uint8_t>(ordinal);
}

// The same subscriber: the device keeps its position. Whether anything changed.
bool AudienceEdit::update_in_place(Place place, const DeviceRegistration& line, Facts facts) {
  Slot& slot = *place.slot;
  const Subscriber::Device& device = slot.now.devices[place.index];
  const DevicePosition position = position_of(slot.id, device.ordinal);
  const DeviceView known = device_at(slot, device.ordinal);
  const bool same_platform = known.platform == line.platform;
  const bool same_token = same_platform && known.token == line.token;
  const bool same_traits =
      device.traits ? traits_at(position) == facts.traits : facts.traits.empty();
  // An import's line that says nothing of when, with the token that is known, tells what somebody
  // has in a table: not that the device was seen.
  const bool seen = line.by_app || line.last_seen_ms != 0 || !same_token;
  const bool later = seen && facts.seen_day > device.seen_day;
  // A token that is not the one that was called dead is news, whoever tells it and when.
  const bool awakes =
      device.stale && (later || line.by_app || (!same_token && in_quarantine(position)));
  const bool renews = line.by_app && facts.now_ms > device.registered_ms;
  if (same_token && known.locale == facts.locale && device.timezone == facts.timezone &&
      same_traits && !later && !awakes && !renews) {
    return false;
  }

  StoredDevice stored = known.stored();
  Subscriber::Device& changed = change(slot).devices[place.index];
  if (slot.stored &&
      (!same_traits || stored.locale != facts.locale || changed.timezone != facts.timezone)) {
    slot.now.changed_at = meta_.clock;  // a condition may be true of it that was not
  }
  changed.timezone = facts.timezone;
  if (later) changed.seen_day = facts.seen_day;
  if (renews) changed.registered_ms = facts.now_ms;
  if (!same_traits) {
    changed.traits = !facts.traits.empty();
    trait_edits_[position] = std::move(facts.traits);
  }
  if (same_token && stored.locale == facts.locale && !awakes) return true;
  if (!same_token) {
    edit_name(tables_.token_key(slot.now.app, stored.platform, stored.token), slot.id, true);
    edit_name(tables_.token_key(slot.now.app, line.platform, line.token), slot.id, false);
    changed.platform = line.platform;
    changed.registered_ms = facts.now_ms;
    stored.platform = line.platform;
    stored.token = line.token;
  }
  if (awakes) {
    changed.stale = stored.stale = false;
    leave_quarantine(position);
  }
  if (!same_platform || awakes) stored.since = since();
  stored.locale = facts.locale;
  edit_device(position, std::move(stored));
  return true;
}

bool AudienceEdit::add_topics(Slot& slot, std::uint32_t app,
                              std::span<const std::string_view> topics) {
  bool added = false;
  for (const std::string_view name : topics) {
    const std::uint32_t topic = topic_id(app, name);
    if (slot.now.hears(topic)) continue;
    auto& heard = change(slot).topics;
    heard.insert(std::upper_bound(heard.begin(), heard.end(), topic), topic);
    added = true;
  }
  return added;
}

// The limit was looked at before.
bool AudienceEdit::add_device_topics(Slot& slot, std::string_view device, std::uint32_t app,
                                     std::span<const std::string_view> topics) {
  if (topics.empty()) return false;
  const auto place = std::find_if(slot.now.devices.begin(), slot.now.devices.end(),
                                  [&](const auto& known) { return known.name == device; });
  const auto index = place - slot.now.devices.begin();
  bool added = false;
  for (const std::string_view name : topics) {
    const std::uint32_t topic = topic_id(app, name);
    const auto& known = slot.now.devices[static_cast<std::size_t>(index)].topics;
    if (std::binary_search(known.begin(), known.end(), topic)) continue;
    auto& heard = change(slot).devices[static_cast<std::size_t>(index)].topics;
    heard.insert(std::upper_bound(heard.begin(), heard.end(), topic), topic);
    added = true;
  }
  return added;
}

AudienceEdit::Slot& AudienceEdit::new_subscriber(std::uint32_t app, std::string_view name) {
  if (meta_.next_subscriber > kSubscriberIdMax) {
    fail(Error::Kind::kFull, "the store has given out all its numbers of subscribers");
  }
  Slot& slot = slots_.emplace_back();
  slot.id = static_cast<std::uint32_t>(meta_.next_subscriber++);
  slot.changed = true;
  slot.now.app = app;
  slot.now.anonymous = name.empty();
  slot.now.name = name;
  slot_by_id_.insert(slot_key(slot.id), static_cast<std::uint32_t>(slots_.size() - 1));
  if (!name.empty()) edit_name(tables_.subscriber_key(app, name), slot.id, false);
  return slot;
}

Subscriber& AudienceEdit::change(Slot& slot) {
  if (!slot.changed) {
    slot.changed = true;
    slot.before = std::make_unique<Subscriber>(slot.now);
  }
  return slot.now;
}

void AudienceEdit::attach(Slot& slot, const DeviceRegistration& line, Facts facts) {
  Subscriber& subscriber = change(slot);
  const std::uint8_t ordinal = free_ordinal(subscriber).value();
  if (subscriber.next_ordinal < kOrdinals) ++subscriber.next_ordinal;
  const auto place = std::find_if(subscriber.devices.begin(), subscriber.devices.end(),
                                  [&](const auto& device) { return device.ordinal > ordinal; });
  subscriber.devices.insert(place, {.name = std::string(line.device),
                                    .registered_ms = facts.now_ms,
                                    .timezone = facts.timezone,
                                    .ordinal = ordinal,
                                    .platform = line.platform,
                                    .traits = !facts.traits.empty(),
                                    .stale = false,
                                    .seen_day = facts.seen_day,
                                    .topics = std::move(facts.topics)});
  edit_name(tables_.device_key(subscriber.app, line.device), slot.id, false);
  edit_name(tables_.token_key(subscriber.app, line.platform, line.token), slot.id, false);
  edit_device(position_of(slot.id, ordinal), StoredDevice{.platform = line.platform,
                                                          .token = std::string(line.token),
                                                          .locale = facts.locale,
                                                          .since = since(),
                                                          .stale = false});
  if (!facts.traits.empty()) {
    trait_edits_[position_of(slot.id, ordinal)] = std::move(facts.traits);
  }
}

void AudienceEdit::detach(Slot& slot, std::size_t index) {
  Subscriber& subscriber = change(slot);
  const Subscriber::Device& device = subscriber.devices[index];
  const DevicePosition position = position_of(slot.id, device.ordinal);
  const DeviceView stored = device_at(slot, device.ordinal);
  edit_name(tables_.device_key(subscriber.app, device.name), slot.id, true);
  edit_name(tables_.token_key(subscriber.app, stored.platform, stored.token), slot.id, true);
  edit_device(position, std::nullopt);
  if (device.traits) trait_edits_[position].clear();
  if (device.stale) leave_quarantine(position);
  subscriber.devices.erase(subscriber.devices.begin() + static_cast<std::ptrdiff_t>(index));
  subscriber.freed_at = meta_.clock;
}

// A subscriber is known while they have a device or hear a topic; an anonymous one is its device.
void AudienceEdit::drop_if_empty(Slot& slot) {
  if (!slot.now.devices.empty()) return;
  if (!slot.now.anonymous && !slot.now.topics.empty()) return;
  Subscriber& subscriber = change(slot);
  subscriber.topics.clear();
  if (!subscriber.anonymous) {
    edit_name(tables_.subscriber_key(subscriber.app, subscriber.name), slot.id, true);
  }
  slot.gone = true;
}

void AudienceEdit::edit_device(DevicePosition position, std::optional<StoredDevice> device) {
  DeviceEdit& edit = device_edits_[position];
  edit.device = std::move(device);
}

void AudienceEdit::edit_name(std::uint64_t key, std::uint32_t subscriber, bool erase) {
  name_edits_.push_back({.key = key, .subscriber = subscriber, .change = erase ? -1 : 1});
  if (!erase) hints_.insert(key, subscriber);
}

ErasedCounts AudienceEdit::erase(Slot& slot) {
  ErasedCounts counts{.devices = slot.now.devices.size(), .subscriptions = slot.now.topics.size()};
  forget_outcomes_of(slot);
  while (!slot.now.devices.empty()) detach(slot, slot.now.devices.size() - 1);
  change(slot).topics.clear();
  drop_if_empty(slot);
  erased_ = true;
  return counts;
}

ErasedCounts AudienceEdit::erase_device(std::string_view app, std::string_view device) {
  const auto app_id = tables_.app(app);
  const auto place = app_id ? find_device(*app_id, device) : std::nullopt;
  // A device that went at a provider's word stands in the feed still.
  const std::uint64_t told = app_id ? outcomes_.erase_device(*app_id, device) : 0;
  if (told > 0) erased_ = true;
  if (!place && told > 0) return {};
  if (!place) fail(Error::Kind::kNotFound, "there is no such device");
  Slot& slot = *place->slot;
  if (slot.now.anonymous) return erase(slot);
  detach(slot, place->index);
  drop_if_empty(slot);
  erased_ = true;
  return {.devices = 1, .subscriptions = 0};
}

ErasedCounts AudienceEdit::erase_subscriber(std::string_view app, std::string_view subscriber) {
  const auto app_id = tables_.app(app);
  Slot* slot = app_id ? find_subscriber(*app_id, subscriber) : nullptr;
  if (slot) return erase(*slot);
  if (!app_id || outcomes_.erase_subscriber(*app_id, subscriber) == 0) {
    fail(Error::Kind::kNotFound, "there is no such subscriber");
  }
  erased_ = true;
  return {};
}

bool AudienceEdit::subscribe(std::string_view app, std::string_view topic,
                             std::string_view subscriber) {
  for (auto error : {check_name("the app's name", app), check_name("the topic's name", topic),
                     check_name("the subscriber's name", subscriber)}) {
    if (error) throw StoreFailure{*std::move(error)};
  }
  const std::uint32_t id = app_id(app);
  Slot* slot = find_subscriber(id, subscriber);
  if (slot) {
    const auto known = find_topic(id, topic);
    if (known && slot->now.hears(*known)) return false;
    if (slot->now.topics.size() >= kTopicsPerSubscriberMax) {
      fail(Error::Kind::kInvalid, fmt::format("the subscriber hears {} topics, the most allowed",
                                              kTopicsPerSubscriberMax));
    }
  } else {
    slot = &new_subscriber(id, subscriber);
  }
  return add_topics(*slot, id, std::span(&topic, 1));
}

bool AudienceEdit::unsubscribe(std::string_view app, std::string_view topic,
                               std::string_view subscriber) {
  const auto id = tables_.app(app);
  const auto topic_id = id ? find_topic(*id, topic) : std::nullopt;
  Slot* slot = topic_id ? find_subscriber(*id, subscriber) : nullptr;
  if (!slot || !slot->now.hears(*topic_id)) return false;
  auto& topics = change(*slot).topics;
  topics.erase(std::lower_bound(topics.begin(), topics.end(), *topic_id));
  drop_if_empty(*slot);
  return true;
}

bool AudienceEdit::subscribe_device(std::string_view app, std::string_view topic,
                                    std::string_view device) {
  if (auto error = check_name("the topic's name", topic)) throw StoreFailure{*std::move(error)};
  const auto id = tables_.app(app);
  const auto place = id ? find_device(*id, device) : std::nullopt;
  if (!place) fail(Error::Kind::kNotFound, "there is no such device");
  const auto& heard = place->slot->now.devices[place->index].topics;
  const auto known = find_topic(*id, topic);
  if (known && std::binary_search(heard.begin(), heard.end(), *known)) return false;
  // An anonymous device is its subscriber: what that one hears it hears itself.
  if (known && place->slot->now.anonymous && place->slot->now.hears(*known)) return false;
  if (heard.size() >= kTopicsPerDeviceMax) {
    fail(Error::Kind::kInvalid,
         fmt::format("the device hears {} topics, the most allowed", kTopicsPerDeviceMax));
  }
  return add_device_topics(*place->slot, device, *id, std::span(&topic, 1));
}

bool AudienceEdit::unsubscribe_device(std::string_view app, std::string_view topic,
                                      std::string_view device) {
  const auto id = tables_.app(app);
  const auto place = id ? find_device(*id, device) : std::nullopt;
  if (!place) fail(Error::Kind::kNotFound, "there is no such device");
  const auto topic_id = find_topic(*id, topic);
  if (!topic_id) return false;
  Slot& slot = *place->slot;
  const auto& heard = slot.now.devices[place->index].topics;
  const bool itself = std::binary_search(heard.begin(), heard.end(), *topic_id);
  const bool as_subscriber = slot.now.anonymous && slot.now.hears(*topic_id);
  if (itself) std::erase(change(slot).devices[place->index].topics, *topic_id);
  if (as_subscriber) std::erase(change(slot).topics, *topic_id);
  return itself || as_subscriber;
}

// A device is stale once the whole of the day it was seen on lies before `before_ms`.
StaleSweep AudienceEdit::sweep_stale(std::string_view app, StaleAction action,
                                     std::int64_t before_ms, DevicePosition after,
                                     std::size_t subscribers_max) {
  StaleSweep sweep{.devices = 0, .through = after, .end = true};
  const auto app_id = tables_.app(app);
  if (!app_id) return sweep;
  const auto is_stale = [&](const Subscriber::Device& device) {
    return (device.seen_day + 1) * kLastSeenStepMs <= before_ms &&
           !(device.stale && action == StaleAction::kLeaveOut);
  };
  subscribers_max = std::max<std::size_t>(subscribers_max, 1);
  std::vector<std::uint32_t> found;
  std::size_t met = 0;
  {
    Subscriber subscriber;
    for (Cursor row = walk_.rows(subscriber_of(after), subscribers_max); row.next(); ++met) {
      const auto id = static_cast<std::uint32_t>(row.integer(0));
      decode_subscriber(row.bytes(1), subscriber);
      sweep.through = position_of(id, 0xff);
      if (subscriber.app == *app_id &&
          std::any_of(subscriber.devices.begin(), subscriber.devices.end(), is_stale)) {
        found.push_back(id);
      }
    }
  }
  sweep.end = met < subscribers_max;
  for (const std::uint32_t id : found) {
    Slot& stale = *slot(id);
    for (std::size_t i = stale.now.devices.size(); i-- > 0;) {
      if (!is_stale(stale.now.devices[i])) continue;
      ++sweep.devices;
      if (action == StaleAction::kLeaveOut) {
        set_stale(stale, i);
      } else {
        detach(stale, i);
        erased_ = true;
      }
    }
    drop_if_empty(stale);
  }
  return sweep;
}

void AudienceEdit::set_stale(Slot& slot, std::size_t index) {
  Subscriber::Device& device = change(slot).devices[index];
  device.stale = true;
  StoredDevice stored = device_at(slot, device.ordinal).stored();
  stored.stale = true;
  edit_device(position_of(slot.id, device.ordinal), std::move(stored));
}

}  // namespace carillon::store::sqlite
