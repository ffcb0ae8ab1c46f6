// Filling an empty store: intake, then packing, then every table written once from front to back.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <future>
#include <optional>

#include "storage/bulk_load.h"
#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/line_extras.h"
#include "storage/sqlite/line_intake.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/store_replacement.h"
#include "storage/sqlite/subscriber_packer.h"

namespace carillon::store {
namespace sqlite {
namespace {

constexpr std::size_t kRedoLines = 20'000;  // lines that go through the ordinary way at once

// One table's rows, appended.
class Appender {
 public:
  Appender(Database& database, const std::string& table)
      : insert_(database, "INSERT INTO " + table + " (k, d) VALUES (?, ?)") {}
  void append(const ChunkRows& rows) {
    for (const ChunkRows::Row& row : rows.rows) insert_.run(row.key, Blob{rows.data(row)});
  }

 private:
  Statement insert_;
};

// Calls prepare(i, rows) for i = 0 .. count - 1 on another thread, one after the other, and appends
// what it made while the next is being prepared.
template <class Prepare>
void prepare_and_append(Appender& table, std::size_t count, Prepare prepare) {
  ChunkRows ready, next;
  for (std::size_t i = 0; i <= count; ++i) {
    std::future<void> preparing;
    if (i < count) {
      next.clear();
      preparing = std::async(std::launch::async, [&, i] { prepare(i, next); });
    }
    table.append(ready);
    if (preparing.valid()) preparing.get();
    std::swap(ready, next);
  }
}

class SqliteBulkLoad final : public BulkLoad {
 public:
  SqliteBulkLoad(std::unique_ptr<StoreReplacement> replacement, std::string folder)
      : replacement_(std::move(replacement)), folder_(std::move(folder)) {
    intake_.emplace(replacement_->fresh(), folder_);
    Statement last(replacement_->fresh(), "SELECT coalesce(max(id), 0) FROM topic");
    Cursor row = last.rows();
    row.next();
    topics_before_ = row.natural(0);
  }

  Result<std::vector<Result<Registered>>> add(std::span<const DeviceRegistration> devices,
                                              std::span<const std::uint64_t> numbers,
                                              std::int64_t now_ms) override {
    try {
      std::vector<Result<Registered>> results;
      results.reserve(devices.size());
      for (std::size_t i = 0; i < devices.size(); ++i) {
        results.push_back(intake_->add(devices[i], numbers[i], now_ms));
      }
      return results;
    } catch (const StoreFailure& failure) {
      return tl::unexpected(failure.error);
    }
  }

  Result<void> finish(const Correct& correct) override {
    try {
      if (intake_->lines() > 0) write(correct);
      intake_.reset();
      packer_.reset();
      replacement_->publish();
      return {};
    } catch (const StoreFailure& failure) {
      return tl::unexpected(failure.error);
    }
  }

 private:
  Database& fresh() { return replacement_->fresh(); }

  void write(const Correct& correct) {
    write_subscribers();
    write_devices();
    write_members();
    write_names();
    write_counts();
    redo(correct);
    forget_unused_topics();
  }

  void write_subscribers() {
    const std::uint64_t lines = intake_->lines();
    std::uint64_t first = 0;
    {
      Statement meta(fresh(), "SELECT next_subscriber FROM meta");
      Cursor row = meta.rows();
      if (!row.next()) fail_corrupt("its counters");
      first = row.natural(0);
    }
    packer_.emplace(folder_, first, lines, intake_->duplicates());
    Statement apps(fresh(), "SELECT id, usual FROM app WHERE usual != 0");
    for (Cursor row = apps.rows(); row.next();) {
      const auto id = static_cast<std::size_t>(row.integer(0));
      packer_->apps().resize(std::max(packer_->apps().size(), id + 1));
      packer_->apps()[id].usual = static_cast<std::uint8_t>(row.integer(1));
    }
    Appender table(fresh(), "sub");
    std::string records;
    prepare_and_append(table, LineIntake::kPartitions, [&](std::size_t partition, ChunkRows& rows) {
      intake_->read(partition, records);
      packer_->pack(partition, records, rows);
    });
    topics_created_ = intake_->topics_created();
    intake_.reset();
  }

