#include "storage/sqlite/line_intake.h"

#include <bit>

#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/line_extras.h"
#include "storage/sqlite/name_check.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kLineBlockBytes = 32 * 1024;
constexpr std::size_t kKeyBlockBytes = 12 * 1024;
constexpr std::size_t kTopicsCachedMax = 200'000;  // names; some 20 MiB
constexpr std::uint64_t kLinesMax = 0xffff'ffff;

struct Key {
  std::uint64_t hash = 0;
  std::uint32_t index = 0;
};
constexpr std::size_t kKeyBytes = 12;

constexpr std::size_t partition_of(std::uint64_t hash) {
  return static_cast<std::size_t>(hash >> 56);
}
static_assert(LineIntake::kPartitions == 256, "a partition is a hash's first byte");

}  // namespace

LineIntake::LineIntake(Database& database, const std::string& folder)
    : tables_(database),
      insert_app_(database, "INSERT INTO app (name) VALUES (?) RETURNING id"),
      insert_topic_(database,
                    "INSERT INTO topic (app, name, subscribers, apns, fcm, webpush) "
                    "VALUES (?, ?, 0, 0, 0, 0) RETURNING id"),
      texts_(database),
      traits_(database),
      spool_(folder, kPartitions, kLineBlockBytes),
      keys_(std::in_place, folder, kPartitions, kKeyBlockBytes) {}

Result<Registered> LineIntake::add(const DeviceRegistration& line, std::uint64_t number,
                                   std::int64_t now_ms) {
  if (auto error = check_registration(line)) return tl::unexpected(*std::move(error));
  if (lines_ == kLinesMax) {
    fail(Error::Kind::kFull, "the import has too many lines for one load: cut it into several");
  }
  LineRecord::Head head;
  head.app = app_id(line.app);
  const auto locale = texts_.id(line.locale), timezone = texts_.id(line.timezone);
  if (!locale || !timezone) {
    return tl::unexpected(
        Error{Error::Kind::kFull, "the store knows too many locales and time zones to add one"});
  }
  const Result<std::string> traits = traits_.encode(head.app, line);
  if (!traits) return tl::unexpected(traits.error());
  head.locale = static_cast<std::uint16_t>(*locale);
  head.timezone = *timezone;
  head.index = static_cast<std::uint32_t>(lines_++);
  head.number = number;
  head.registered_ms = now_ms;
  head.last_seen_ms = line.last_seen_ms;
  head.platform = line.platform;
  head.anonymous = line.subscriber.empty();
  head.device_bytes = static_cast<std::uint8_t>(line.device.size());
  head.subscriber_bytes = static_cast<std::uint8_t>(line.subscriber.size());
  head.topics = static_cast<std::uint32_t>(line.topics.size());
  head.own_topics = !line.device_topics.empty();
  head.trait_bytes = static_cast<std::uint32_t>(traits->size());

  const std::uint64_t device = tables_.full_hash(NameKind::kDevice, head.app, 0, line.device);
  const std::uint64_t token =
      tables_.full_hash(NameKind::kToken, head.app, static_cast<std::uint8_t>(line.platform),
                        token_identity(line.platform, line.token));
  head.device_hash = static_cast<std::uint32_t>(device);
  head.token_hash = static_cast<std::uint32_t>(token);
  head.group = head.anonymous
                   ? device
                   : tables_.full_hash(NameKind::kSubscriber, head.app, 0, line.subscriber);
  head.subscriber_hash = static_cast<std::uint32_t>(head.group);
  note_key(device, head.index);
  note_key(token, head.index);

  token_.clear();
  head.code = pack_token(line.token, token_);
  head.token_bytes = static_cast<std::uint16_t>(token_.size());
  extras_.clear();
  if (has_extras(line)) append_extras(line, extras_);
  head.extra_bytes = static_cast<std::uint32_t>(extras_.size());
  record_.clear();
  record_.append(reinterpret_cast<const char*>(&head), sizeof head);
  record_.append(line.device).append(line.subscriber).append(token_);
  for (const std::string_view name : line.topics) {
    const std::uint32_t topic = topic_id(head.app, name);
    record_.append(reinterpret_cast<const char*>(&topic), sizeof topic);
  }
  record_.append(*traits).append(extras_);
  spool_.append(partition_of(head.group), record_);
  return Registered::kCreated;
}

void LineIntake::note_key(std::uint64_t hash, std::uint32_t index) {
  char key[kKeyBytes];
  std::memcpy(key, &hash, sizeof hash);
  std::memcpy(key + sizeof hash, &index, sizeof index);
  keys_->append(partition_of(hash), {key, kKeyBytes});
}

// A partition's keys stand in the order of their lines: the first with a hash is nobody's
// duplicate.
std::vector<bool> LineIntake::duplicates() {
  std::vector<bool> found(lines_);
  std::string keys;
  std::vector<std::uint64_t> seen;
  for (std::size_t partition = 0; partition < kPartitions; ++partition) {
    keys_->read(partition, keys);
    seen.assign(std::bit_ceil(keys.size() / kKeyBytes * 2 + 1), 0);
    const std::size_t mask = seen.size() - 1;
    for (std::size_t at = 0; at < keys.size(); at += kKeyBytes) {
      Key key;
      std::memcpy(&key.hash, keys.data() + at, sizeof key.hash);
      std::memcpy(&key.index, keys.data() + at + sizeof key.hash, sizeof key.index);
      if (key.hash == 0) key.hash = 1;  // 0 is a free slot
      std::size_t slot = key.hash & mask;
      while (seen[slot] != 0 && seen[slot] != key.hash) slot = (slot + 1) & mask;
      if (seen[slot] == key.hash) found[key.index] = true;
      seen[slot] = key.hash;
    }
  }
  keys_.reset();
  return found;
}

std::uint32_t LineIntake::app_id(std::string_view name) {
  if (const auto known = apps_.find(name); known != apps_.end()) return known->second;
  std::optional<std::uint32_t> id = tables_.app(name);
  if (!id) {
    Cursor row = insert_app_.rows(name);
    row.next();
    if (row.integer(0) > kAppIdMax) fail(Error::Kind::kFull, "the store can hold no more apps");
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  apps_.emplace(name, *id);
  return *id;
}

std::uint32_t LineIntake::topic_id(std::uint32_t app, std::string_view name) {
  topic_key_.clear();
  append_fixed32(topic_key_, app);
  topic_key_.append(name);
  if (const auto known = topics_.find(topic_key_); known != topics_.end()) return known->second;
  if (topics_.size() >= kTopicsCachedMax) topics_.clear();
  std::uint32_t id = 0;
  if (const auto known = tables_.topic(app, name)) {
    id = known->id;
  } else {
    Cursor row = insert_topic_.rows(app, name);
    row.next();
    if (row.integer(0) > kTopicIdMax) fail(Error::Kind::kFull, "the store can hold no more topics");
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
    ++topics_created_;
  }
  topics_.emplace(topic_key_, id);
  return id;
}

}  // namespace carillon::store::sqlite
