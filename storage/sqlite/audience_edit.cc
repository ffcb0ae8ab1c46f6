#include "storage/sqlite/audience_edit.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/sqlite/name_check.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kCachedRowsMax = 100'000;  // rows; some 10 MiB

}  // namespace

AudienceEdit::AudienceEdit(Database& database)
    : database_(database),
      tables_(database),
      hot_(database, "hot"),
      members_(database, "mem"),
      unusual_(database, "unusual"),
      device_members_(database, "devmem"),
      traits_(database, "trait"),
      names_(database, "hx"),
      trait_at_(database),
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
      erase_subscriber_(database, "DELETE FROM sub WHERE k = ?"),
      app_by_id_(database, "SELECT usual, subscribers, apns, fcm, webpush FROM app WHERE id = ?"),
      update_app_(database,
                  "UPDATE app SET usual = ?2, subscribers = ?3, apns = ?4, fcm = ?5, webpush = ?6 "
                  "WHERE id = ?1"),
      find_attribute_(database, "SELECT id FROM attribute WHERE app = ? AND name = ?"),
      insert_attribute_(database,
                        "INSERT INTO attribute (app, name) SELECT ?1, ?2 WHERE (SELECT count(*) "
                        "FROM attribute WHERE app = ?1) < ?3 RETURNING id"),
      walk_(database, "SELECT k, d FROM sub WHERE k > ? ORDER BY k LIMIT ?") {}

// --- the transaction -----------------------------------------------------------------------------

void AudienceEdit::begin() {
  std::int64_t version = 0;
  {
    Cursor row = data_version_.rows();
    row.next();
    version = row.integer(0);
  }
  const bool crowded =
      apps_.size() + texts_.size() + topics_.size() + attributes_.size() + topic_rows_.size() >
      kCachedRowsMax;
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
  trait_at_.restart();
  meta_ = request_meta_;
  apps_.clear();
  texts_.clear();
  topics_.clear();
  attributes_.clear();
  topic_rows_.clear();
  app_rows_.clear();
  slots_.clear();
  slot_by_id_.clear();
  hints_.clear();
  hints_complete_ = false;
  device_edits_.clear();
  name_edits_.clear();
  trait_edits_.clear();
  member_edits_.clear();
  unusual_edits_.clear();
  device_member_edits_.clear();
  changed_topics_.clear();
  changed_apps_.clear();
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
    if (row.integer(0) > kAppIdMax) fail(Error::Kind::kFull, "the store can hold no more apps");
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

AudienceEdit::AppRow& AudienceEdit::app_row(std::uint32_t id) {
  if (const auto known = app_rows_.find(id); known != app_rows_.end()) return known->second;
  Cursor row = app_by_id_.rows(id);
  if (!row.next() || row.natural(0) > kPlatforms) fail_corrupt("the list of apps");
  return app_rows_
      .emplace(id, AppRow{.usual = static_cast<std::uint8_t>(row.integer(0)),
                          .subscribers = row.natural(1),
                          .devices = {row.natural(2), row.natural(3), row.natural(4)},
                          .changed = false})
      .first->second;
}

std::optional<std::uint32_t> AudienceEdit::attribute_id(std::uint32_t app, std::string_view name) {
  topic_key_.clear();
  append_fixed32(topic_key_, app);
  topic_key_.append(name);
  if (const auto known = attributes_.find(topic_key_); known != attributes_.end()) {
    return known->second;
  }
  std::optional<std::uint32_t> id;
  {
    Cursor row = find_attribute_.rows(app, name);
    if (row.next()) id = static_cast<std::uint32_t>(row.integer(0));
  }
  if (!id) {
    Cursor row = insert_attribute_.rows(app, name, kAttributeNamesMax);
    if (!row.next()) return std::nullopt;
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  attributes_.emplace(topic_key_, *id);
  return id;
}

Result<std::string> AudienceEdit::traits_of(std::uint32_t app, const DeviceRegistration& line) {
  if (line.app_version.empty() && line.attributes.empty()) return std::string();
  std::vector<EncodedAttribute> encoded;
  encoded.reserve(line.attributes.size());
  for (const AttributeView& attribute : line.attributes) {
    const auto id = attribute_id(app, attribute.name);
    if (!id) {
      return tl::unexpected(Error{
          Error::Kind::kFull,
          fmt::format("the app has {} names of attributes, the most allowed", kAttributeNamesMax)});
    }
    encoded.push_back(encode_attribute(*id, attribute));
  }
  std::sort(encoded.begin(), encoded.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return encode_traits(app, line.app_version, encoded);
}

std::string AudienceEdit::traits_at(DevicePosition position) {
  if (const auto edit = trait_edits_.find(position); edit != trait_edits_.end()) {
    return edit->second;
  }
  trait_at_.restart();
  const TraitsAt* stored = trait_at_.to(position);
  if (!stored || stored->key != position) fail_corrupt("the traits that a device still has");
  std::string traits(stored->traits);
  trait_at_.restart();
  return traits;
}

}  // namespace carillon::store::sqlite
