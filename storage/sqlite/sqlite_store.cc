#include "storage/sqlite/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "storage/sqlite/device_export.h"
#include "storage/sqlite/event_report.h"
#include "storage/sqlite/name_check.h"
#include "storage/sqlite/private_copy.h"
#include "storage/sqlite/read_ahead.h"
#include "storage/sqlite/reader_pool.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/store_lock.h"
#include "storage/sqlite/writer.h"

namespace carillon::store {
namespace {

using sqlite::Database;
using sqlite::fail;
using sqlite::ReaderPool;
using sqlite::ReadSession;
using sqlite::Writer;

// One job's audience, read through whichever connection is free.
class SqliteAudienceScan final : public AudienceScan {
 public:
  SqliteAudienceScan(ReaderPool& readers, const sqlite::FrozenAudience& audience)
      : readers_(readers), audience_(audience) {}

  Result<void> read(DevicePosition after, std::size_t limit, DevicePage& page) override {
    return readers_.with(
        [&](ReadSession& session) { session.pages.read(audience_, after, limit, page); });
  }

  // Few events ask for it: texts are read when one does, those that are new by then.
  Result<std::string_view> locale(std::uint16_t index) override {
    if (index != 0 && index >= texts_.size()) {
      auto loaded = readers_.with([&](ReadSession& session) { session.pages.load_texts(texts_); });
      if (!loaded) return tl::unexpected(std::move(loaded.error()));
    }
    return index < texts_.size() ? std::string_view(texts_[index]) : std::string_view();
  }

 private:
  ReaderPool& readers_;
  const sqlite::FrozenAudience audience_;
  std::vector<std::string> texts_;
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(const SqliteStoreOptions& options)
      : options_(options),
        lock_(options.exclusive ? std::make_unique<sqlite::StoreLock>(options.path) : nullptr),
        access_(Database::Access::kReadWrite),
        readers_(options, access_),
        writer_(std::make_unique<Writer>(options)) {
    if (options.exclusive) read_ahead_.emplace(options.path);
  }
  // To read only.
  SqliteStore(const SqliteStoreOptions& options, Database::Access access)
      : options_(options), access_(access), readers_(options, access) {}

  Result<Registered> put_device(const DeviceRegistration& device, std::int64_t now_ms) override {
    if (!writer_) return tl::unexpected(read_only_error());
    return writer_->put_device(device, now_ms);
  }

  Result<std::vector<Result<Registered>>> put_devices(std::span<const DeviceRegistration> devices,
                                                      std::int64_t now_ms) override {
    return write<std::vector<Result<Registered>>>(
        [&](Writer::Session& session) { return session.audience.put_devices(devices, now_ms); },
        Writer::Company::kAlone);
  }

  Result<DeviceRecord> device(std::string_view app, std::string_view device) override {
    return readers_.with([&](ReadSession& session) {
      auto& audience = session.audience;
      const auto id = audience.app(app);
      const auto found = id ? audience.find_device(*id, device) : std::nullopt;
      if (!found) fail(Error::Kind::kNotFound, "there is no such device");
      DeviceRecord record = record_of(audience, *found);
      if (record.stale) {
        const std::uint8_t ordinal = found->subscriber.devices[found->index].ordinal;
        record.quarantined = session.quarantine.has(sqlite::position_of(found->id, ordinal));
        record.stale = !record.quarantined;
      }
      return record;
    });
  }

  Result<ErasedCounts> erase_device(std::string_view app, std::string_view device) override {
    return write<ErasedCounts>(
        [&](Writer::Session& session) { return session.audience.erase_device(app, device); });
  }

  Result<ErasedCounts> erase_subscriber(std::string_view app,
                                        std::string_view subscriber) override {
    return write<ErasedCounts>([&](Writer::Session& session) {
      return session.audience.erase_subscriber(app, subscriber);
    });
  }

  Result<bool> subscribe(std::string_view app, std::string_view topic, std::string_view subscriber,
                         std::int64_t) override {
    return write<bool>([&](Writer::Session& session) {
      return session.audience.subscribe(app, topic, subscriber);
    });
  }

