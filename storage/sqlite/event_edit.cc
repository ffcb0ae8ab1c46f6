#include "storage/sqlite/event_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "storage/sqlite/audience_code.h"
#include "storage/sqlite/name_check.h"
#include "storage/sqlite/position_list.h"

namespace carillon::store::sqlite {
namespace {

// Positions in one row of `audience`: some 8 KiB, read whole for every page of a scan.
constexpr std::size_t kPositionsPerRow = 4096;
constexpr std::size_t kReasonBytesMax = 256;
// What is counted when a device left the audience before its turn.
constexpr std::string_view kLeftAudience = "LeftAudience";
constexpr std::array<std::uint64_t, 4> kMarksPercent = {50, 95, 99, 100};

[[noreturn]] void refuse(std::string message) {
  fail(Error::Kind::kInvalid, std::move(message));
}

std::string_view bytes_of(const std::array<std::uint8_t, 32>& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void check_event(const NewEvent& event) {
  const auto require = [](std::optional<Error> error) {
    if (error) throw StoreFailure{*std::move(error)};
  };
  require(check_name("the app's name", event.app));
  require(check_audience(event.audience));
  if (event.content.size() > kContentBytesMax) {
    refuse(fmt::format("the event's content is longer than {} bytes", kContentBytesMax));
  }
  if (event.idempotency_key.size() > kIdempotencyKeyBytesMax) {
    refuse(fmt::format("the idempotency key is longer than {} bytes", kIdempotencyKeyBytesMax));
  }
  if (event.priority < 1 || event.priority > 3) refuse("the priority is not 1, 2 or 3");
}

void check_checkpoint(const Checkpoint& checkpoint, const Counters& counters,
                      DevicePosition cursor) {
  const Counters& added = checkpoint.added;
  if (added.targeted != 0) refuse("a checkpoint cannot add to what is targeted");
  std::uint64_t left = counters.pending();
  for (const std::uint64_t count : {added.accepted, added.rejected, added.expired, added.suppressed,
                                    added.cancelled, added.dead_lettered}) {
    if (count > left) refuse("the checkpoint settles more devices than are pending");
    left -= count;
  }
  if (checkpoint.cursor < cursor) refuse("the checkpoint moves the cursor backwards");
  DevicePosition previous = checkpoint.cursor;
  for (const DevicePosition position : checkpoint.beyond) {
    if (position <= previous) refuse("the positions beyond the cursor are not ascending");
    previous = position;
  }
  for (const auto& [reason, count] : checkpoint.reasons) {
    if (reason.size() > kReasonBytesMax) refuse("a reason is too long");
  }
}

EventKind kind_of(const Audience& audience) {
  const bool subscribers = !audience.subscribers.empty(), devices = !audience.devices.empty();
  if (audience.condition || audience.topics.size() > 1) return kSeveral;
  if (!audience.topics.empty()) return subscribers || devices ? kSeveral : kOneTopic;
  return subscribers && devices ? kNames : subscribers ? kSubscribers : kDevices;
}

EventState combined(std::span<const EventState> states) {
  const auto any = [&](EventState state) {
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  if (std::all_of(states.begin(), states.end(), is_finished)) {
    return any(EventState::kCancelled) ? EventState::kCancelled : EventState::kCompleted;
  }
  if (any(EventState::kRunning)) return EventState::kRunning;
  if (any(EventState::kPaused)) return EventState::kPaused;
  return std::any_of(states.begin(), states.end(), is_finished) ? EventState::kRunning
                                                                : EventState::kQueued;
}

}  // namespace

EventEdit::EventEdit(Database& database, AudienceEdit& audience)
    : database_(database),
      audience_(audience),
      tables_(database),
      census_(database, audience.tables()),
      insert_event_(database,
                    "INSERT INTO event (id, app, kind, topic, names, priority, state, accepted_ms, "
                    "expires_ms, first_ms, last_ms, settled_50_ms, settled_95_ms, settled_99_ms, "
                    "settled_100_ms, content, subscribers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                    "?8, ?9, 0, 0, 0, 0, 0, 0, ?10, ?11)"),
      complete_event_(database,
                      "UPDATE event SET state = ?2, settled_50_ms = ?3, settled_95_ms = ?3, "
                      "settled_99_ms = ?3, settled_100_ms = ?3 WHERE n = ?1"),
      define_event_(database, "UPDATE event SET definition = ?2 WHERE n = ?1"),
      insert_frozen_(database, "INSERT INTO frozen VALUES (?, ?, ?)"),
      erase_frozen_(database, "DELETE FROM frozen WHERE event = ?"),
      erase_named_(database, "DELETE FROM audience WHERE event = ? AND platform = 0"),
      insert_job_(database,
                  "INSERT INTO job VALUES (?1, ?2, ?3, ?4, 1, ?5, 0, 0, 0, 0, 0, 0, 0, 0, 0, x'', "
                  "0, 0)"),
      insert_audience_(database, "INSERT INTO audience VALUES (?, ?, ?, ?)"),
      find_idempotency_(database,
                        "SELECT event, digest FROM idempotency WHERE app = ? AND key = ?"),
      insert_idempotency_(database, "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)"),
      targeted_(database,
                "SELECT job.platform, job.targeted FROM job JOIN event ON event.n = job.event "
                "WHERE event.id = ?"),
      job_(database,
           "SELECT job.event, job.state, job.targeted, job.accepted, job.rejected, job.expired, "
           "job.suppressed, job.cancelled, job.dead_lettered, job.cursor, job.retries, "
           "job.cancelling, job.failure_rows "
           "FROM job JOIN event ON event.n = job.event WHERE event.id = ? AND job.platform = ?"),
      update_job_(
          database,
          "UPDATE job SET state = ?3, accepted = ?4, rejected = ?5, expired = ?6, "
          "suppressed = ?7, cancelled = ?8, dead_lettered = ?9, cursor = ?10, "
          "exhausted = ?11, retries = ?12, beyond = ?13, cancelling = ?14, failure_rows = ?15 "
          "WHERE event = ?1 AND platform = ?2"),
      update_retry_(database,
                    "UPDATE retry SET due_ms = ?4, attempts = ?5, reason = ?6 "
                    "WHERE event = ?1 AND platform = ?2 AND position = ?3"),
      insert_retry_(database, "INSERT INTO retry VALUES (?, ?, ?, ?, ?, ?)"),
      erase_retry_(database, "DELETE FROM retry WHERE event = ? AND platform = ? AND position = ?"),
      erase_retries_(database, "DELETE FROM retry WHERE event = ? AND platform = ?"),
      insert_failure_(database, "INSERT OR IGNORE INTO failure VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      replace_failure_(database, "INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      add_reason_(database,
                  "INSERT INTO reason VALUES (?1, ?2, ?3, ?4) ON CONFLICT (event, platform, "
                  "reason) DO UPDATE SET count = count + ?4"),
      event_sums_(
          database,
          "SELECT state, targeted, accepted + rejected + expired + suppressed + "
          "cancelled + dead_lettered, max(0, rejected + expired + dead_lettered - failure_rows) "
          "FROM job WHERE event = ?"),
      event_times_(database,
                   "SELECT first_ms, last_ms, settled_50_ms, settled_95_ms, settled_99_ms, "
                   "settled_100_ms, kind, state FROM event WHERE n = ?"),
      update_event_(database,
                    "UPDATE event SET state = ?2, first_ms = ?3, last_ms = ?4, settled_50_ms = ?5, "
                    "settled_95_ms = ?6, settled_99_ms = ?7, settled_100_ms = ?8 WHERE n = ?1"),
      insert_key_(database, "INSERT INTO api_key VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"),
      revoke_key_(database, "UPDATE api_key SET revoked_ms = ?2 WHERE name = ?1"),
      forget_idempotency_(database, "DELETE FROM idempotency WHERE accepted_ms < ?"),
      set_rate_(database, "UPDATE event SET rate_per_second = ?2 WHERE n = ?1"),
      failures_by_reason_(database,
                          "SELECT outcome, reason, sum(token_dead = 0), sum(token_dead) FROM "
                          "failure WHERE event = ? AND platform = ? GROUP BY outcome, reason"),
      retry_failures_(database,
                      "INSERT INTO retry SELECT event, platform, position, ?5, 0, reason FROM "
                      "failure WHERE event = ?1 AND platform = ?2 AND outcome = ?3 AND reason = ?4 "
                      "AND token_dead = 0"),
      erase_failures_(database,
                      "DELETE FROM failure WHERE event = ? AND platform = ? AND outcome = ? AND "
                      "reason = ? AND token_dead = 0"),
      take_reason_(database,
                   "UPDATE reason SET count = count - ?4 WHERE event = ?1 AND platform = ?2 AND "
                   "reason = ?3 AND count >= ?4"),
      erase_reason_(database, "DELETE FROM reason WHERE event = ? AND platform = ? AND count = 0"),
      reopen_job_(database,
                  "UPDATE job SET state = 2, rejected = ?3, expired = ?4, dead_lettered = ?5, "
                  "retries = ?6, failure_rows = ?7 WHERE event = ?1 AND platform = ?2"),
      frozen_of_(database, "SELECT frozen FROM job WHERE event = ? AND platform = ?"),
      set_expiry_(database, "UPDATE event SET expires_ms = ?2 WHERE n = ?1") {}

// --- accepting
// -------------------------------------------------------------------------------------

AcceptedEvent EventEdit::accept(const NewEvent& event) {
  check_event(event);
  const std::uint32_t app = audience_.app_id(event.app);
  if (!event.idempotency_key.empty()) {
    if (auto first = repeated(app, event)) return *first;
  }
  if (tables_.row_of(event.id)) refuse("an event with this id is there already");

  const EventKind kind = kind_of(event.audience);
  const std::int64_t row = insert_event(event, app, kind);
  if (!event.idempotency_key.empty()) {
    insert_idempotency_.run(app, std::string_view(event.idempotency_key), Blob{bytes_of(event.id)},
                            Blob{bytes_of(event.body_digest)}, event.accepted_ms);
  }
  const Resolved audience =
      kind == kSeveral ? resolve_several(row, event) : resolve(app, event.audience);
  std::uint64_t targeted = 0;
  for (const std::uint64_t count : audience.targeted) targeted += count;
  if (targeted == 0) {
    complete_event_.run(row, static_cast<int>(EventState::kCompleted), event.accepted_ms);
    audience_.outcomes().ended(row, EventState::kCompleted, 0, event.accepted_ms);
    if (kind == kSeveral) {
      erase_frozen_.run(row);
      erase_named_.run(row);
    }
  } else {
    const std::uint64_t frozen = audience_.freeze();
    audience_.runs(frozen);
    insert_jobs(row, audience, frozen);
  }
  return {.id = event.id, .repeated = false, .targeted = audience.targeted};
}

std::int64_t EventEdit::insert_event(const NewEvent& event, std::uint32_t app, EventKind kind) {
  const Audience& audience = event.audience;
  const std::string_view topic = kind == kOneTopic ? std::string_view(audience.topics.front()) : "";
  const std::string definition = kind >= kNames ? encode_audience(audience) : std::string();
  insert_event_.run(Blob{bytes_of(event.id)}, app, static_cast<std::int64_t>(kind), topic,
                    audience.subscribers.size() + audience.devices.size(), event.priority,
                    static_cast<int>(EventState::kQueued), event.accepted_ms, event.expires_ms,
                    Blob{event.content}, audience_.next_subscriber());
  const std::int64_t row = database_.last_row();
  if (kind >= kNames) define_event_.run(row, Blob{definition});
  return row;
}

// Everybody in the audience is written down: a subscriber of a dense one in a bit. What is written
// is read back through what they hear and are then, so that who left is not sent to.
EventEdit::Resolved EventEdit::resolve_several(std::int64_t row, const NewEvent& event) {
  Resolved resolved;
  const AudienceExpression expression =
      compile_audience(audience_.tables(), event.app, event.audience);
  insert_positions(row, 0, expression.positions);
  const AudienceCount count = census_.take(expression, [&](const FrozenWindow& window) {
    encoded_.clear();
    encode_frozen(window, encoded_);
    insert_frozen_.run(row, window.base, Blob{encoded_});
  });
  resolved.targeted = count.devices;
  return resolved;
}

std::optional<AcceptedEvent> EventEdit::repeated(std::uint32_t app, const NewEvent& event) {
  Cursor row = find_idempotency_.rows(app, std::string_view(event.idempotency_key));
  if (!row.next()) return std::nullopt;
  if (row.bytes(1) != bytes_of(event.body_digest)) {
    fail(Error::Kind::kMismatch, "the idempotency key was used with another body");
  }
  AcceptedEvent accepted{.id = {}, .repeated = true, .targeted = {}};
  if (row.bytes(0).size() != accepted.id.size()) fail_corrupt("an idempotency key");
  std::copy_n(row.bytes(0).data(), accepted.id.size(), reinterpret_cast<char*>(accepted.id.data()));
  for (Cursor job = targeted_.rows(Blob{bytes_of(accepted.id)}); job.next();) {
    const std::uint64_t platform = job.natural(0);
    if (platform < 1 || platform > kPlatforms) fail_corrupt("a job's platform");
    accepted.targeted[platform - 1] = job.natural(1);
  }
  return accepted;
}

EventEdit::Resolved EventEdit::resolve(std::uint32_t app, const Audience& audience) {
  Resolved resolved;
  AudienceTables& tables = audience_.tables();
  if (!audience.topics.empty()) {
    if (const auto topic = tables.topic(app, audience.topics.front())) {
      resolved.topic = topic->id;
      resolved.targeted = topic->devices;
    }
    return resolved;
  }
  std::vector<DevicePosition> positions;
  tables.resolve(app, audience, positions);
  for (const DevicePosition position : positions) {
    const auto device = tables.device_at(position);
    if (!device) fail_corrupt("a device that its subscriber still has");
    resolved.positions[static_cast<std::size_t>(device->platform) - 1].push_back(position);
  }
  for (std::size_t i = 0; i < kPlatforms; ++i) {
    resolved.targeted[i] = resolved.positions[i].size();
  }
  return resolved;
}

void EventEdit::insert_jobs(std::int64_t event, const Resolved& audience, std::uint64_t frozen) {
  for (std::size_t i = 0; i < kPlatforms; ++i) {
    if (audience.targeted[i] == 0) continue;
    insert_job_.run(event, i + 1, audience.topic, frozen, audience.targeted[i]);
    insert_positions(event, i + 1, audience.positions[i]);
  }
}

void EventEdit::insert_positions(std::int64_t event, std::size_t platform,
                                 std::span<const DevicePosition> positions) {
  for (auto rest = positions; !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kPositionsPerRow));
    encoded_.clear();
    encode_positions(part, encoded_);
    insert_audience_.run(event, platform, part.front(), Blob{encoded_});
    rest = rest.subspan(part.size());
  }
}

// --- recording
// -------------------------------------------------------------------------------------

void EventEdit::record(std::span<const Checkpoint> checkpoints, std::int64_t now_ms) {
  std::map<std::int64_t, bool> settles;  // whether anything of the event is, by event
  for (const Checkpoint& checkpoint : checkpoints) {
    const Recorded recorded = record_job(checkpoint, now_ms);
    settles[recorded.event] |= recorded.settles;
  }
  for (const auto& [event, any] : settles) update_event(event, any, now_ms);
}

EventEdit::JobRow EventEdit::job_row(const JobKey& key) {
  Cursor row = job_.rows(Blob{bytes_of(key.event)}, static_cast<int>(key.platform));
  if (!row.next()) fail(Error::Kind::kNotFound, "there is no such job");
  return {.event = row.integer(0),
          .state = static_cast<EventState>(row.integer(1)),
          .counters = EventTables::counters_from(row, 2),
          .cursor = row.natural(9),
          .retries = row.natural(10),
          .cancelling = row.integer(11) != 0,
          .failure_rows = row.natural(12)};
}

EventEdit::Recorded EventEdit::record_job(const Checkpoint& checkpoint, std::int64_t now_ms) {
  JobRow job = job_row(checkpoint.job);
  const std::uint64_t settled_before = job.counters.settled();
  const Platform platform = checkpoint.job.platform;
  if (is_finished(job.state)) refuse("the job is finished");
  check_checkpoint(checkpoint, job.counters, job.cursor);
  const Counters& added = checkpoint.added;
  job.counters.accepted += added.accepted;
  job.counters.rejected += added.rejected;
  job.counters.expired += added.expired;
  job.counters.suppressed += added.suppressed;
  job.counters.cancelled += added.cancelled;
  job.counters.dead_lettered += added.dead_lettered;
  record_retries(checkpoint, job);
  for (const auto& [reason, count] : checkpoint.reasons) {
    add_reason(job.event, platform, reason, count);
  }
  for (const Failure& failure : checkpoint.failures) {
    const auto put = [&](Statement& statement) {
      statement.run(job.event, static_cast<int>(platform), failure.position,
                    static_cast<int>(failure.outcome), std::string_view(failure.reason),
                    failure.attempts, failure.at_ms, failure.token_dead ? 1 : 0);
      return database_.changes() != 0;
    };
    audience_.outcomes().failed(job.event, platform, failure);
    if (put(insert_failure_)) {
      ++job.failure_rows;
    } else {
      put(replace_failure_);
    }
  }
  for (const TokenRemoval& removal : checkpoint.removals) {
    audience_.remove_dead(removal, platform, now_ms);
  }
  for (const TokenRemoval& word : checkpoint.quarantined) {
    audience_.quarantine_dead(word, platform, now_ms);
  }
  if (checkpoint.rate_per_second) set_rate_.run(job.event, *checkpoint.rate_per_second);
  cancel_job(checkpoint, job);
  finish_job(checkpoint, job);
  encoded_.clear();
  if (!is_finished(checkpoint.state)) encode_positions(checkpoint.beyond, encoded_);
  update_job_.run(job.event, static_cast<int>(platform), static_cast<int>(checkpoint.state),
                  job.counters.accepted, job.counters.rejected, job.counters.expired,
                  job.counters.suppressed, job.counters.cancelled, job.counters.dead_lettered,
                  checkpoint.cursor, checkpoint.exhausted ? 1 : 0, job.retries, Blob{encoded_},
                  job.cancelling ? 1 : 0, job.failure_rows);
  return {.event = job.event, .settles = job.counters.settled() > settled_before};
}

void EventEdit::record_retries(const Checkpoint& checkpoint, JobRow& job) {
  const int platform = static_cast<int>(checkpoint.job.platform);
  for (const Retry& retry : checkpoint.retries) {
    const std::string_view reason = retry.reason;
    update_retry_.run(job.event, platform, retry.position, retry.due_ms, retry.attempts, reason);
    if (database_.changes() != 0) continue;
    insert_retry_.run(job.event, platform, retry.position, retry.due_ms, retry.attempts, reason);
    ++job.retries;
  }
  // After what was inserted: a failed checkpoint may have become part of the one that settles it.
  for (const DevicePosition position : checkpoint.retries_done) {
    erase_retry_.run(job.event, platform, position);
    job.retries -= static_cast<std::uint64_t>(database_.changes());
  }
}

// All that is pending but those whose answers are still to come.
void EventEdit::cancel_job(const Checkpoint& checkpoint, JobRow& job) {
  if (!checkpoint.cancel_all_but) return;
  const std::uint64_t pending = job.counters.pending();
  if (*checkpoint.cancel_all_but > pending) refuse("more devices are unanswered than are pending");
  job.counters.cancelled += pending - *checkpoint.cancel_all_but;
  erase_retries_.run(job.event, static_cast<int>(checkpoint.job.platform));
  job.retries = 0;
  job.cancelling = true;
}

// What is pending when a job ends left the audience before its turn, or will not get its turn.
void EventEdit::finish_job(const Checkpoint& checkpoint, JobRow& job) {
  const Platform platform = checkpoint.job.platform;
  const std::uint64_t pending = job.counters.pending();
  if (job.cancelling && checkpoint.state == EventState::kCompleted) refuse("the job is cancelled");
  if (is_finished(checkpoint.state)) job.cancelling = false;
  if (checkpoint.state == EventState::kCompleted) {
    if (!checkpoint.exhausted) refuse("the job's audience was not read to its end");
    if (job.retries != 0) refuse("the job has retries left");
    job.counters.suppressed += pending;
    if (pending != 0) add_reason(job.event, platform, kLeftAudience, pending);
  } else if (checkpoint.state == EventState::kCancelled) {
    job.counters.cancelled += pending;
    erase_retries_.run(job.event, static_cast<int>(platform));
    job.retries = 0;
  }
}

void EventEdit::add_reason(std::int64_t event, Platform platform, std::string_view reason,
                           std::uint64_t count) {
  add_reason_.run(event, static_cast<int>(platform), reason, count);
}

void EventEdit::update_event(std::int64_t event, bool settles, std::int64_t now_ms) {
  std::vector<EventState> states;
  std::uint64_t targeted = 0, settled = 0, untold = 0;
  for (Cursor row = event_sums_.rows(event); row.next();) {
    states.push_back(static_cast<EventState>(row.integer(0)));
    targeted += row.natural(1);
    settled += row.natural(2);
    untold += row.natural(3);
  }
  std::int64_t first = 0, last = 0;
  std::array<std::int64_t, 4> marks{};
  bool written_down = false;  // in `frozen` and with its names
  bool ended_before = false;
  {
    Cursor row = event_times_.rows(event);
    if (!row.next()) fail_corrupt("an event");
    first = row.integer(0);
    last = row.integer(1);
    for (std::size_t i = 0; i < 4; ++i) marks[i] = row.integer(2 + static_cast<int>(i));
    written_down = row.integer(6) == kSeveral;
    ended_before = is_finished(static_cast<EventState>(row.integer(7)));
  }
  if (settles) {
    if (first == 0) first = now_ms;
    last = now_ms;
  }
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] == 0 && settled * 100 >= targeted * kMarksPercent[i]) marks[i] = now_ms;
  }
  // Nobody reads it again. Names stay: a replay asks again whether they are named.
  if (written_down && is_finished(combined(states))) erase_frozen_.run(event);
  const EventState state = combined(states);
  if (is_finished(state) && !ended_before) {
    audience_.outcomes().ended(event, state, untold, now_ms);
  }
  update_event_.run(event, static_cast<int>(state), first, last, marks[0], marks[1], marks[2],
                    marks[3]);
}

// --- keys
// ------------------------------------------------------------------------------------------

void EventEdit::put_key(const ApiKey& key) {
  if (auto error = check_name("the key's name", key.name)) throw StoreFailure{*std::move(error)};
  insert_key_.run(std::string_view(key.name), Blob{bytes_of(key.hash)}, key.scopes, key.created_ms,
                  key.revoked_ms);
  if (database_.changes() == 0) refuse(fmt::format("there is a key named {} already", key.name));
}

void EventEdit::revoke_key(std::string_view name, std::int64_t now_ms) {
  revoke_key_.run(name, now_ms);
  if (database_.changes() == 0) {
    fail(Error::Kind::kNotFound, fmt::format("there is no key named {}", name));
  }
}

std::uint64_t EventEdit::forget_idempotency_keys(std::int64_t before_ms) {
  forget_idempotency_.run(before_ms);
  return static_cast<std::uint64_t>(database_.changes());
}

}  // namespace carillon::store::sqlite
