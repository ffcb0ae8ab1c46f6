#include "storage/sqlite/subscriber_packer.h"

#include <algorithm>

#include "storage/sqlite/member_chunk.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kLinePartitions = 256;  // of hot rows and of deferred lines
constexpr std::size_t kRowBlockBytes = 64 * 1024;
constexpr std::size_t kTraitBlockBytes = 16 * 1024;
constexpr std::size_t kNameBlockBytes = 8 * 1024;
constexpr std::size_t kDeferredBlockBytes = 8 * 1024;
constexpr std::size_t kUnusualRunEntries = std::size_t{1} << 18;  // 4 MiB, of what is rare

constexpr std::size_t name_partition(NameKind kind, std::uint32_t hash) {
  return (static_cast<std::size_t>(kind) - 1) * SubscriberPacker::kHashPartitions + (hash >> 24);
}

// Stable, by the high half of which the first byte is the same for all: the low halves ascend
// already.
void sort_by_hash(std::vector<std::uint64_t>& entries, std::vector<std::uint64_t>& other) {
  other.resize(entries.size());
  for (int shift = 32; shift < 56; shift += 8) {
    std::array<std::size_t, 256> ends{};
    for (const std::uint64_t entry : entries) ++ends[entry >> shift & 0xff];
    std::size_t sum = 0;
    for (std::size_t& end : ends) sum += std::exchange(end, sum);
    for (const std::uint64_t entry : entries) other[ends[entry >> shift & 0xff]++] = entry;
    entries.swap(other);
  }
}

}  // namespace

SubscriberPacker::SubscriberPacker(const std::string& folder, std::uint64_t first,
                                   std::uint64_t lines, std::vector<bool> deferred)
    : first_(first),
      lines_(lines),
      skip_(std::move(deferred)),
      next_(first),
      hot_(folder, kLinePartitions, kRowBlockBytes),
      traits_(folder, kLinePartitions, kTraitBlockBytes),
      names_(folder, 3 * kHashPartitions, kNameBlockBytes),
      deferred_lines_(folder, kLinePartitions, kDeferredBlockBytes),
      members_(folder),
      unusual_(folder, kUnusualRunEntries) {}

void SubscriberPacker::pack(std::size_t partition, const std::string& records, ChunkRows& out) {
  places_.clear();
  for (std::size_t offset = 0; offset < records.size();) {
    const std::size_t begin = offset;
    places_.emplace_back(LineRecord::read(records, offset).head.group, begin);
  }
  std::sort(places_.begin(), places_.end());
  for (std::size_t begin = 0; begin < places_.size();) {
    std::size_t end = begin + 1;
    while (end < places_.size() && places_[end].first == places_[begin].first) ++end;
    pack_group(records, &places_[begin], &places_[begin] + (end - begin), out);
    begin = end;
  }
  hot_chunks_.flush(hot_rows_);
  keep_rows(partition, hot_rows_, hot_);
  trait_chunks_.flush(trait_rows_);
  keep_rows(partition, trait_rows_, traits_);
}

void SubscriberPacker::pack_group(const std::string& records, const Place* begin, const Place* end,
                                  ChunkRows& out) {
  taken_.clear();
  heard_.clear();
  for (const Place* place = begin; place != end; ++place) {
    std::size_t offset = place->second;
    const LineRecord record = LineRecord::read(records, offset);
    const bool ordinary = skip_[record.head.index] || record.head.own_topics;
    if (!ordinary && take(record)) continue;
    // What comes after it may depend on it.
    for (; place != end; ++place) {
      offset = place->second;
      const auto index = LineRecord::read(records, offset).head.index;
      defer(records, place->second, offset, index);
    }
    break;
  }
  if (!taken_.empty()) write_subscriber(out);
}

// False: another subscriber with the same hash, or a limit is passed, and more is to be known
// than is known here.
bool SubscriberPacker::take(const LineRecord& record) {
  if (!taken_.empty()) {
    const LineRecord& first = taken_.front();
    if (first.head.anonymous || record.head.anonymous || first.head.app != record.head.app ||
        first.subscriber != record.subscriber || taken_.size() == kDevicesPerSubscriberMax) {
      return false;
    }
  }
  const std::size_t heard_before = heard_.size();
  for (std::size_t i = 0; i < record.head.topics; ++i) heard_.push_back(record.topic(i));
  std::sort(heard_.begin(), heard_.end());
  heard_.erase(std::unique(heard_.begin(), heard_.end()), heard_.end());
  if (heard_.size() > kTopicsPerSubscriberMax) {
    // The topics of the lines before it, again.
    heard_.clear();
    for (const LineRecord& taken : taken_) {
      for (std::size_t i = 0; i < taken.head.topics; ++i) heard_.push_back(taken.topic(i));
    }
    std::sort(heard_.begin(), heard_.end());
    heard_.erase(std::unique(heard_.begin(), heard_.end()), heard_.end());
    if (heard_.size() != heard_before) fail_corrupt("the topics of an import's subscriber");
    return false;
  }
  taken_.push_back(record);
  return true;
}

void SubscriberPacker::defer(const std::string& records, std::size_t begin, std::size_t end,
                             std::uint32_t index) {
  deferred_lines_.append(index * std::uint64_t{kLinePartitions} / lines_,
                         std::string_view(records).substr(begin, end - begin));
}