  Result<bool> unsubscribe(std::string_view app, std::string_view topic,
                           std::string_view subscriber) override {
    return write<bool>([&](Writer::Session& session) {
      return session.audience.unsubscribe(app, topic, subscriber);
    });
  }

  Result<bool> subscribe_device(std::string_view app, std::string_view topic,
                                std::string_view device) override {
    return write<bool>([&](Writer::Session& session) {
      return session.audience.subscribe_device(app, topic, device);
    });
  }

  Result<bool> unsubscribe_device(std::string_view app, std::string_view topic,
                                  std::string_view device) override {
    return write<bool>([&](Writer::Session& session) {
      return session.audience.unsubscribe_device(app, topic, device);
    });
  }

  Result<StaleSweep> sweep_stale(std::string_view app, StaleAction action, std::int64_t before_ms,
                                 DevicePosition after, std::size_t subscribers_max) override {
    return write<StaleSweep>([&](Writer::Session& session) {
      return session.audience.sweep_stale(app, action, before_ms, after, subscribers_max);
    });
  }

  Result<std::vector<QuarantinedDevice>> quarantine(std::string_view app, DevicePosition after,
                                                    std::size_t limit) override {
    return readers_.with([&](ReadSession& session) {
      std::vector<QuarantinedDevice> devices;
      const auto id = session.audience.app(app);
      if (!id) return devices;
      sqlite::Subscriber subscriber;
      for (sqlite::QuarantineRow& row : session.quarantine.rows(*id, after, limit)) {
        const sqlite::Subscriber::Device* device =
            session.audience.subscriber(sqlite::subscriber_of(row.position), subscriber)
                ? subscriber.device_at(sqlite::ordinal_of(row.position))
                : nullptr;
        if (!device) sqlite::fail_corrupt("a device in quarantine");
        devices.push_back({.position = row.position,
                           .device = device->name,
                           .platform = row.platform,
                           .reason = std::move(row.reason),
                           .dead_since_ms = row.dead_since_ms,
                           .at_ms = row.at_ms});
      }
      return devices;
    });
  }

  Result<PlatformCounts> count_quarantine(std::string_view app) override {
    return readers_.with([&](ReadSession& session) {
      const auto id = session.audience.app(app);
      return id ? session.quarantine.counts(*id) : PlatformCounts{};
    });
  }

  Result<QuarantineStep> decide_quarantine(std::string_view app, QuarantineAction action,
                                           std::optional<Platform> platform, DevicePosition after,
                                           std::size_t limit) override {
    return write<QuarantineStep>([&](Writer::Session& session) {
      return session.audience.decide_quarantine(app, action, platform, after, limit);
    });
  }

  Result<QuarantineStep> decide_quarantine(std::string_view app, QuarantineAction action,
                                           std::span<const std::string> devices) override {
    return write<QuarantineStep>([&](Writer::Session& session) {
      return session.audience.decide_quarantine(app, action, devices);
    });
  }

  Result<AudienceCount> count(std::string_view app, const Audience& audience) override {
    return readers_.with([&](ReadSession& session) {
      if (auto error = sqlite::check_name("the app's name", app)) {
        throw sqlite::StoreFailure{*std::move(error)};
      }
      if (auto error = sqlite::check_audience(audience)) {
        throw sqlite::StoreFailure{*std::move(error)};
      }
      const auto expression = sqlite::compile_audience(session.audience, app, audience);
      return session.census.count(expression);
    });
  }

  Result<std::unique_ptr<DeviceExport>> export_devices(std::string_view app) override {
    return readers_.with([&](ReadSession& session) -> std::unique_ptr<DeviceExport> {
      const std::string folder = sqlite::folder_for_copies(options_.path);
      sqlite::require_room(folder, bytes_of(session.database), options_.export_bytes_free_max);
      const auto access =
          access_ == Database::Access::kSettled ? access_ : Database::Access::kReadOnly;
      return sqlite::make_device_export({.path = options_.path,
                                         .folder = folder,
                                         .app = std::string(app),
                                         .access = access,
                                         .busy_wait = options_.busy_wait});
    });
  }

