#include "storage/sqlite/outcome_log.h"

#include <algorithm>

namespace carillon::store::sqlite {
namespace {

using OutcomeKind = OutcomeRow::Kind;

// Rows beyond the limit are forgotten so many at a time.
constexpr std::uint64_t kForgottenTogether = 256;

constexpr int number_of(OutcomeKind kind) {
  return static_cast<int>(kind);
}

}  // namespace

OutcomeLog::OutcomeLog(Database& database)
    : database_(database),
      insert_removed_(
          database,
          "INSERT INTO outcome (at_ms, kind, app, platform, device, subscriber, reason, "
          "since_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      insert_failed_(database,
                     "INSERT INTO outcome (at_ms, kind, app, event, platform, position, outcome, "
                     "reason, attempts) VALUES (?1, ?2, (SELECT app FROM event WHERE n = ?3), ?3, "
                     "?4, ?5, ?6, ?7, ?8)"),
      insert_ended_(database,
                    "INSERT INTO outcome (at_ms, kind, app, event, untold) VALUES (?1, ?2, (SELECT "
                    "app FROM event WHERE n = ?3), ?3, ?4)"),
      erase_device_(database, "DELETE FROM outcome WHERE app = ? AND device = ?"),
      erase_subscriber_(database, "DELETE FROM outcome WHERE app = ? AND subscriber = ?"),
      forget_rows_(database, "DELETE FROM outcome WHERE n <= ?"),
      last_before_(database, "SELECT n, at_ms FROM outcome ORDER BY n LIMIT ?"),
      forgotten_(database, "SELECT through FROM outcome_forgotten"),
      set_forgotten_(database, "UPDATE outcome_forgotten SET through = ? WHERE through < ?1"),
      page_(database,
            "SELECT outcome.n, outcome.at_ms, outcome.kind, outcome.app, event.id, "
            "outcome.platform, outcome.position, outcome.outcome, outcome.reason, "
            "outcome.attempts, outcome.since_ms, outcome.device, outcome.subscriber, "
            "outcome.untold FROM outcome "
            "LEFT JOIN event ON event.n = outcome.event WHERE outcome.n > ? ORDER BY outcome.n "
            "LIMIT ?") {}

void OutcomeLog::token_removed(const Removed& removed) {
  if (rows_max_ == 0) return;
  insert_removed_.run(removed.at_ms, number_of(OutcomeKind::kTokenRemoved), removed.app,
                      static_cast<int>(removed.platform), removed.device, removed.subscriber,
                      removed.reason, removed.dead_since_ms);
  added();
}

void OutcomeLog::failed(std::int64_t event, Platform platform, const Failure& failure) {
  if (rows_max_ == 0) return;
  insert_failed_.run(failure.at_ms, number_of(OutcomeKind::kFailed), event,
                     static_cast<int>(platform), failure.position,
                     static_cast<int>(failure.outcome), std::string_view(failure.reason),
                     failure.attempts);
  added();
}

void OutcomeLog::ended(std::int64_t event, EventState state, std::uint64_t untold,
                       std::int64_t at_ms) {
  if (rows_max_ == 0) return;
  const auto kind =
      state == EventState::kCancelled ? OutcomeKind::kCancelled : OutcomeKind::kCompleted;
  insert_ended_.run(at_ms, number_of(kind), event, untold);
  added();
}

void OutcomeLog::added() {
  const auto number = static_cast<std::uint64_t>(database_.last_row());
  if (number % kForgottenTogether != 0 || number <= rows_max_) return;
  forget_rows_.run(number - rows_max_);
  forgot_through(number - rows_max_);
}

void OutcomeLog::forgot_through(std::uint64_t number) {
  set_forgotten_.run(number);
}

std::uint64_t OutcomeLog::erase_device(std::uint32_t app, std::string_view device) {
  erase_device_.run(app, device);
  return static_cast<std::uint64_t>(database_.changes());
}

std::uint64_t OutcomeLog::erase_subscriber(std::uint32_t app, std::string_view subscriber) {
  erase_subscriber_.run(app, subscriber);
  return static_cast<std::uint64_t>(database_.changes());
}

// Times may be out of order by a calendar that was put back: the oldest rows go up to the first
// that is young enough.
std::uint64_t OutcomeLog::forget(std::int64_t before_ms) {
  std::uint64_t through = 0;
  for (Cursor row = last_before_.rows(kOutcomesForgottenMax); row.next();) {
    if (row.integer(1) >= before_ms) break;
    through = row.natural(0);
  }
  if (through == 0) return 0;
  forget_rows_.run(through);
  const auto forgotten = static_cast<std::uint64_t>(database_.changes());
  forgot_through(through);
  return forgotten;
}

OutcomePage OutcomeLog::read(AudienceTables& audience, std::uint64_t after, std::size_t limit) {
  if (limit < 1 || limit > kOutcomesPageMax) {
    fail(Error::Kind::kInvalid, "a page of outcomes has 1 to 1,000");
  }
  OutcomePage page;
  {
    Cursor row = forgotten_.rows();
    if (!row.next()) fail_corrupt("how much of the outcomes was forgotten");
    page.forgotten_through = row.natural(0);
  }
  if (after < page.forgotten_through) return page;
  for (Cursor row = page_.rows(after, limit); row.next();) {
    const std::int64_t kind = row.integer(2);
    if (kind < 1 || kind > 4) fail_corrupt("an outcome's kind");
    OutcomeRow& out = page.rows.emplace_back();
    out.number = row.natural(0);
    out.at_ms = row.integer(1);
    out.kind = static_cast<OutcomeKind>(kind);
    out.app = audience.app_name(static_cast<std::uint32_t>(row.integer(3)));
    if (!row.null(4)) {
      if (row.bytes(4).size() != EventId{}.size()) fail_corrupt("an event's id");
      std::copy_n(row.bytes(4).data(), EventId{}.size(),
                  reinterpret_cast<char*>(out.event.emplace().data()));
    }
    if (const std::int64_t platform = row.integer(5); platform != 0) {
      if (platform < 1 || platform > static_cast<std::int64_t>(kPlatforms)) {
        fail_corrupt("a platform");
      }
      out.platform = static_cast<Platform>(platform);
    }
    out.reason = row.text(8);
    out.attempts = static_cast<std::uint32_t>(row.integer(9));
    out.dead_since_ms = row.integer(10);
    if (out.kind == OutcomeKind::kFailed) {
      const std::int64_t outcome = row.integer(7);
      if (outcome < 1 || outcome > 3) fail_corrupt("a failure's outcome");
      out.outcome = static_cast<Failure::Outcome>(outcome);
      out.device = audience.name_at(row.natural(6));
    } else {
      out.device = row.text(11);
      out.subscriber = row.text(12);
      if (!row.null(13)) out.failures_untold = row.natural(13);
    }
  }
  return page;
}

}  // namespace carillon::store::sqlite