void SubscriberPacker::write_subscriber(ChunkRows& out) {
  if (next_ > kSubscriberIdMax) {
    fail(Error::Kind::kFull, "the store has given out all its numbers of subscribers");
  }
  const auto id = static_cast<std::uint32_t>(next_++);
  const LineRecord::Head& first = taken_.front().head;
  subscriber_.app = first.app;
  subscriber_.anonymous = first.anonymous;
  subscriber_.name.assign(taken_.front().subscriber);
  subscriber_.next_ordinal = static_cast<std::uint32_t>(taken_.size());
  subscriber_.devices.resize(taken_.size());
  subscriber_.topics.assign(heard_.begin(), heard_.end());
  std::array<std::uint32_t, kPlatforms> platforms{};
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    const LineRecord& record = taken_[i];
    Subscriber::Device& device = subscriber_.devices[i];
    device.name.assign(record.device);
    device.registered_ms = record.head.registered_ms;
    device.timezone = record.head.timezone;
    device.ordinal = static_cast<std::uint8_t>(i);
    device.platform = record.head.platform;
    const std::int64_t seen_ms = record.head.last_seen_ms;
    device.seen_day =
        day_of(seen_ms == 0 ? device.registered_ms : std::min(seen_ms, device.registered_ms));
    device.traits = !record.traits.empty();
    if (device.traits) {
      trait_chunks_.add({.key = position_of(id, device.ordinal), .traits = record.traits},
                        trait_rows_);
    }
    ++platforms[static_cast<std::size_t>(device.platform) - 1];
    hot_chunks_.add({.key = position_of(id, device.ordinal),
                     .since = 0,
                     .token = record.token,
                     .locale = record.head.locale,
                     .platform = device.platform,
                     .code = record.head.code},
                    hot_rows_);
    note_name(NameKind::kDevice, record.head.device_hash, id);
    note_name(NameKind::kToken, record.head.token_hash, id);
  }
  if (!first.anonymous) note_name(NameKind::kSubscriber, first.subscriber_hash, id);
  devices_ += taken_.size();
  count_app(id, platforms);
  for (const std::uint32_t topic : heard_) {
    members_.add(topic, id);
    if (topic >= topics_.size()) topics_.resize(topic + std::size_t{1});
    TopicCounts& counts = topics_[topic];
    ++counts.subscribers;
    for (std::size_t i = 0; i < kPlatforms; ++i) counts.devices[i] += platforms[i];
  }
  const std::size_t begin = out.bytes.size();
  encode_subscriber(subscriber_, out.bytes);
  out.rows.push_back({id, begin, out.bytes.size() - begin});
}

void SubscriberPacker::count_app(std::uint32_t id,
                                 const std::array<std::uint32_t, kPlatforms>& platforms) {
  if (subscriber_.app >= apps_.size()) apps_.resize(subscriber_.app + std::size_t{1});
  AppCounts& app = apps_[subscriber_.app];
  ++app.subscribers;
  for (std::size_t i = 0; i < kPlatforms; ++i) app.devices[i] += platforms[i];
  const std::uint8_t only = subscriber_.only_platform();
  if (app.usual == 0) app.usual = only;
  if (only == 0 || only != app.usual) unusual_.add(unusual_group(subscriber_.app, only), id);
}

void SubscriberPacker::note_name(NameKind kind, std::uint32_t hash, std::uint32_t subscriber) {
  const std::uint64_t entry = std::uint64_t{hash} << 32 | subscriber;
  names_.append(name_partition(kind, hash), {reinterpret_cast<const char*>(&entry), sizeof entry});
}

void SubscriberPacker::keep_rows(std::size_t partition, ChunkRows& rows, PartitionedSpool& spool) {
  for (const ChunkRows::Row& row : rows.rows) {
    const std::uint64_t head[] = {row.key, row.size};
    spool.append(partition, {reinterpret_cast<const char*>(head), sizeof head});
    spool.append(partition, rows.data(row));
  }
  rows.clear();
}

void SubscriberPacker::kept_rows(const PartitionedSpool& spool, std::size_t partition,
                                 ChunkRows& out) {
  spool.read(partition, out.bytes);
  out.rows.clear();
  for (std::size_t at = 0; at < out.bytes.size();) {
    std::uint64_t head[2];
    std::memcpy(head, out.bytes.data() + at, sizeof head);
    at += sizeof head;
    out.rows.push_back({head[0], at, head[1]});
    at += head[1];
  }
}

void SubscriberPacker::names(NameKind kind, std::size_t partition,
                             std::vector<HashFormat::Entry>& out) const {
  std::string bytes;
  names_.read((static_cast<std::size_t>(kind) - 1) * kHashPartitions + partition, bytes);
  std::vector<std::uint64_t> entries(bytes.size() / 8), other;
  if (!bytes.empty()) std::memcpy(entries.data(), bytes.data(), bytes.size());
  sort_by_hash(entries, other);
  out.clear();
  out.reserve(entries.size());
  for (const std::uint64_t entry : entries) {
    out.push_back({.key = std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 | entry >> 32,
                   .subscriber = static_cast<std::uint32_t>(entry)});
  }
}

}  // namespace carillon::store::sqlite