  Result<TopicRecord> topic(std::string_view app, std::string_view topic) override {
    return readers_.with([&](ReadSession& session) {
      const auto id = session.audience.app(app);
      const auto found = id ? session.audience.topic(*id, topic) : std::nullopt;
      if (!found) fail(Error::Kind::kNotFound, "there is no such topic");
      return TopicRecord{.topic = std::string(topic),
                         .subscribers = found->subscribers,
                         .devices = found->devices};
    });
  }

  using Store::accept;
  void accept(NewEvent event, std::function<void(Result<AcceptedEvent>)> done) override {
    if (!writer_) return done(tl::unexpected(read_only_error()));
    struct Waiting {
      NewEvent event;
      AcceptedEvent accepted;
      std::function<void(Result<AcceptedEvent>)> done;
    };
    const auto waiting = std::make_shared<Waiting>(Waiting{std::move(event), {}, std::move(done)});
    writer_->submit(
        [waiting](Writer::Session& session) {
          waiting->accepted = session.events.accept(waiting->event);
        },
        Writer::Company::kShared,
        [waiting](Result<void> result) {
          if (!result) return waiting->done(tl::unexpected(std::move(result.error())));
          waiting->done(waiting->accepted);
        });
  }

  Result<EventRecord> event(const EventId& id) override {
    return readers_.with([&](ReadSession& session) {
      auto found = session.events.event(session.audience, id);
      if (!found) fail(Error::Kind::kNotFound, "there is no such event");
      return *std::move(found);
    });
  }

  Result<std::vector<EventRecord>> events(const EventId& before, std::size_t limit) override {
    return readers_.with([&](ReadSession& session) {
      return session.events.events(session.audience, before, limit);
    });
  }

  Result<std::vector<Job>> unfinished_jobs() override {
    return readers_.with([](ReadSession& session) { return session.events.unfinished_jobs(); });
  }

  Result<std::vector<Job>> jobs(const EventId& event) override {
    return readers_.with([&](ReadSession& session) {
      if (!session.events.row_of(event)) fail(Error::Kind::kNotFound, "there is no such event");
      return session.events.jobs(event);
    });
  }

  Result<std::unique_ptr<AudienceScan>> scan(const JobKey& job) override {
    return readers_.with([&](ReadSession& session) -> std::unique_ptr<AudienceScan> {
      return std::make_unique<SqliteAudienceScan>(readers_, audience_of(session, job));
    });
  }

  Result<DueRetries> due_retries(const JobKey& job, std::int64_t now_ms, std::size_t limit,
                                 std::span<const DevicePosition> handed_out) override {
    return readers_.with([&](ReadSession& session) {
      const sqlite::FrozenAudience audience = audience_of(session, job);
      DueRetries found;
      session.events.each_retry(audience.event, job.platform, [&](Retry retry) {
        if (std::binary_search(handed_out.begin(), handed_out.end(), retry.position)) return true;
        if (retry.due_ms > now_ms || found.due.size() >= limit) {
          found.next_due_ms = retry.due_ms;
          return false;
        }
        found.due.push_back({.retry = std::move(retry), .token = {}});
        return true;
      });
      for (DueRetry& due : found.due) {
        auto device = session.pages.device_of(session.audience, audience, due.retry.position);
        if (!device) continue;
        due.token = std::move(device->token);
        due.locale = device->locale;
      }
      return found;
    });
  }

  void record(std::vector<Checkpoint> checkpoints, std::int64_t now_ms,
              std::function<void(Result<void>)> done) override {
    if (!writer_) return done(tl::unexpected(read_only_error()));
    writer_->submit([checkpoints = std::move(checkpoints), now_ms](
                        Writer::Session& session) { session.events.record(checkpoints, now_ms); },
                    Writer::Company::kShared, std::move(done));
  }

