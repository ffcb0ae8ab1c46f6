// Failures that become pending again.
#include <algorithm>

#include "storage/sqlite/event_edit.h"

namespace carillon::store::sqlite {
namespace {

struct FailureGroup {
  Failure::Outcome outcome = Failure::Outcome::kRejected;
  std::string reason;
  std::uint64_t count = 0, token_dead = 0;
};

bool asks_for(const ReplayWish& wish, Failure::Outcome outcome) {
  switch (outcome) {
    case Failure::Outcome::kRejected:
      return wish.rejected;
    case Failure::Outcome::kExpired:
      return wish.expired;
    case Failure::Outcome::kDeadLettered:
      return wish.dead_lettered;
  }
  return false;
}

std::uint64_t& counter_of(Counters& counters, Failure::Outcome outcome) {
  switch (outcome) {
    case Failure::Outcome::kRejected:
      return counters.rejected;
    case Failure::Outcome::kExpired:
      return counters.expired;
    case Failure::Outcome::kDeadLettered:
      break;
  }
  return counters.dead_lettered;
}

}  // namespace

Replayed EventEdit::replay(const EventId& id, const ReplayWish& wish, std::int64_t now_ms) {
  const auto event = tables_.row_of(id);
  if (!event) fail(Error::Kind::kNotFound, "there is no such event");
  if (wish.reasons.size() > kReplayReasonsMax) {
    fail(Error::Kind::kInvalid, "a replay names too many reasons");
  }
  const std::vector<Job> jobs = tables_.jobs(id);
  const bool completed = std::all_of(
      jobs.begin(), jobs.end(), [](const Job& job) { return job.state == EventState::kCompleted; });
  if (!completed) fail(Error::Kind::kInvalid, "the event is not completed");
  Replayed replayed;
  if (jobs.empty()) return replayed;
  const std::int64_t expires_ms = wish.expires_ms != 0 ? wish.expires_ms : jobs.front().expires_ms;
  if (expires_ms <= now_ms) fail(Error::Kind::kInvalid, "the event's time has passed");
  for (const Job& job : jobs) {
    if (!wish.platform || *wish.platform == job.key.platform) {
      replay_job(*event, job, wish, now_ms, replayed);
    }
  }
  if (replayed.taken == 0) return replayed;
  set_expiry_.run(*event, expires_ms);
  update_event(*event, /*settles=*/false, now_ms);
  replayed.jobs = tables_.jobs(id);
  std::erase_if(replayed.jobs, [](const Job& job) { return is_finished(job.state); });
  return replayed;
}

void EventEdit::replay_job(std::int64_t event, const Job& job, const ReplayWish& wish,
                           std::int64_t now_ms, Replayed& replayed) {
  const int platform = static_cast<int>(job.key.platform);
  std::vector<FailureGroup> groups;
  for (Cursor row = failures_by_reason_.rows(event, platform); row.next();) {
    groups.push_back({.outcome = static_cast<Failure::Outcome>(row.integer(0)),
                      .reason = row.text(1),
                      .count = row.natural(2),
                      .token_dead = row.natural(3)});
  }
  Counters counters = job.counters;
  std::uint64_t counted = 0, stored = 0, taken = 0;
  for (const auto outcome :
       {Failure::Outcome::kRejected, Failure::Outcome::kExpired, Failure::Outcome::kDeadLettered}) {
    if (asks_for(wish, outcome)) counted += counter_of(counters, outcome);
  }
  for (const FailureGroup& group : groups) {
    if (!asks_for(wish, group.outcome)) continue;
    stored += group.count + group.token_dead;
    const bool named = wish.reasons.empty() || std::find(wish.reasons.begin(), wish.reasons.end(),
                                                         group.reason) != wish.reasons.end();
    if (!named) continue;
    replayed.token_dead += group.token_dead;
    if (group.count == 0) continue;
    std::uint64_t& counter = counter_of(counters, group.outcome);
    if (group.count > counter) fail_corrupt("a job's counters");
    const auto outcome = static_cast<int>(group.outcome);
    const std::string_view reason = group.reason;
    retry_failures_.run(event, platform, outcome, reason, now_ms);
    erase_failures_.run(event, platform, outcome, reason);
    take_reason_.run(event, platform, reason, group.count);
    if (database_.changes() != 1) fail_corrupt("the reasons of a job's failures");
    counter -= group.count;
    taken += group.count;
  }
  replayed.counted_only += counted > stored ? counted - stored : 0;
  if (taken == 0) return;
  replayed.taken += taken;
  erase_reason_.run(event, platform);
  reopen_job_.run(event, platform, counters.rejected, counters.expired, counters.dead_lettered,
                  job.retries + taken, job.failure_rows - taken);
  Cursor row = frozen_of_.rows(event, platform);
  if (!row.next()) fail_corrupt("a job");
  audience_.runs(row.natural(0));
}

}  // namespace carillon::store::sqlite
