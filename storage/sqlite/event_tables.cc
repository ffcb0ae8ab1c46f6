#include "storage/sqlite/event_tables.h"

#include <algorithm>

#include "storage/sqlite/audience_code.h"
#include "storage/sqlite/position_list.h"

namespace carillon::store::sqlite {
namespace {

constexpr const char* kEventColumns =
    "SELECT n, id, app, kind, topic, names, priority, state, accepted_ms, expires_ms, first_ms, "
    "last_ms, settled_50_ms, settled_95_ms, settled_99_ms, settled_100_ms, definition, "
    "rate_per_second FROM event ";
constexpr const char* kJobColumns =
    "SELECT event.id, job.platform, app.name, event.priority, event.accepted_ms, event.expires_ms, "
    "job.state, job.targeted, job.accepted, job.rejected, job.expired, job.suppressed, "
    "job.cancelled, job.dead_lettered, job.cursor, job.beyond, job.exhausted, job.retries, "
    "job.cancelling, job.failure_rows, event.rate_per_second "
    "FROM job JOIN event ON event.n = job.event JOIN app ON app.id = event.app ";

std::string sql(const char* head, const char* tail) {
  return std::string(head) + tail;
}

EventId id_from(std::string_view bytes) {
  EventId id{};
  if (bytes.size() != id.size()) fail_corrupt("an event's id");
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(id.data()));
  return id;
}

Platform platform_from(std::int64_t value) {
  if (value < 1 || value > static_cast<std::int64_t>(kPlatforms)) fail_corrupt("a platform");
  return static_cast<Platform>(value);
}

EventState state_from(std::int64_t value) {
  if (value < 1 || value > 5) fail_corrupt("a state");
  return static_cast<EventState>(value);
}

}  // namespace

EventTables::EventTables(Database& database)
    : row_of_(database, "SELECT n FROM event WHERE id = ?"),
      event_(database, sql(kEventColumns, "WHERE id = ?")),
      content_(database, "SELECT content FROM event WHERE n = ?"),
      events_(database, sql(kEventColumns, "WHERE id < ? ORDER BY id DESC LIMIT ?")),
      event_jobs_(
          database,
          "SELECT platform, state, targeted, accepted, rejected, expired, suppressed, "
          "cancelled, dead_lettered, cancelling FROM job WHERE event = ? ORDER BY platform"),
      event_reasons_(database,
                     "SELECT platform, reason, count FROM reason WHERE event = ? "
                     "ORDER BY platform, reason"),
      unfinished_(database,
                  sql(kJobColumns, "WHERE job.state <= 3 ORDER BY job.event, job.platform")),
      jobs_(database, sql(kJobColumns, "WHERE event.id = ? ORDER BY job.platform")),
      frozen_(database,
              "SELECT job.event, job.topic, job.frozen, event.kind, event.app, event.definition "
              "FROM job JOIN event ON event.n = job.event WHERE event.id = ? AND job.platform = ?"),
      named_(database,
             "SELECT positions FROM audience WHERE event = ? AND platform = 0 ORDER BY first"),
      retries_(database,
               "SELECT position, due_ms, attempts, reason FROM retry WHERE event = ? AND platform "
               "= ? ORDER BY due_ms, position"),
      keys_(database,
            "SELECT name, hash, scopes, created_ms, revoked_ms FROM api_key ORDER BY name"),
      counts_(database, "SELECT devices, subscribers, topics FROM meta") {}

Counters EventTables::counters_from(const Cursor& row, int column) {
  Counters counters{.targeted = row.natural(column),
                    .accepted = row.natural(column + 1),
                    .rejected = row.natural(column + 2),
                    .expired = row.natural(column + 3),
                    .suppressed = row.natural(column + 4),
                    .cancelled = row.natural(column + 5),
                    .dead_lettered = row.natural(column + 6)};
  if (counters.settled() > counters.targeted) fail_corrupt("a job's counters");
  return counters;
}

std::optional<std::int64_t> EventTables::row_of(const EventId& id) {
  Cursor row = row_of_.rows(Blob{bytes_of(id)});
  if (!row.next()) return std::nullopt;
  return row.integer(0);
}

