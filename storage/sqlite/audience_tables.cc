#include "storage/sqlite/audience_tables.h"

#include <algorithm>

namespace carillon::store::sqlite {
namespace {

PlatformCounts counts_from(const Cursor& row, int column) {
  return {row.natural(column), row.natural(column + 1), row.natural(column + 2)};
}

}  // namespace

bool HotCursor::to(DevicePosition position, HotDevice& device) {
  if (waiting_) {
    if (current_.key >= position) {
      device = current_;
      return true;
    }
    reader_.pass_token(current_);
    waiting_ = false;
  }
  const auto open = [&] { reader_ = HotReader(chunks_.fence(), chunks_.bytes()); };
  if (!started_ ||
      (chunks_.at_chunk() && position > chunks_.fence() + chunk_span_ * kChunksPerSeek)) {
    started_ = true;
    if (!chunks_.seek(position)) return false;
    open();
  }
  while (chunks_.at_chunk()) {
    while (reader_.head(current_)) {
      if (current_.key >= position) {
        device = current_;
        waiting_ = true;
        return true;
      }
      reader_.pass_token(current_);
    }
    const std::uint64_t fence = chunks_.fence();
    if (!chunks_.next()) return false;
    chunk_span_ = chunks_.fence() - fence;
    open();
  }
  return false;
}

AudienceTables::AudienceTables(Database& database)
    : app_(database, "SELECT id FROM app WHERE name = ?"),
      app_name_(database, "SELECT name FROM app WHERE id = ?"),
      app_counts_(database, "SELECT usual, subscribers, apns, fcm, webpush FROM app WHERE id = ?"),
      topic_(database,
             "SELECT id, subscribers, apns, fcm, webpush FROM topic WHERE app = ? AND name = ?"),
      topic_name_(database, "SELECT name FROM topic WHERE id = ?"),
      text_(database, "SELECT text FROM dict WHERE id = ?"),
      attribute_(database, "SELECT id FROM attribute WHERE app = ? AND name = ?"),
      attribute_name_(database, "SELECT name FROM attribute WHERE id = ?"),
      subscriber_(database, "SELECT d FROM sub WHERE k = ?"),
      hash_key_row_(database, "SELECT hash_key FROM meta"),
      names_{ChunkCursor(database, kNameTables[0]), ChunkCursor(database, kNameTables[1]),
             ChunkCursor(database, kNameTables[2])},
      members_(database, "mem"),
      device_members_(database, "devmem"),
      hot_(database),
      traits_(database) {
  load_hash_key();
}

void AudienceTables::load_hash_key() {
  Cursor row = hash_key_row_.rows();
  if (!row.next() || row.bytes(0).size() != 16) fail_corrupt("its hash key");
  ByteReader in(row.bytes(0), "its hash key");
  for (std::uint64_t& word : hash_key_) {
    word = in.fixed32();
    word |= static_cast<std::uint64_t>(in.fixed32()) << 32;
  }
}

void AudienceTables::close_cursors() {
  for (ChunkCursor& names : names_) names.close();
  members_.close();
  device_members_.close();
  hot_.restart();
  traits_.restart();
}

std::optional<std::uint32_t> AudienceTables::app(std::string_view name) {
  Cursor row = app_.rows(name);
  if (!row.next()) return std::nullopt;
  return static_cast<std::uint32_t>(row.integer(0));
}

std::string AudienceTables::app_name(std::uint32_t app) {
  Cursor row = app_name_.rows(app);
  if (!row.next()) fail_corrupt("the list of apps");
  return row.text(0);
}

std::optional<AudienceTables::Topic> AudienceTables::topic(std::uint32_t app,
                                                           std::string_view name) {
  Cursor row = topic_.rows(app, name);
  if (!row.next()) return std::nullopt;
  return Topic{.id = static_cast<std::uint32_t>(row.integer(0)),
               .subscribers = row.natural(1),
               .devices = counts_from(row, 2)};
}

std::string AudienceTables::topic_name(std::uint32_t topic) {
  Cursor row = topic_name_.rows(topic);
  if (!row.next()) fail_corrupt("the list of topics");
  return row.text(0);
}

std::string AudienceTables::text(std::uint32_t id) {
  if (id == 0) return {};
  Cursor row = text_.rows(id);
  if (!row.next()) fail_corrupt("the dictionary");
  return row.text(0);
}

std::optional<std::uint32_t> AudienceTables::attribute(std::uint32_t app, std::string_view name) {
  Cursor row = attribute_.rows(app, name);
  if (!row.next()) return std::nullopt;
  return static_cast<std::uint32_t>(row.integer(0));
}

std::string AudienceTables::attribute_name(std::uint32_t id) {
  Cursor row = attribute_name_.rows(id);
  if (!row.next()) fail_corrupt("the names of attributes");
  return row.text(0);
}

AudienceTables::App AudienceTables::app_counts(std::uint32_t app) {
  Cursor row = app_counts_.rows(app);
  if (!row.next() || row.natural(0) > kPlatforms) fail_corrupt("the list of apps");
  return {.usual = static_cast<std::uint8_t>(row.integer(0)),
          .subscribers = row.natural(1),
          .devices = counts_from(row, 2)};
}

void AudienceTables::resolve(std::uint32_t app, const Audience& audience,
                             std::vector<DevicePosition>& out) {
  const auto add = [&](std::uint32_t subscriber, const Subscriber::Device& device) {
    if (!device.stale) out.push_back(position_of(subscriber, device.ordinal));
  };
  for (const std::string& name : audience.subscribers) {
    const auto found = find_subscriber(app, name);
    if (!found) continue;
    for (const auto& device : found->subscriber.devices) add(found->id, device);
  }
  for (const std::string& name : audience.devices) {
    const auto found = find_device(app, name);
    if (found) add(found->id, found->subscriber.devices[found->index]);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

std::uint64_t AudienceTables::full_hash(NameKind kind, std::uint32_t app, std::uint8_t platform,
                                        std::string_view text) const {
  hashed_.clear();
  append_fixed32(hashed_, app);
  hashed_.push_back(static_cast<char>(kind));
  hashed_.push_back(static_cast<char>(platform));
  hashed_.append(text);
  return siphash24(hash_key_, hashed_);
}

std::uint64_t AudienceTables::hash(NameKind kind, std::uint32_t app, std::uint8_t platform,
                                   std::string_view text) const {
  return static_cast<std::uint64_t>(kind) << 32 |
         static_cast<std::uint32_t>(full_hash(kind, app, platform, text));
}

std::uint64_t AudienceTables::subscriber_key(std::uint32_t app, std::string_view name) const {
  return hash(NameKind::kSubscriber, app, 0, name);
}
std::uint64_t AudienceTables::device_key(std::uint32_t app, std::string_view name) const {
  return hash(NameKind::kDevice, app, 0, name);
}
std::uint64_t AudienceTables::token_key(std::uint32_t app, Platform platform,
                                        std::string_view token) const {
  return hash(NameKind::kToken, app, static_cast<std::uint8_t>(platform),
              token_identity(platform, token));
}

void AudienceTables::find_hints(const std::vector<std::uint64_t>& keys,
                                std::vector<std::pair<std::uint64_t, std::uint32_t>>& out) {
  for (ChunkCursor& names : names_) find_hints(names, keys, out);
}

// Chunk by chunk where the keys stand close, by seeks where they do not.
void AudienceTables::find_hints(ChunkCursor& names, const std::vector<std::uint64_t>& keys,
                                std::vector<std::pair<std::uint64_t, std::uint32_t>>& out) {
  constexpr std::uint64_t kChunksPerSeek = 3;
  std::uint64_t span = 0;     // how far the latest chunk reached
  std::uint64_t reached = 0;  // its last entry
  auto key = keys.begin();
  while (key != keys.end()) {
    const bool steps = names.at_chunk() && *key <= reached + span * kChunksPerSeek;
    const std::uint64_t sought = *key;
    if (!(steps ? names.next() : names.seek(sought))) break;
    key = std::lower_bound(key, keys.end(), names.fence());  // none stands between two chunks
    HashFormat::each(names.fence(), names.bytes(), [&](const HashFormat::Entry& entry) {
      while (key != keys.end() && *key < entry.key) ++key;
      if (key == keys.end()) return false;
      reached = entry.key;
      if (*key == entry.key) out.emplace_back(entry.key, entry.subscriber);
      return true;
    });
    span = reached - names.fence() + 1;
    // Equal keys never stand in two chunks; and what was sought would have been in this one.
    while (key != keys.end() && *key <= reached) ++key;
    if (!steps && key != keys.end() && *key == sought) ++key;
  }
  names.close();
}

bool AudienceTables::subscriber(std::uint32_t id, Subscriber& out) {
  Cursor row = subscriber_.rows(id);
  if (!row.next()) return false;
  decode_subscriber(row.bytes(0), out);
  return true;
}

std::string AudienceTables::name_at(DevicePosition position) {
  Subscriber who;
  if (!subscriber(subscriber_of(position), who)) return {};
  const Subscriber::Device* const device = who.device_at(ordinal_of(position));
  return device == nullptr ? std::string() : device->name;
}

std::optional<StoredDevice> AudienceTables::device_at(DevicePosition position) {
  std::optional<StoredDevice> found;
  HotDevice device;
  hot_.restart();
  if (hot_.to(position, device) && device.key == position) {
    found.emplace();
    found->platform = device.platform;
    found->locale = device.locale;
    found->since = device.since;
    found->stale = device.stale;
    hot_.take_token(found->token);
  }
  hot_.restart();
  return found;
}

Traits AudienceTables::traits_at(DevicePosition position) {
  traits_.restart();
  const TraitsAt* found = traits_.to(position);
  if (!found || found->key != position) fail_corrupt("the traits that a device still has");
  Traits traits = decode_traits(found->traits);
  traits_.restart();
  return traits;
}

std::optional<std::uint64_t> AudienceTables::member(std::uint32_t topic, std::uint32_t subscriber) {
  std::optional<std::uint64_t> found;
  const std::uint64_t key = member_key(topic, subscriber);
  if (members_.seek(key) && members_.fence() <= key &&
      MemberFormat::group(members_.fence()) == MemberFormat::group(key)) {
    MemberReader reader(members_.fence(), members_.bytes());
    std::uint32_t id = 0;
    std::uint64_t since = 0;
    while (reader.next(id, since) && id <= subscriber) {
      if (id == subscriber) found = since;
    }
  }
  members_.close();
  return found;
}

std::optional<std::uint64_t> AudienceTables::device_member(std::uint32_t topic,
                                                           DevicePosition position) {
  std::optional<std::uint64_t> found;
  const std::uint64_t key = member_key(topic, subscriber_of(position));
  if (device_members_.seek(key) && device_members_.fence() <= key &&
      MemberFormat::group(device_members_.fence()) == MemberFormat::group(key)) {
    DeviceMemberReader reader(device_members_.fence(), device_members_.bytes());
    for (Member member; reader.read(member) && member.subscriber <= subscriber_of(position);) {
      if (position_of(member.subscriber, member.ordinal) == position) found = member.since;
    }
  }
  device_members_.close();
  return found;
}

std::optional<AudienceTables::Found> AudienceTables::find_subscriber(std::uint32_t app,
                                                                     std::string_view name) {
  one_key_.assign(1, subscriber_key(app, name));
  hints_.clear();
  find_hints(one_key_, hints_);
  for (const auto& [key, id] : hints_) {
    Found found{.id = id, .index = 0, .subscriber = {}};
    if (!subscriber(id, found.subscriber)) continue;
    if (found.subscriber.app == app && !found.subscriber.anonymous &&
        found.subscriber.name == name) {
      return found;
    }
  }
  return std::nullopt;
}

std::optional<AudienceTables::Found> AudienceTables::find_device(std::uint32_t app,
                                                                 std::string_view name) {
  one_key_.assign(1, device_key(app, name));
  hints_.clear();
  find_hints(one_key_, hints_);
  for (const auto& [key, id] : hints_) {
    Found found{.id = id, .index = 0, .subscriber = {}};
    if (!subscriber(id, found.subscriber) || found.subscriber.app != app) continue;
    const auto& devices = found.subscriber.devices;
    for (found.index = 0; found.index < devices.size(); ++found.index) {
      if (devices[found.index].name == name) return found;
    }
  }
  return std::nullopt;
}

}  // namespace carillon::store::sqlite
