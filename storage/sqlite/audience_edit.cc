#include "storage/sqlite/audience_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kCachedRowsMax = 100'000;  // rows; some 10 MiB

// Well-formed UTF-8 (RFC 3629) without control characters (C0, DEL, C1).
bool is_printable_utf8(std::string_view text) {
  // Nearly all names and tokens are ASCII throughout: one pass without a branch says so.
  unsigned bad = 0;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    bad |= static_cast<unsigned>(byte < 0x20) | static_cast<unsigned>(byte > 0x7e);
  }
  if (bad == 0) return true;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      if (lead < 0x20 || lead == 0x7f) return false;
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length > text.size()) return false;
    std::uint32_t point = lead & (0xff >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ||
        point < 0xa0) {
      return false;
    }
    i += length;
  }
  return true;
}

std::optional<Error> check_text(std::string_view what, std::string_view text, std::size_t max) {
  if (text.size() > max) {
    return Error{Error::Kind::kInvalid, fmt::format("{} is longer than {} bytes", what, max)};
  }
  if (!is_printable_utf8(text)) {
    return Error{Error::Kind::kInvalid,
                 fmt::format("{} is not UTF-8 or has control characters", what)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return Error{Error::Kind::kInvalid, fmt::format("{} is empty", what)};
  return check_text(what, name, kNameBytesMax);
}

std::optional<Error> check_registration(const DeviceRegistration& line) {
  if (auto error = check_name("the app's name", line.app)) return error;
  if (auto error = check_name("the device's name", line.device)) return error;
  const auto platform = static_cast<std::size_t>(line.platform);
  if (platform < 1 || platform > kPlatforms) {
    return Error{Error::Kind::kInvalid, "the platform is none that the relay knows"};
  }
  if (line.token.empty()) return Error{Error::Kind::kInvalid, "the token is empty"};
  if (auto error = check_text("the token", line.token, kTokenBytesMax)) return error;
  if (!line.subscriber.empty()) {
    if (auto error = check_name("the subscriber's name", line.subscriber)) return error;
  }
  if (auto error = check_text("the locale", line.locale, kLocaleBytesMax)) return error;
  if (auto error = check_text("the time zone", line.timezone, kTimezoneBytesMax)) return error;
  for (const std::string_view topic : line.topics) {
    if (auto error = check_name("a topic's name", topic)) return error;
  }
  return std::nullopt;
}

AudienceEdit::AudienceEdit(Database& database)
    : database_(database),
      tables_(database),
      hot_(database, "hot"),
      members_(database, "mem"),
      names_(database, "hx"),
      data_version_(database, "PRAGMA data_version"),
      meta_row_(database,
                "SELECT clock, next_subscriber, devices, subscribers, topics, probe FROM meta"),
      write_meta_(database,
                  "UPDATE meta SET clock = ?, next_subscriber = ?, devices = ?, subscribers = ?, "
                  "topics = ?, probe = ?"),
      oldest_(database, "SELECT min(frozen) FROM job WHERE state <= 3"),
      insert_app_(database, "INSERT INTO app (name) VALUES (?) RETURNING id"),
      insert_topic_(database,
                    "INSERT INTO topic (app, name, subscribers, apns, fcm, webpush) "
                    "VALUES (?, ?, 0, 0, 0, 0) RETURNING id"),
      topic_by_id_(database, "SELECT subscribers, apns, fcm, webpush FROM topic WHERE id = ?"),
      update_topic_(database,
                    "UPDATE topic SET subscribers = ?2, apns = ?3, fcm = ?4, webpush = ?5 "
                    "WHERE id = ?1"),
      find_text_(database, "SELECT id FROM dict WHERE text = ?"),
      insert_text_(database,
                   "INSERT INTO dict (id, text) SELECT coalesce(max(id), 0) + 1, ?1 FROM dict "
                   "HAVING coalesce(max(id), 0) < ?2 RETURNING id"),
      put_subscriber_(database, "INSERT OR REPLACE INTO sub (k, d) VALUES (?, ?)"),
      erase_subscriber_(database, "DELETE FROM sub WHERE k = ?") {}

// --- the transaction -----------------------------------------------------------------------------

void AudienceEdit::begin() {
  std::int64_t version = 0;
  {
    Cursor row = data_version_.rows();
    row.next();
    version = row.integer(0);
  }
  const bool crowded =
      apps_.size() + texts_.size() + topics_.size() + topic_rows_.size() > kCachedRowsMax;
  if (version != seen_version_ || crowded) {
    forget();
    load_meta();
    seen_version_ = version;
  }
  Cursor row = oldest_.rows();
  oldest_running_ = row.next() && !row.null(0) ? row.natural(0) : kNoneRunning;
}

void AudienceEdit::load_meta() {
  Cursor row = meta_row_.rows();
  if (!row.next()) fail_corrupt("its counters");
  meta_ = {.clock = row.natural(0),
           .next_subscriber = row.natural(1),
           .devices = row.natural(2),
           .subscribers = row.natural(3),
           .topics = row.natural(4),
           .probe = row.natural(5)};
  stored_meta_ = request_meta_ = meta_;
}

void AudienceEdit::finish() {
  if (meta_ == stored_meta_) return;
  write_meta_.run(meta_.clock, meta_.next_subscriber, meta_.devices, meta_.subscribers,
                  meta_.topics, meta_.probe);
  stored_meta_ = meta_;
}

void AudienceEdit::forget_request() {
  tables_.close_cursors();
  meta_ = request_meta_;
  apps_.clear();
  texts_.clear();
  topics_.clear();
  topic_rows_.clear();
  slots_.clear();
  slot_by_id_.clear();
  hints_.clear();
  hints_complete_ = false;
  device_edits_.clear();
  name_edits_.clear();
  member_edits_.clear();
  changed_topics_.clear();
}

void AudienceEdit::forget() {
  forget_request();
  seen_version_ = -1;
  erased_ = false;
}

std::uint64_t AudienceEdit::freeze() {
  return meta_.clock++;
}

void AudienceEdit::probe() {
  ++meta_.probe;
}

// --- lookups -------------------------------------------------------------------------------------

// All hints that the lines may ask for, read in the order of their hashes.
void AudienceEdit::look_up(std::span<const DeviceRegistration> devices) {
  std::vector<std::uint64_t> keys;
  keys.reserve(devices.size() * 3);
  for (const DeviceRegistration& line : devices) {
    const auto app = apps_.find(std::string(line.app));
    std::optional<std::uint32_t> id;
    if (app != apps_.end()) {
      id = app->second;
    } else if (!check_name("the app's name", line.app)) {
      id = app_id(line.app);
    }
    if (!id) continue;
    keys.push_back(tables_.device_key(*id, line.device));
    keys.push_back(tables_.token_key(*id, line.platform, line.token));
    if (!line.subscriber.empty()) keys.push_back(tables_.subscriber_key(*id, line.subscriber));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
  tables_.find_hints(keys, found);
  for (const auto& [key, id] : found) hints_.insert(key, id);
  hints_complete_ = true;
}

template <class Match>
bool AudienceEdit::any_hint(std::uint64_t key, Match match) {
  if (!hints_complete_) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
    tables_.find_hints({key}, found);
    for (const auto& [ignored, id] : found) {
      if (match(id)) return true;
    }
  }
  return hints_.any(key, match);
}

AudienceEdit::Slot* AudienceEdit::slot(std::uint32_t id) {
  if (const auto known = slot_by_id_.find(id); known != slot_by_id_.end()) {
    return known->second->gone ? nullptr : known->second;
  }
  slots_.emplace_back();
  Slot& slot = slots_.back();
  if (!tables_.subscriber(id, slot.now)) {
    slots_.pop_back();
    return nullptr;
  }
  slot.id = id;
  slot.stored = true;
  slot_by_id_.emplace(id, &slot);
  return &slot;
}

AudienceEdit::Slot* AudienceEdit::find_subscriber(std::uint32_t app, std::string_view name) {
  Slot* found = nullptr;
  any_hint(tables_.subscriber_key(app, name), [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app || candidate->now.anonymous ||
        candidate->now.name != name) {
      return false;
    }
    found = candidate;
    return true;
  });
  return found;
}

std::optional<AudienceEdit::Place> AudienceEdit::find_device(std::uint32_t app,
                                                             std::string_view name) {
  std::optional<Place> found;
  any_hint(tables_.device_key(app, name), [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app) return false;
    const auto& devices = candidate->now.devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].name != name) continue;
      found = Place{candidate, i};
      return true;
    }
    return false;
  });
  return found;
}

