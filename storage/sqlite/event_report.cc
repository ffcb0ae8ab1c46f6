#include "storage/sqlite/event_report.h"

#include <algorithm>
#include <vector>

#include "storage/sqlite/position_list.h"

namespace carillon::store::sqlite {
namespace {

Failure::Outcome outcome_from(std::int64_t value) {
  if (value < 1 || value > 3) fail_corrupt("a failure's outcome");
  return static_cast<Failure::Outcome>(value);
}

std::uint64_t counted_only(const Job& job) {
  const Counters& counters = job.counters;
  const std::uint64_t failed = counters.rejected + counters.expired + counters.dead_lettered;
  return failed > job.failure_rows ? failed - job.failure_rows : 0;
}

DeviceFate::Kind kind_of(Failure::Outcome outcome) {
  switch (outcome) {
    case Failure::Outcome::kRejected:
      return DeviceFate::Kind::kRejected;
    case Failure::Outcome::kExpired:
      return DeviceFate::Kind::kExpired;
    case Failure::Outcome::kDeadLettered:
      break;
  }
  return DeviceFate::Kind::kDeadLettered;
}

}  // namespace

EventReport::EventReport(Database& database, AudienceTables& audience, EventTables& events,
                         AudiencePages& pages)
    : database_(database),
      audience_(audience),
      events_(events),
      pages_(pages),
      page_(database_,
            "SELECT platform, position, outcome, reason, attempts, at_ms, token_dead FROM failure "
            "WHERE event = ?1 AND (platform, position) > (?2, ?3) AND (?4 = 0 OR platform = ?4) "
            "AND (?5 = 0 OR outcome = ?5) ORDER BY platform, position LIMIT ?6"),
      failure_(database_,
               "SELECT outcome, reason, attempts, at_ms FROM failure WHERE event = ? AND platform "
               "= ? AND position = ?"),
      retry_(database_,
             "SELECT due_ms, attempts, reason FROM retry WHERE event = ? AND platform = ? AND "
             "position = ?"),
      window_(database_, "SELECT d FROM frozen WHERE event = ? AND first = ?"),
      named_(database_, "SELECT positions FROM audience WHERE event = ? AND platform = ?"),
      quarantined_(database_, "SELECT 1 FROM quarantine WHERE position = ?"),
      removed_(database_,
               "SELECT at_ms, platform, reason FROM outcome WHERE app = ? AND device = ? "
               "ORDER BY n DESC LIMIT 1"),
      first_later_(database_, "SELECT subscribers FROM event WHERE n = ?"),
      without_provider_(
          database_, "SELECT count FROM reason WHERE event = ? AND platform = ? AND reason = ?") {}

std::int64_t EventReport::row_of(const EventId& event) {
  const auto row = events_.row_of(event);
  if (!row) fail(Error::Kind::kNotFound, "there is no such event");
  return *row;
}

FailurePage EventReport::failures(const EventId& event, const FailureQuery& query) {
  if (query.limit < 1 || query.limit > kFailuresPageMax) {
    fail(Error::Kind::kInvalid, "a page of failures has 1 to 1,000");
  }
  const std::int64_t row = row_of(event);
  FailurePage page;
  for (const Job& job : events_.jobs(event)) page.counted_only += counted_only(job);
  const FailurePlace after = query.after.value_or(FailurePlace{static_cast<Platform>(0), 0});
  const int platform = query.platform ? static_cast<int>(*query.platform) : 0;
  const int outcome = query.outcome ? static_cast<int>(*query.outcome) : 0;
  Cursor found = page_.rows(row, static_cast<int>(after.platform), after.position, platform,
                            outcome, query.limit + 1);
  while (found.next()) {
    if (page.failures.size() == query.limit) {  // one more than is shown: there is a next page
      const FailureRecord& last = page.failures.back();
      page.next = {last.platform, last.failure.position};
      break;
    }
    page.failures.push_back({.platform = static_cast<Platform>(found.integer(0)),
                             .device = audience_.name_at(found.natural(1)),
                             .failure = {.position = found.natural(1),
                                         .outcome = outcome_from(found.integer(2)),
                                         .reason = found.text(3),
                                         .attempts = static_cast<std::uint32_t>(found.integer(4)),
                                         .at_ms = found.integer(5),
                                         .token_dead = found.integer(6) != 0}});
  }
  return page;
}

bool EventReport::failed(const At& at, DeviceFate& fate) {
  Cursor row = failure_.rows(at.event, static_cast<int>(at.platform), at.position);
  if (!row.next()) return false;
  fate.kind = kind_of(outcome_from(row.integer(0)));
  fate.exact = true;
  fate.reason = row.text(1);
  fate.attempts = static_cast<std::uint32_t>(row.integer(2));
  fate.at_ms = row.integer(3);
  return true;
}

bool EventReport::retried(const At& at, DeviceFate& fate) {
  Cursor row = retry_.rows(at.event, static_cast<int>(at.platform), at.position);
  if (!row.next()) return false;
  fate.kind = DeviceFate::Kind::kPending;
  fate.exact = true;
  fate.next_attempt_ms = row.integer(0);
  fate.attempts = static_cast<std::uint32_t>(row.integer(1));
  fate.reason = row.text(2);
  return true;
}

// Whether it was written down at accept. What one topic's audience is, marks of who came later say;
// what was written down for a condition is gone when the event has ended.
bool EventReport::was_frozen(const FrozenAudience& audience, DevicePosition position,
                             bool running) {
  if (audience.expression) {
    if (!running) return true;
    const std::uint32_t subscriber = subscriber_of(position);
    const std::uint32_t base = subscriber - subscriber % kWindowSubscribers;
    Cursor row = window_.rows(audience.event, base);
    if (!row.next()) return false;
    FrozenWindow frozen;
    decode_frozen(base, row.bytes(0), frozen);
    return frozen.whole.test(subscriber - base) ||
           std::binary_search(frozen.devices.begin(), frozen.devices.end(), position);
  }
  if (audience.topic != 0) return true;
  std::vector<DevicePosition> positions;
  for (Cursor row = named_.rows(audience.event, static_cast<int>(audience.platform)); row.next();) {
    decode_positions(row.bytes(0), positions);
  }
  return std::find(positions.begin(), positions.end(), position) != positions.end();
}

// Which device it was is not known any more, so neither is what became of it; when it went is.
bool EventReport::removed(std::uint32_t app, std::string_view device, std::int64_t accepted_ms,
                          DeviceFate& fate) {
  Cursor row = removed_.rows(app, device);
  if (!row.next()) return false;
  fate.kind = DeviceFate::Kind::kRemoved;
  fate.at_ms = row.integer(0);
  fate.platform = static_cast<Platform>(row.integer(1));
  fate.reason = row.text(2);
  fate.removed_before = fate.at_ms < accepted_ms;
  fate.exact = fate.removed_before;
  return true;
}

bool EventReport::came_later(const FrozenAudience& audience, DevicePosition position) {
  const auto device = audience_.device_at(position);
  if (device && device->since > audience.frozen) return true;
  if (audience.topic == 0) return false;
  const auto whole = audience_.member(audience.topic, subscriber_of(position));
  const auto single = audience_.device_member(audience.topic, position);
  const bool hears = whole || single;
  const bool heard = (whole && *whole <= audience.frozen) || (single && *single <= audience.frozen);
  return hears && !heard;
}

// Of an event that is over, whose marks are gone. Names are kept, and what changes of a subscriber
// leaves the clock's number in their row.
bool EventReport::may_have_come_later(const FrozenAudience& audience, std::uint64_t first_later,
                                      const Subscriber& subscriber) {
  if (!audience.expression && audience.topic == 0) return false;
  return first_later == 0 || subscriber.changed_at > audience.frozen;
}

// Its turn is over and it has no row: the provider took it, or it was suppressed as there was none,
// which is counted only. Both can be of one event, when a provider is configured or taken away
// between two starts.
void EventReport::passed(const At& at, const Job& job, DeviceFate& fate) {
  fate.kind = DeviceFate::Kind::kAccepted;
  fate.counted_only = counted_only(job);
  Cursor row = without_provider_.rows(at.event, static_cast<int>(at.platform), kNoProvider);
  if (!row.next()) return;
  fate.without_provider = row.natural(0);
  if (fate.without_provider == 0) return;
  fate.kind = DeviceFate::Kind::kNotKnown;
  if (job.counters.accepted != 0) return;
  fate.kind = DeviceFate::Kind::kSuppressed;
  fate.reason = kNoProvider;
  fate.exact = fate.counted_only == 0;
}

DeviceFate EventReport::explain(const EventId& id, std::string_view name) {
  const std::int64_t row = row_of(id);
  const auto event = events_.event(audience_, id);
  const auto app = event ? audience_.app(event->app) : std::nullopt;
  const auto found = app ? audience_.find_device(*app, name) : std::nullopt;
  DeviceFate fate;
  if (!found) {
    if (app) removed(*app, name, event->accepted_ms, fate);
    return fate;
  }
  const Subscriber::Device& device = found->subscriber.devices[found->index];
  const At at{row, device.platform, position_of(found->id, device.ordinal)};
  fate.platform = device.platform;
  std::uint64_t first_later = 0;
  if (Cursor known = first_later_.rows(row); known.next()) first_later = known.natural(0);
  if (first_later != 0 && found->id >= first_later) {
    fate.kind = DeviceFate::Kind::kCameLater;
    fate.exact = true;
    return fate;
  }
  const std::vector<Job> jobs = events_.jobs(id);
  const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const Job& one) {
    return one.key.platform == device.platform;
  });
  if (job == jobs.end()) {
    fate.kind = DeviceFate::Kind::kNotInAudience;
    fate.exact = device.registered_ms <= event->accepted_ms;  // it has not changed its platform
    return fate;
  }
  if (failed(at, fate) || retried(at, fate)) return fate;
  if (device.stale) {
    const bool quarantined = quarantined_.rows(at.position).next();
    fate.kind = quarantined ? DeviceFate::Kind::kQuarantined : DeviceFate::Kind::kStale;
    return fate;
  }
  const auto audience = events_.frozen_audience(audience_, job->key);
  if (!audience) fail_corrupt("a job");
  const bool running = !is_finished(job->state);
  if (!was_frozen(*audience, at.position, running) ||
      !pages_.device_of(audience_, *audience, at.position)) {
    fate.kind = came_later(*audience, at.position) ? DeviceFate::Kind::kCameLater
                                                   : DeviceFate::Kind::kNotInAudience;
    return fate;
  }
  if (!running && may_have_come_later(*audience, first_later, found->subscriber)) {
    fate.kind = DeviceFate::Kind::kNotKnown;
    return fate;
  }
  const bool passed = at.position <= job->cursor ||
                      std::binary_search(job->beyond.begin(), job->beyond.end(), at.position);
  if (passed || job->state == EventState::kCompleted) {
    this->passed(at, *job, fate);
  } else if (job->state == EventState::kCancelled || job->cancelling) {
    fate.kind = DeviceFate::Kind::kCancelled;
  } else {
    fate.kind = DeviceFate::Kind::kPending;
    fate.exact = true;
  }
  return fate;
}

}  // namespace carillon::store::sqlite