void EventTables::read_event(AudienceTables& audience, const Cursor& row, EventRecord& event) {
  const std::int64_t n = row.integer(0);
  event.id = id_from(row.bytes(1));
  event.app = audience.app_name(static_cast<std::uint32_t>(row.integer(2)));
  const std::int64_t kind = row.integer(3);
  if (!row.null(16)) {
    DecodedAudience decoded = decode_audience(row.bytes(16));
    event.audience = std::move(decoded.audience);
    event.audience_subscribers = decoded.subscribers;
    event.audience_devices = decoded.devices;
  }
  if (kind == kOneTopic) event.audience.topics.push_back(row.text(4));
  if (kind == kSubscribers) event.audience_subscribers = row.natural(5);
  if (kind == kDevices) event.audience_devices = row.natural(5);
  event.priority = static_cast<std::uint8_t>(row.integer(6));
  event.state = state_from(row.integer(7));
  event.accepted_ms = row.integer(8);
  event.expires_ms = row.integer(9);
  event.first_ms = row.integer(10);
  event.last_ms = row.integer(11);
  for (int i = 0; i < 4; ++i) event.settled_ms[static_cast<std::size_t>(i)] = row.integer(12 + i);
  event.rate_per_second = static_cast<std::uint32_t>(row.integer(17));
  for (Cursor job = event_jobs_.rows(n); job.next();) {
    event.jobs.push_back({.platform = platform_from(job.integer(0)),
                          .state = state_from(job.integer(1)),
                          .counters = counters_from(job, 2),
                          .cancelling = job.integer(9) != 0});
  }
  for (Cursor reason = event_reasons_.rows(n); reason.next();) {
    event.reasons.push_back({.platform = platform_from(reason.integer(0)),
                             .reason = reason.text(1),
                             .count = reason.natural(2)});
  }
}

std::optional<EventRecord> EventTables::event(AudienceTables& audience, const EventId& id) {
  Cursor row = event_.rows(Blob{bytes_of(id)});
  if (!row.next()) return std::nullopt;
  EventRecord event;
  read_event(audience, row, event);
  Cursor content = content_.rows(row.integer(0));
  if (content.next()) event.content = content.bytes(0);
  return event;
}

std::vector<EventRecord> EventTables::events(AudienceTables& audience, const EventId& before,
                                             std::size_t limit) {
  // Longer than every id, so after every id.
  static constexpr std::string_view kAfterAll(
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 17);
  std::vector<EventRecord> events;
  Cursor row = events_.rows(Blob{before == EventId{} ? kAfterAll : bytes_of(before)}, limit);
  while (row.next()) read_event(audience, row, events.emplace_back());
  return events;
}

std::vector<Job> EventTables::read_jobs(Cursor rows) {
  std::vector<Job> jobs;
  while (rows.next()) {
    Job& job = jobs.emplace_back();
    job.key = {.event = id_from(rows.bytes(0)), .platform = platform_from(rows.integer(1))};
    job.app = rows.bytes(2);
    job.priority = static_cast<std::uint8_t>(rows.integer(3));
    job.accepted_ms = rows.integer(4);
    job.expires_ms = rows.integer(5);
    job.state = state_from(rows.integer(6));
    job.counters = counters_from(rows, 7);
    job.cursor = rows.natural(14);
    decode_positions(rows.bytes(15), job.beyond);
    job.exhausted = rows.integer(16) != 0;
    job.retries = rows.natural(17);
    job.cancelling = rows.integer(18) != 0;
    job.failure_rows = rows.natural(19);
    job.rate_per_second = static_cast<std::uint32_t>(rows.integer(20));
  }
  return jobs;
}

std::vector<Job> EventTables::unfinished_jobs() {
  return read_jobs(unfinished_.rows());
}

std::vector<Job> EventTables::jobs(const EventId& event) {
  return read_jobs(jobs_.rows(Blob{bytes_of(event)}));
}

std::optional<FrozenAudience> EventTables::frozen_audience(AudienceTables& tables,
                                                           const JobKey& job) {
  Cursor row = frozen_.rows(Blob{bytes_of(job.event)}, static_cast<int>(job.platform));
  if (!row.next()) return std::nullopt;
  FrozenAudience audience{.event = row.integer(0),
                          .platform = job.platform,
                          .topic = static_cast<std::uint32_t>(row.integer(1)),
                          .frozen = row.natural(2)};
  if (row.integer(3) != kSeveral) return audience;
  std::vector<DevicePosition> positions;
  for (Cursor part = named_.rows(audience.event); part.next();) {
    decode_positions(part.bytes(0), positions);
  }
  audience.expression = std::make_shared<const AudienceExpression>(
      compile_audience(tables, tables.app_name(static_cast<std::uint32_t>(row.integer(4))),
                       decode_audience(row.bytes(5)).audience, std::move(positions)));
  return audience;
}

std::vector<ApiKey> EventTables::keys() {
  std::vector<ApiKey> keys;
  for (Cursor row = keys_.rows(); row.next();) {
    ApiKey& key = keys.emplace_back();
    key.name = row.bytes(0);
    if (row.bytes(1).size() != key.hash.size()) fail_corrupt("an API key");
    std::copy_n(row.bytes(1).data(), key.hash.size(), reinterpret_cast<char*>(key.hash.data()));
    key.scopes = static_cast<std::uint32_t>(row.integer(2));
    key.created_ms = row.integer(3);
    key.revoked_ms = row.integer(4);
  }
  return keys;
}

EventTables::Counts EventTables::counts() {
  Cursor row = counts_.rows();
  if (!row.next()) fail_corrupt("its counters");
  return {.devices = row.natural(0), .subscribers = row.natural(1), .topics = row.natural(2)};
}

}  // namespace carillon::store::sqlite