std::optional<AudienceEdit::Place> AudienceEdit::find_token(std::uint32_t app, Platform platform,
                                                            std::string_view token) {
  std::optional<Place> found;
  any_hint(tables_.token_key(app, platform, token), [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app) return false;
    const auto& devices = candidate->now.devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].platform != platform) continue;
      if (device_at(position_of(id, devices[i].ordinal)).token != token) continue;
      found = Place{candidate, i};
      return true;
    }
    return false;
  });
  return found;
}

StoredDevice AudienceEdit::device_at(DevicePosition position) {
  if (const auto edit = device_edits_.find(position); edit != device_edits_.end()) {
    if (edit->second.device) return *edit->second.device;
    fail_corrupt("a device that its subscriber still has");
  }
  auto stored = tables_.device_at(position);
  if (!stored) fail_corrupt("a device that its subscriber still has");
  return *std::move(stored);
}

std::uint32_t AudienceEdit::app_id(std::string_view name) {
  std::string key(name);
  if (const auto known = apps_.find(key); known != apps_.end()) return known->second;
  std::optional<std::uint32_t> id = tables_.app(name);
  if (!id) {
    Cursor row = insert_app_.rows(name);
    row.next();
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  apps_.emplace(std::move(key), *id);
  return *id;
}

std::optional<std::uint32_t> AudienceEdit::find_topic(std::uint32_t app, std::string_view name) {
  topic_key_.clear();
  append_fixed32(topic_key_, app);
  topic_key_.append(name);
  if (const auto known = topics_.find(topic_key_); known != topics_.end()) return known->second;
  const auto topic = tables_.topic(app, name);
  if (!topic) return std::nullopt;
  topics_.emplace(topic_key_, topic->id);
  topic_rows_.try_emplace(topic->id, TopicRow{.id = topic->id,
                                              .subscribers = topic->subscribers,
                                              .devices = topic->devices,
                                              .changed = false});
  return topic->id;
}

std::uint32_t AudienceEdit::topic_id(std::uint32_t app, std::string_view name) {
  if (const auto known = find_topic(app, name)) return *known;
  Cursor row = insert_topic_.rows(app, name);
  row.next();
  if (row.integer(0) > kTopicIdMax) fail(Error::Kind::kFull, "the store can hold no more topics");
  const auto id = static_cast<std::uint32_t>(row.integer(0));
  row.next();
  ++meta_.topics;
  topics_.emplace(topic_key_, id);
  topic_rows_.emplace(id, TopicRow{.id = id, .subscribers = 0, .devices = {}, .changed = false});
  return id;
}

AudienceEdit::TopicRow& AudienceEdit::topic_row(std::uint32_t id) {
  if (const auto known = topic_rows_.find(id); known != topic_rows_.end()) return known->second;
  Cursor row = topic_by_id_.rows(id);
  if (!row.next()) fail_corrupt("the list of topics");
  return topic_rows_
      .emplace(id, TopicRow{.id = id,
                            .subscribers = row.natural(0),
                            .devices = {row.natural(1), row.natural(2), row.natural(3)},
                            .changed = false})
      .first->second;
}

std::optional<std::uint32_t> AudienceEdit::dict_id(std::string_view text) {
  if (text.empty()) return 0;
  std::string key(text);
  if (const auto known = texts_.find(key); known != texts_.end()) return known->second;
  std::optional<std::uint32_t> id;
  {
    Cursor row = find_text_.rows(text);
    if (row.next()) id = static_cast<std::uint32_t>(row.integer(0));
  }
  if (!id) {
    Cursor row = insert_text_.rows(text, kLocaleIdMax);
    if (!row.next()) return std::nullopt;
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  texts_.emplace(std::move(key), *id);
  return id;
}

// --- changes -------------------------------------------------------------------------------------

std::vector<Result<Registered>> AudienceEdit::put_devices(
    std::span<const DeviceRegistration> devices, std::int64_t now_ms) {
  look_up(devices);
  std::vector<Result<Registered>> results;
  results.reserve(devices.size());
  for (const DeviceRegistration& line : devices) results.push_back(put_device(line, now_ms));
  return results;
}

Result<Registered> AudienceEdit::put_device(const DeviceRegistration& line, std::int64_t now_ms) {
  if (auto error = check_registration(line)) return tl::unexpected(*std::move(error));
  const std::uint32_t app = app_id(line.app);
  std::optional<Place> device = find_device(app, line.device);
  std::optional<Place> holder = find_token(app, line.platform, line.token);
  if (holder && device && holder->slot == device->slot && holder->index == device->index) {
    holder.reset();
  }
  Slot* target = nullptr;
  if (!line.subscriber.empty()) {
    target = find_subscriber(app, line.subscriber);
  } else if (device && device->slot->now.anonymous) {
    target = device->slot;
  }
  Slot* const left = device && device->slot != target ? device->slot : nullptr;
  Slot* const robbed = holder ? holder->slot : nullptr;
  if (auto error = refuse(target, device ? device->slot : nullptr, robbed, app, line)) {
    return tl::unexpected(*std::move(error));
  }
  const auto locale = dict_id(line.locale), timezone = dict_id(line.timezone);
  if (!locale || !timezone) {
    return tl::unexpected(
        Error{Error::Kind::kFull, "the store knows too many locales and time zones to add one"});
  }

  if (holder) {
    detach(*robbed, holder->index);
    device = find_device(app, line.device);  // may stand elsewhere in the same row now
  }
  Registered result = Registered::kUnchanged;
  if (device && !left) {
    if (update_in_place(*device, line, static_cast<std::uint16_t>(*locale), *timezone, now_ms)) {
      result = Registered::kUpdated;
    }
  } else {
    result = device ? Registered::kUpdated : Registered::kCreated;
    if (device) detach(*left, device->index);
    if (!target) target = &new_subscriber(app, line.subscriber);
    attach(*target, line, static_cast<std::uint16_t>(*locale), *timezone, now_ms);
  }
  if (add_topics(*target, app, line.topics) && result == Registered::kUnchanged) {
    result = Registered::kUpdated;
  }
  if (left) drop_if_empty(*left);
  if (robbed && robbed != target && !robbed->gone) drop_if_empty(*robbed);
  return result;
}

// The limits that the line would pass, before anything is changed.
std::optional<Error> AudienceEdit::refuse(const Slot* target, const Slot* device_slot,
                                          const Slot* holder_slot, std::uint32_t app,
                                          const DeviceRegistration& line) {
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
bool AudienceEdit::update_in_place(Place place, const DeviceRegistration& line,
                                   std::uint16_t locale, std::uint32_t timezone,
                                   std::int64_t now_ms) {
  Slot& slot = *place.slot;
  const Subscriber::Device& device = slot.now.devices[place.index];
  const DevicePosition position = position_of(slot.id, device.ordinal);
  StoredDevice stored = device_at(position);
  const bool same_platform = stored.platform == line.platform;
  const bool same_token = same_platform && stored.token == line.token;
  if (same_token && stored.locale == locale && device.timezone == timezone) return false;

  Subscriber::Device& changed = change(slot).devices[place.index];
  changed.timezone = timezone;
  if (!same_token) {
    edit_name(tables_.token_key(slot.now.app, stored.platform, stored.token), slot.id, true);
    edit_name(tables_.token_key(slot.now.app, line.platform, line.token), slot.id, false);
    changed.platform = line.platform;
    changed.registered_ms = now_ms;
    if (!same_platform) stored.since = since();
    stored.platform = line.platform;
    stored.token = line.token;
  }
  stored.locale = locale;
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

AudienceEdit::Slot& AudienceEdit::new_subscriber(std::uint32_t app, std::string_view name) {
  if (meta_.next_subscriber > kSubscriberIdMax) {
    fail(Error::Kind::kFull, "the store has given out all its numbers of subscribers");
  }
  slots_.emplace_back();
  Slot& slot = slots_.back();
  slot.id = static_cast<std::uint32_t>(meta_.next_subscriber++);
  slot.changed = true;
  slot.now.app = app;
  slot.now.anonymous = name.empty();
  slot.now.name = name;
  slot_by_id_.emplace(slot.id, &slot);
  if (!name.empty()) edit_name(tables_.subscriber_key(app, name), slot.id, false);
  return slot;
}

Subscriber& AudienceEdit::change(Slot& slot) {
  if (!slot.changed) {
    slot.changed = true;
    slot.platforms_before = slot.now.platforms();
    slot.topics_before = slot.now.topics;
  }
  return slot.now;
}

void AudienceEdit::attach(Slot& slot, const DeviceRegistration& line, std::uint16_t locale,
                          std::uint32_t timezone, std::int64_t now_ms) {
  Subscriber& subscriber = change(slot);
  const std::uint8_t ordinal = free_ordinal(subscriber).value();
  if (subscriber.next_ordinal < kOrdinals) ++subscriber.next_ordinal;
  const auto place = std::find_if(subscriber.devices.begin(), subscriber.devices.end(),
                                  [&](const auto& device) { return device.ordinal > ordinal; });
  subscriber.devices.insert(place, {.name = std::string(line.device),
                                    .registered_ms = now_ms,
                                    .timezone = timezone,
                                    .ordinal = ordinal,
                                    .platform = line.platform});
  edit_name(tables_.device_key(subscriber.app, line.device), slot.id, false);
  edit_name(tables_.token_key(subscriber.app, line.platform, line.token), slot.id, false);
  edit_device(position_of(slot.id, ordinal), StoredDevice{.platform = line.platform,
                                                          .token = std::string(line.token),
                                                          .locale = locale,
                                                          .since = since()});
}

void AudienceEdit::detach(Slot& slot, std::size_t index) {
  Subscriber& subscriber = change(slot);
  const Subscriber::Device& device = subscriber.devices[index];
  const DevicePosition position = position_of(slot.id, device.ordinal);
  const StoredDevice stored = device_at(position);
  edit_name(tables_.device_key(subscriber.app, device.name), slot.id, true);
  edit_name(tables_.token_key(subscriber.app, stored.platform, stored.token), slot.id, true);
  edit_device(position, std::nullopt);
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
  while (!slot.now.devices.empty()) detach(slot, slot.now.devices.size() - 1);
  change(slot).topics.clear();
  drop_if_empty(slot);
  erased_ = true;
  return counts;
}

ErasedCounts AudienceEdit::erase_device(std::string_view app, std::string_view device) {
  const auto app_id = tables_.app(app);
  const auto place = app_id ? find_device(*app_id, device) : std::nullopt;
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
  if (!slot) fail(Error::Kind::kNotFound, "there is no such subscriber");
  return erase(*slot);
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

bool AudienceEdit::remove_dead(DevicePosition position, Platform platform, std::string_view token,
                               std::int64_t dead_since_ms) {
  Slot* holder = slot(subscriber_of(position));
  if (!holder) return false;
  const auto& devices = holder->now.devices;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].ordinal != ordinal_of(position)) continue;
    if (devices[i].platform != platform || devices[i].registered_ms >= dead_since_ms) return false;
    if (!token.empty() && device_at(position).token != token) return false;
    detach(*holder, i);
    drop_if_empty(*holder);
    return true;
  }
  return false;
}

// --- writing what was gathered
// ---------------------------------------------------------------------

void AudienceEdit::flush() {
  flush_slots();
  flush_names();
  flush_devices();
  flush_members();
  flush_topics();
  slots_.clear();
  slot_by_id_.clear();
  hints_.clear();
  hints_complete_ = false;
  request_meta_ = meta_;
}

void AudienceEdit::flush_slots() {
  std::vector<const Slot*> changed;
  for (const Slot& slot : slots_) {
    if (slot.changed) changed.push_back(&slot);
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
  const PlatformCounts after = slot.gone ? PlatformCounts{} : slot.now.platforms();
  const PlatformCounts& before = slot.platforms_before;
  for (std::size_t i = 0; i < kPlatforms; ++i) meta_.devices += after[i] - before[i];
  if (!slot.gone) ++meta_.subscribers;
  if (slot.stored) --meta_.subscribers;

  const auto add = [&](std::uint32_t topic, const PlatformCounts& plus,
                       const PlatformCounts& minus) {
    TopicRow& row = topic_row(topic);
    for (std::size_t i = 0; i < kPlatforms; ++i) row.devices[i] += plus[i] - minus[i];
    if (!row.changed) changed_topics_.push_back(topic);
    row.changed = true;
  };
  auto old = slot.topics_before.begin();
  auto now = slot.now.topics.begin();
  const auto old_end = slot.topics_before.end();
  const auto now_end = slot.now.topics.end();
  while (old != old_end || now != now_end) {
    if (now == now_end || (old != old_end && *old < *now)) {
      add(*old, {}, before);
      --topic_row(*old).subscribers;
      member_edits_.push_back({{.key = member_key(*old++, slot.id), .since = 0}, true});
    } else if (old == old_end || *now < *old) {
      add(*now, after, {});
      ++topic_row(*now).subscribers;
      member_edits_.push_back({{.key = member_key(*now++, slot.id), .since = since()}, false});
    } else {
      if (before != after) add(*now, after, before);
      ++old;
      ++now;
    }
  }
}

void AudienceEdit::flush_names() {
  std::sort(name_edits_.begin(), name_edits_.end(), [](const NameEdit& a, const NameEdit& b) {
    return a.key != b.key ? a.key < b.key : a.subscriber < b.subscriber;
  });
  std::vector<OrderedChunks<HashFormat>::Edit> edits;
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
  names_.apply(edits, oldest_running_);
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
    }
    edits.push_back({hot, !edit->device});
  }
  hot_.apply(edits, oldest_running_);
  device_edits_.clear();
}

void AudienceEdit::flush_members() {
  std::sort(member_edits_.begin(), member_edits_.end(),
            [](const auto& a, const auto& b) { return a.entry.key < b.entry.key; });
  members_.apply(member_edits_, oldest_running_);
  member_edits_.clear();
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

}  // namespace carillon::store::sqlite
