// What an answer leads to.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "relay/fanout/dispatcher_state.h"
#include "relay/fanout/provider_succession.h"

namespace carillon::fanout {
namespace {

constexpr std::uint16_t kBadRequest = 400;

}  // namespace

// The others have no rule that connections suffer for their tokens.
bool Dispatcher::goes_apart(const RunningJob& job) {
  return job.doubt.is_doubtful() &&
         static_cast<push::Platform>(job.key.platform) == push::Platform::kApns;
}

// A guard that outlived the change would vouch for the key that was just exchanged: it begins to
// learn, as after a restart.
void Dispatcher::renew_credential(std::size_t lane_number) {
  Lane& lane = *lanes_[lane_number];
  if (lane.paused_for_credential) lane.paused_until_ms = 0;
  lane.totals->credential_refused.store(false, std::memory_order_relaxed);
  lane.guard.forget();
  lane.totals->guard.store(lane.guard.state(), std::memory_order_relaxed);
}

// Null: none of the lane's has that index (any more).
Dispatcher::RunningJob* Dispatcher::job_at(const Lane& lane, std::uint32_t index) const {
  if (index >= jobs_.size() || !jobs_[index] || &jobs_[index]->lane != &lane) return nullptr;
  return jobs_[index].get();
}

void Dispatcher::on_verdicts(std::size_t lane_number, std::span<const push::Verdict> verdicts,
                             Now now) {
  now = look(now);
  Lane& lane = *lanes_[lane_number];
  std::uint64_t accepted = 0, unexpected = 0;
  RunningJob* job = nullptr;  // none ends in here, and answers of one come one after the other
  std::uint64_t job_index = ~std::uint64_t{0};
  for (const push::Verdict& verdict : verdicts) {
    if (const std::uint64_t index = verdict.tag >> kIndexShift; index != job_index) {
      job_index = index;
      job = job_at(lane, static_cast<std::uint32_t>(index));
    }
    if (job == nullptr) {
      ++unexpected;
      continue;
    }
    const std::uint64_t number = verdict.tag & (kRetryBit | kNumberMask);
    if (verdict.kind == push::VerdictKind::kAccepted && job->ledger.open_entry(number) != nullptr) {
      job->ledger.settle(number);  // nearly all of them: nothing but counting
      ++job->unrecorded.added.accepted;
      ++job->unrecorded_count;
      job->doubt.on_answers(1, 0);
      ++accepted;
    } else if (!on_verdict(*job, verdict, now)) {
      ++unexpected;
    }
  }
  lane.guard.on_accepted(accepted);
  if (accepted > 0 && lane.totals->credential_refused.load(std::memory_order_relaxed)) {
    lane.totals->credential_refused.store(false, std::memory_order_relaxed);
  }
  unrecorded_ += verdicts.size() - unexpected;
  outstanding_ -= verdicts.size() - unexpected;
  lane.outstanding -= verdicts.size() - unexpected;
  lane.totals->accepted.fetch_add(accepted, std::memory_order_relaxed);
  if (unexpected > 0) {
    lane.totals->answers_unexpected.fetch_add(unexpected, std::memory_order_relaxed);
  }
}

// False: nothing waits for this answer.
bool Dispatcher::on_verdict(RunningJob& job, const push::Verdict& verdict, Now now) {
  Lane& lane = job.lane;
  const std::uint64_t number = verdict.tag & (kRetryBit | kNumberMask);
  Delivery delivery;
  if (const Ledger::Entry* entry = job.ledger.open_entry(number)) {
    delivery = {.position = entry->position, .read_ms = job.taken_up_ms + entry->read_ms};
    job.ledger.settle(number);
  } else {
    const auto open = job.open_retries.find(number);
    if (open == job.open_retries.end()) return false;
    delivery = {.position = open->second.position,
                .attempts = open->second.attempts,
                .read_ms = open->second.read_ms,
                .is_retry = true};
    job.open_retries.erase(open);
  }
  ++job.unrecorded_count;
  if (verdict.kind == push::VerdictKind::kAccepted) job.doubt.on_answers(1, 0);
  // 410 is none of Apple's errors: only what a connection is slowed down for counts.
  if (verdict.kind == push::VerdictKind::kTokenUnusable && verdict.status == kBadRequest) {
    job.doubt.on_answers(0, 1);
  }

  const double jitter = std::uniform_real_distribution<double>(0, 1)(random_);
  const Outcome outcome = decide({.platform = static_cast<push::Platform>(job.key.platform),
                                  .made_before = delivery.attempts,
                                  .expires_ms = job.expires_ms,
                                  .now_or_never = job.now_or_never,
                                  .token_read_ms = delivery.read_ms},
                                 verdict, now.waits_ms(), limits_, jitter);
  if (outcome.pause_until_ms > lane.paused_until_ms) {
    spdlog::warn("nothing more is sent to this provider for {} ms: {} (status {})",
                 outcome.pause_until_ms - now.waits_ms(), verdict.reason, verdict.status);
    lane.paused_until_ms = outcome.pause_until_ms;
    lane.paused_for_credential = is_about_credential(verdict);
  }
  if (verdict.kind == push::VerdictKind::kCredentialRefused) {
    lane.totals->credential_refused.store(true, std::memory_order_relaxed);
  }
  if (outcome.slow_down) lane.governor.on_throttled(now.monotonic_ms);
  settle(job, delivery, outcome, verdict.reason, now);
  return true;
}

void Dispatcher::settle(RunningJob& job, const Delivery& delivery, const Outcome& outcome,
                        std::string_view reason, Now now) {
  LaneTotals& totals = *job.lane.totals;
  store::Checkpoint& unrecorded = job.unrecorded;
  if (delivery.is_retry) job.held[delivery.position] = building_;

  if (outcome.kind == Outcome::Kind::kRetry) {
    totals.retried.fetch_add(1, std::memory_order_relaxed);
    unrecorded.retries.push_back({.position = delivery.position,
                                  .due_ms = outcome.due_ms,
                                  .attempts = outcome.attempts,
                                  .reason = std::string(reason)});
    if (!delivery.is_retry) ++job.retries_live;
    return;
  }
  if (delivery.is_retry) {
    unrecorded.retries_done.push_back(delivery.position);
    --job.retries_live;
  }
  store::Failure::Outcome failure = store::Failure::Outcome::kRejected;
  switch (outcome.kind) {
    case Outcome::Kind::kAccepted:
      ++unrecorded.added.accepted;
      totals.accepted.fetch_add(1, std::memory_order_relaxed);
      job.lane.guard.on_accepted(1);
      return;
    case Outcome::Kind::kRejected:
      ++unrecorded.added.rejected;
      totals.rejected.fetch_add(1, std::memory_order_relaxed);
      break;
    case Outcome::Kind::kExpired:
      ++unrecorded.added.expired;
      totals.expired.fetch_add(1, std::memory_order_relaxed);
      failure = store::Failure::Outcome::kExpired;
      break;
    case Outcome::Kind::kDeadLettered:
      ++unrecorded.added.dead_lettered;
      totals.dead_lettered.fetch_add(1, std::memory_order_relaxed);
      failure = store::Failure::Outcome::kDeadLettered;
      break;
    case Outcome::Kind::kRetry:
      break;  // returned above
  }
  count_reason(unrecorded.reasons, reason);
  if (job.failure_rows < kFailureRowsPerJobMax) {
    ++job.failure_rows;
    unrecorded.failures.push_back({.position = delivery.position,
                                   .outcome = failure,
                                   .reason = std::string(reason),
                                   .attempts = outcome.attempts,
                                   .at_ms = now.calendar_ms,
                                   .token_dead = outcome.token == TokenWord::kDead});
  }
  if (outcome.token != TokenWord::kNone) {
    job.lane.guard.hold(outcome.token, {.position = delivery.position,
                                        .dead_since_ms = outcome.dead_since_ms,
                                        .reason = std::string(reason)});
  }
}

// What was said of tokens goes with the checkpoint of whichever of the lane's jobs is recorded
// next: once a checkpoint, as its answers are to be judged together.
void Dispatcher::judge_tokens(RunningJob& job) {
  Lane& lane = job.lane;
  if (std::exchange(lane.judged_in, in_flight_->number) == in_flight_->number) return;
  const TokenGuard::State before = lane.guard.state();
  TokenGuard::Ruling ruling = lane.guard.judge();
  LaneTotals& totals = *lane.totals;
  totals.tokens_removed.fetch_add(ruling.remove.size(), std::memory_order_relaxed);
  totals.tokens_quarantined.fetch_add(ruling.quarantine.size(), std::memory_order_relaxed);
  totals.tokens_left_alone.fetch_add(ruling.left_alone, std::memory_order_relaxed);
  totals.guard.store(lane.guard.state(), std::memory_order_relaxed);
  totals.dead_percent.store(lane.guard.percent(), std::memory_order_relaxed);
  std::move(ruling.remove.begin(), ruling.remove.end(),
            std::back_inserter(job.unrecorded.removals));
  std::move(ruling.quarantine.begin(), ruling.quarantine.end(),
            std::back_inserter(job.unrecorded.quarantined));
  if (!ruling.changed) return;
  if (lane.guard.state() == TokenGuard::State::kSuspicious) {
    spdlog::error(
        "{}: {} % of the latest answers say that the token is dead or of no use. Key, topic and "
        "environment should be looked at. Devices are not removed but put in quarantine: see "
        "`carillon tokens quarantine list`",
        lane.name, lane.guard.percent());
  } else if (before == TokenGuard::State::kSuspicious) {
    spdlog::info("{}: {} % of the latest answers say that the token is dead; they are believed",
                 lane.name, lane.guard.percent());
  }
}

}  // namespace carillon::fanout