  void write_devices() {
    Appender table(fresh(), "hot");
    prepare_and_append(table, LineIntake::kPartitions, [&](std::size_t partition, ChunkRows& rows) {
      packer_->hot_rows(partition, rows);
    });
    Appender traits(fresh(), "trait");
    prepare_and_append(
        traits, LineIntake::kPartitions,
        [&](std::size_t partition, ChunkRows& rows) { packer_->trait_rows(partition, rows); });
  }

  void write_members() {
    write_runs("mem", packer_->members());
    write_runs("unusual", packer_->unusual());
  }

  void write_runs(const char* name, MemberRuns& members) {
    Appender table(fresh(), name);
    ChunkPacker<MemberFormat> chunks;
    ChunkRows rows;
    members.each([&](std::uint32_t topic, std::span<const std::uint32_t> subscribers) {
      for (const std::uint32_t subscriber : subscribers) {
        chunks.add({.key = member_key(topic, subscriber), .since = 0}, rows);
      }
      table.append(rows);
      rows.clear();
    });
    chunks.flush(rows);
    table.append(rows);
  }

  void write_names() {
    Appender table(fresh(), "hx");
    ChunkPacker<HashFormat> chunks;
    constexpr std::size_t kPartitions = SubscriberPacker::kHashPartitions;
    constexpr std::size_t kLast = 3 * kPartitions - 1;
    std::vector<HashFormat::Entry> entries;
    prepare_and_append(table, kLast + 1, [&](std::size_t i, ChunkRows& rows) {
      packer_->names(static_cast<NameKind>(i / kPartitions + 1), i % kPartitions, entries);
      for (const HashFormat::Entry& entry : entries) chunks.add(entry, rows);
      if (i == kLast) chunks.flush(rows);
    });
  }

  void write_counts() {
    Statement meta(fresh(),
                   "UPDATE meta SET next_subscriber = ?, devices = devices + ?, subscribers = "
                   "subscribers + ?, topics = topics + ?");
    meta.run(packer_->next_subscriber(), packer_->devices(), packer_->subscribers(),
             topics_created_);
    Statement app(fresh(),
                  "UPDATE app SET usual = ?2, subscribers = subscribers + ?3, apns = apns + ?4, "
                  "fcm = fcm + ?5, webpush = webpush + ?6 WHERE id = ?1");
    for (std::size_t id = 0; id < packer_->apps().size(); ++id) {
      const auto& counts = packer_->apps()[id];
      app.run(id, counts.usual, counts.subscribers, counts.devices[0], counts.devices[1],
              counts.devices[2]);
    }
    Statement topic(fresh(),
                    "UPDATE topic SET subscribers = ?2, apns = ?3, fcm = ?4, webpush = ?5 "
                    "WHERE id = ?1");
    const auto& counts = packer_->topics();
    heard_.resize(counts.size());
    for (std::size_t id = 0; id < counts.size(); ++id) {
      if (counts[id].subscribers == 0) continue;
      heard_[id] = true;
      topic.run(id, counts[id].subscribers, counts[id].devices[0], counts[id].devices[1],
                counts[id].devices[2]);
    }
  }

  // Lines that may change what earlier ones did, in their order, the ordinary way.
  void redo(const Correct& correct) {
    AudienceEdit audience(fresh(), kYoungNamesMax);
    const PartitionedSpool& deferred = packer_->deferred();
    std::string bytes;
    std::vector<LineRecord> records;
    for (std::size_t partition = 0; partition < deferred.partitions(); ++partition) {
      deferred.read(partition, bytes);
      records.clear();
      for (std::size_t offset = 0; offset < bytes.size();) {
        records.push_back(LineRecord::read(bytes, offset));
      }
      std::sort(records.begin(), records.end(), [](const LineRecord& a, const LineRecord& b) {
        return a.head.index < b.head.index;
      });
      for (std::size_t begin = 0; begin < records.size();) {
        std::size_t end = begin;
        while (end < records.size() && end - begin < kRedoLines &&
               records[end].head.registered_ms == records[begin].head.registered_ms) {
          ++end;
        }
        redo_batch(audience, std::span(records).subspan(begin, end - begin), correct);
        begin = end;
      }
    }
  }