  Result<FailurePage> failures(const EventId& id, const FailureQuery& query) override {
    return readers_.with(
        [&](ReadSession& session) { return report_of(session).failures(id, query); });
  }

  Result<DeviceFate> explain(const EventId& id, std::string_view device) override {
    return readers_.with(
        [&](ReadSession& session) { return report_of(session).explain(id, device); });
  }

  Result<OutcomePage> outcomes(std::uint64_t after, std::size_t limit) override {
    return readers_.with([&](ReadSession& session) {
      return session.outcomes.read(session.audience, after, limit);
    });
  }

  Result<std::uint64_t> forget_outcomes(std::int64_t before_ms) override {
    return write<std::uint64_t>(
        [&](Writer::Session& session) { return session.audience.outcomes().forget(before_ms); });
  }

  Result<Replayed> replay(const EventId& id, const ReplayWish& wish, std::int64_t now_ms) override {
    return write<Replayed>(
        [&](Writer::Session& session) { return session.events.replay(id, wish, now_ms); },
        Writer::Company::kAlone);
  }

  Result<void> put_key(const ApiKey& key) override {
    return change([&](Writer::Session& session) { session.events.put_key(key); });
  }

  Result<std::vector<ApiKey>> keys() override {
    return readers_.with([](ReadSession& session) { return session.events.keys(); });
  }

  Result<void> revoke_key(std::string_view name, std::int64_t now_ms) override {
    return change([&](Writer::Session& session) { session.events.revoke_key(name, now_ms); });
  }

  Result<std::uint64_t> forget_idempotency_keys(std::int64_t before_ms) override {
    return write<std::uint64_t>([&](Writer::Session& session) {
      return session.events.forget_idempotency_keys(before_ms);
    });
  }

  Result<CompactionStep> compact(const CompactionPlace& place, std::size_t bytes_max) override {
    return write<CompactionStep>(
        [&](Writer::Session& session) {
          return session.compaction().step(place, bytes_max, session.audience.oldest_running());
        },
        Writer::Company::kAlone);
  }

  Result<void> check_writable() override {
    return change([](Writer::Session& session) { session.audience.probe(); });
  }

  Result<StoreStats> stats() override {
    return readers_.with([&](ReadSession& session) {
      const auto counts = session.events.counts();
      StoreStats stats{
          .devices = counts.devices, .subscribers = counts.subscribers, .topics = counts.topics};
      stats.quarantined = session.quarantine.total();
      stats.file_bytes = bytes_of(session.database);
      stats.free_bytes = static_cast<std::uint64_t>(session.database.pragma("freelist_count") *
                                                    session.database.pragma("page_size"));
      stats.shrinks = sqlite::can_shrink(session.database);
      std::error_code gone;  // a log that is not there has no bytes
      const auto wal_bytes = std::filesystem::file_size(options_.path + "-wal", gone);
      stats.wal_bytes = gone ? 0 : wal_bytes;
      if (writer_) {
        stats.commits = writer_->commits();
        stats.committed_requests = writer_->committed_requests();
      }
      return stats;
    });
  }

 private:
  Error read_only_error() const {
    return {Error::Kind::kInvalid, fmt::format("the store {} is open to read only", options_.path)};
  }

  static std::uint64_t bytes_of(Database& database) {
    return static_cast<std::uint64_t>(database.pragma("page_count") * database.pragma("page_size"));
  }

  Result<void> change(Writer::Apply apply, Writer::Company company = Writer::Company::kShared) {
    if (!writer_) return tl::unexpected(read_only_error());
    return writer_->run(std::move(apply), company);
  }

  template <class T, class Apply>
  Result<T> write(Apply apply, Writer::Company company = Writer::Company::kShared) {
    std::optional<T> value;
    auto result = change([&](Writer::Session& session) { value = apply(session); }, company);
    if (!result) return tl::unexpected(std::move(result.error()));
    return *std::move(value);
  }