  void redo_batch(AudienceEdit& audience, std::span<const LineRecord> records,
                  const Correct& correct) {
    AudienceTables& tables = audience.tables();
    std::deque<std::string> texts;  // what the lines' views point to
    std::deque<std::vector<std::string_view>> topics;
    ExtrasRoom extras;
    std::vector<DeviceRegistration> lines;
    for (const LineRecord& record : records) {
      const auto keep = [&](std::string text) -> std::string_view {
        return texts.emplace_back(std::move(text));
      };
      DeviceRegistration& line = lines.emplace_back();
      line.app = keep(tables.app_name(record.head.app));
      line.device = record.device;
      line.platform = record.head.platform;
      std::string& token = texts.emplace_back();
      ByteReader packed(record.token, "an import's token");
      unpack_token(record.head.code, packed, token);
      line.token = token;
      line.subscriber = record.subscriber;
      line.locale = keep(tables.text(record.head.locale));
      line.timezone = keep(tables.text(record.head.timezone));
      auto& names = topics.emplace_back();
      for (std::size_t i = 0; i < record.head.topics; ++i) {
        names.push_back(keep(tables.topic_name(record.topic(i))));
      }
      line.topics = names;
      line.last_seen_ms = record.head.last_seen_ms;
      if (!record.extras.empty()) read_extras(record.extras, extras, line);
    }
    audience.begin();
    const auto results = audience.put_devices(lines, records.front().head.registered_ms);
    audience.flush();
    audience.finish();
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (results[i]) note_heard(records[i], tables, lines[i].device_topics);
      correct(records[i].head.number, results[i]);
    }
  }

  void note_heard(const LineRecord& record, AudienceTables& tables,
                  std::span<const std::string_view> device_topics) {
    const auto note = [&](std::uint32_t topic) {
      if (topic >= heard_.size()) heard_.resize(topic + std::size_t{1});
      heard_[topic] = true;
    };
    for (std::size_t i = 0; i < record.head.topics; ++i) note(record.topic(i));
    for (const std::string_view name : device_topics) {
      if (const auto topic = tables.topic(record.head.app, name)) note(topic->id);
    }
  }

  // A topic that only refused lines named does not come to be.
  void forget_unused_topics() {
    std::vector<std::uint64_t> unused;
    {
      Statement created(fresh(), "SELECT id FROM topic WHERE id > ?");
      Cursor row = created.rows(topics_before_);
      while (row.next()) {
        const std::uint64_t id = row.natural(0);
        if (id >= heard_.size() || !heard_[id]) unused.push_back(id);
      }
    }
    Statement erase(fresh(), "DELETE FROM topic WHERE id = ?");
    for (const std::uint64_t id : unused) erase.run(id);
    Statement meta(fresh(), "UPDATE meta SET topics = topics - ?");
    meta.run(unused.size());
  }

  std::unique_ptr<StoreReplacement> replacement_;
  const std::string folder_;
  std::optional<LineIntake> intake_;
  std::optional<SubscriberPacker> packer_;
  std::uint64_t topics_before_ = 0, topics_created_ = 0;
  std::vector<bool> heard_;  // by number of the topic: a line that was taken names it
};

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<BulkLoad>> open_bulk_load(const SqliteStoreOptions& options) {
  try {
    auto replacement =
        sqlite::StoreReplacement::begin(options, sqlite::StoreReplacement::Of::kEmptyStore);
    if (!replacement) return nullptr;
    return std::make_unique<sqlite::SqliteBulkLoad>(
        std::move(replacement), std::filesystem::path(options.path).parent_path().string());
  } catch (const sqlite::StoreFailure& failure) {
    return tl::unexpected(failure.error);
  }
}

}  // namespace carillon::store