  static sqlite::FrozenAudience audience_of(ReadSession& session, const JobKey& job) {
    const auto audience = session.events.frozen_audience(session.audience, job);
    if (!audience) fail(Error::Kind::kNotFound, "there is no such job");
    return *audience;
  }

  static sqlite::EventReport report_of(ReadSession& session) {
    return {session.database, session.audience, session.events, session.pages};
  }

  static DeviceRecord record_of(sqlite::AudienceTables& audience,
                                const sqlite::AudienceTables::Found& found) {
    const sqlite::Subscriber& subscriber = found.subscriber;
    const sqlite::Subscriber::Device& device = subscriber.devices[found.index];
    const auto hot = audience.device_at(sqlite::position_of(found.id, device.ordinal));
    if (!hot) sqlite::fail_corrupt("a device that its subscriber still has");
    DeviceRecord record;
    record.device = device.name;
    record.platform = hot->platform;
    record.token = hot->token;
    record.subscriber = subscriber.name;
    record.locale = audience.text(hot->locale);
    record.timezone = audience.text(device.timezone);
    record.registered_ms = device.registered_ms;
    record.last_seen_ms = device.seen_day * kLastSeenStepMs;
    record.stale = device.stale;
    for (const std::uint32_t topic : subscriber.topics) {
      record.topics.push_back(audience.topic_name(topic));
    }
    for (const std::uint32_t topic : device.topics) {
      record.device_topics.push_back(audience.topic_name(topic));
    }
    if (device.traits) {
      sqlite::Traits traits = audience.traits_at(sqlite::position_of(found.id, device.ordinal));
      record.app_version = std::move(traits.app_version);
      for (auto& [name, value] : traits.attributes) {
        record.attributes.push_back({audience.attribute_name(name), std::move(value)});
      }
    }
    std::sort(record.attributes.begin(), record.attributes.end(),
              [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
    std::sort(record.device_topics.begin(), record.device_topics.end());
    std::sort(record.topics.begin(), record.topics.end());
    return record;
  }

  const SqliteStoreOptions options_;
  const std::unique_ptr<sqlite::StoreLock> lock_;
  const Database::Access access_;
  ReaderPool readers_;
  std::unique_ptr<Writer> writer_;  // null: to read only. Goes first: what is queued is applied
  std::optional<sqlite::ReadAhead> read_ahead_;
};

// How a store that is not to be changed can be read; fails if it is not one of this format.
Database::Access reading_access(const SqliteStoreOptions& options) {
  const auto look = [&](Database::Access access) {
    Database database(options.path, access);
    database.wait_when_busy(options.busy_wait);
    if (sqlite::identify(database) == sqlite::FileState::kEmpty) {
      fail(Error::Kind::kCorrupt,
           fmt::format("{} is empty and not a store: check the path", options.path));
    }
    if (const auto version = database.pragma("user_version"); version < sqlite::kFormatVersion) {
      fail(
          Error::Kind::kInvalid,
          fmt::format("the store {} has format {}, and this Carillon reads {}: it is brought there "
                      "when it is first opened to write",
                      options.path, version, sqlite::kFormatVersion));
    }
    return access;
  };
  try {
    return look(Database::Access::kReadOnly);
  } catch (const sqlite::StoreFailure& failure) {
    const bool may_be_settled =
        failure.error.kind == Error::Kind::kIo && sqlite::SettledFile::is(options.path);
    if (!may_be_settled) throw;
    return look(Database::Access::kSettled);
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteStoreOptions& options) {
  try {
    std::error_code ignored;
    const bool must_exist = !options.create || options.read_only;
    if (must_exist && !std::filesystem::exists(options.path, ignored)) {
      fail(Error::Kind::kNotFound,
           fmt::format("there is no store at {}: check the path", options.path));
    }
    if (options.read_only) return std::make_unique<SqliteStore>(options, reading_access(options));
    return std::make_unique<SqliteStore>(options);
  } catch (const sqlite::StoreFailure& failure) {
    return tl::unexpected(failure.error);
  }
}

}  // namespace carillon::store
