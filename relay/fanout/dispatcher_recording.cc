// What is written down when, and what a failed checkpoint leaves.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "relay/fanout/dispatcher_state.h"

namespace carillon::fanout {

// Every device of the audience has an outcome or a retry: nothing is left to read.
bool Dispatcher::fully_recorded(const RunningJob& job) const {
  return job.exhausted && job.page_next == job.page.devices.size() && job.ledger.open() == 0;
}

bool Dispatcher::finished(const RunningJob& job) const {
  return fully_recorded(job) && job.open_retries.empty() && job.retries_live == 0;
}

// All that was handed out before it was cancelled has answered.
bool Dispatcher::cancelled(const RunningJob& job) const {
  return job.cancelling && job.unanswered() == 0;
}

// Its answers hold up the cursor so far that the latest must be parked.
bool Dispatcher::too_wide(const RunningJob& job) const {
  return !job.cancelling && job.ledger.span() >= span_max();
}

bool Dispatcher::dirty(const RunningJob& job) const {
  if (job.closing) return false;
  if (job.wished || cancelled(job)) return true;
  const store::Checkpoint& unrecorded = job.unrecorded;
  return unrecorded.added.settled() > 0 || !unrecorded.retries.empty() ||
         !unrecorded.retries_done.empty() || job.ledger.cursor() != job.recorded_cursor ||
         fully_recorded(job) != job.recorded_exhausted || finished(job);
}

bool Dispatcher::checkpoint_due(Now now) const {
  if (in_flight_ || now.monotonic_ms < record_not_before_ms_) return false;
  const bool soon = draining_ || unrecorded_ >= limits_.repeat_bound / 4 ||
                    now.monotonic_ms - recorded_at_ms_ >= limits_.checkpoint_interval_ms;
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& job) {
    return job && ((soon && dirty(*job)) || too_wide(*job));
  });
}

void Dispatcher::checkpoint(Now now, std::vector<Taken> wishes) {
  in_flight_ = std::make_unique<InFlight>();
  in_flight_->wishes = std::move(wishes);
  in_flight_->number = building_++;
  std::vector<store::Checkpoint> checkpoints;
  for (auto& job : jobs_) {
    if (!job) continue;
    park_stragglers(*job, now);
    if (!dirty(*job)) continue;
    judge_tokens(*job);
    InFlight::Part part{.index = job->index, .covered = job->unrecorded_count};
    part.checkpoint = close_checkpoint(*job);
    checkpoints.push_back(part.checkpoint);
    in_flight_->parts.push_back(std::move(part));
  }
  unrecorded_ = 0;
  recorded_at_ms_ = now.monotonic_ms;
  record_(std::move(checkpoints), now.calendar_ms);
}

// A device that does not answer must not keep the cursor, and with it the list of what is settled
// beyond it, from moving. Recorded as a retry it is accounted for, and its answer still counts.
void Dispatcher::park_stragglers(RunningJob& job, Now now) {
  if (!too_wide(job)) return;
  while (job.ledger.span() > span_max() / 2) {
    const auto parked = job.ledger.park_oldest();
    if (!parked) return;
    const store::DevicePosition position = parked->entry.position;
    job.open_retries.emplace(
        parked->sequence & kNumberMask,
        OpenRetry{.position = position, .read_ms = job.taken_up_ms + parked->entry.read_ms});
    job.held[position] = kOpen;
    job.unrecorded.retries.push_back({.position = position,
                                      .due_ms = now.waits_ms() + kParkedDueMs,
                                      .attempts = 0,
                                      .reason = "AnswerLate"});
    ++job.retries_live;
  }
}

store::EventState Dispatcher::state_to_record(const RunningJob& job) const {
  if (cancelled(job)) return store::EventState::kCancelled;
  if (job.cancelling) return store::EventState::kRunning;
  if (finished(job)) return store::EventState::kCompleted;
  return job.paused ? store::EventState::kPaused : store::EventState::kRunning;
}

store::Checkpoint Dispatcher::close_checkpoint(RunningJob& job) {
  store::Checkpoint closed = std::exchange(job.unrecorded, {.job = job.key});
  closed.cursor = job.ledger.cursor();
  job.ledger.beyond(closed.beyond);
  // Read to its end is not enough: what was handed out and not answered is read again after a
  // crash.
  closed.exhausted = fully_recorded(job);
  closed.state = state_to_record(job);
  job.closing = closed.state == store::EventState::kCompleted ||
                closed.state == store::EventState::kCancelled;
  if (job.cancelling && !job.cancel_recorded && !job.closing) {
    closed.cancel_all_but = job.unanswered();
  }
  if (std::exchange(job.wished, false)) {
    closed.rate_per_second = job.rate ? job.rate->per_second() : 0;
  }
  job.recorded_cursor = closed.cursor;
  job.recorded_exhausted = closed.exhausted;
  job.unrecorded_count = 0;
  add(job.counters, closed.added);
  return closed;
}

void Dispatcher::on_recorded(const store::Result<void>& result, Now now) {
  assert(in_flight_);
  now = look(now);
  const std::unique_ptr<InFlight> in_flight = std::move(in_flight_);
  if (!result) {
    const bool told = draining_ && store_error_ == result.error().message;
    store_error_ = result.error().message;
    if (!told) spdlog::error("recording outcomes failed, trying again: {}", store_error_);
    record_not_before_ms_ = now.monotonic_ms + (draining_ ? kDrainRetryMs : kStoreRetryMs);
    for (InFlight::Part& part : in_flight->parts) {
      RunningJob& job = *jobs_[part.index];
      job.unrecorded_count += part.covered;
      unrecorded_ += part.covered;
      reopen_checkpoint(job, std::move(part.checkpoint));
    }
    for (Taken& taken : in_flight->wishes) withdraw_wish(taken, result.error());
    return;
  }
  store_error_.clear();
  ++checkpoints_;
  for (Taken& taken : in_flight->wishes) wish_recorded(taken);
  for (InFlight::Part& part : in_flight->parts) {
    RunningJob& job = *jobs_[part.index];
    uncovered_ -= part.covered;
    for (const store::Retry& retry : part.checkpoint.retries) {
      job.next_due_ms = std::min(job.next_due_ms, retry.due_ms);
    }
    if (part.checkpoint.cancel_all_but) {
      const std::uint64_t others = job.counters.pending() - *part.checkpoint.cancel_all_but;
      job.counters.cancelled += others;
      job.lane.totals->cancelled.fetch_add(others, std::memory_order_relaxed);
      job.retries_live = job.open_retries.size();
    }
    if (job.resting_at != kNotResting) {
      job.lane.rests_until_ms = std::min(job.lane.rests_until_ms, rests_until(job));
    }
    std::erase_if(job.held, [&](const auto& held) { return held.second <= in_flight->number; });
    if (job.closing) {
      // What is still pending has left the audience before its turn, or gets no other attempt: the
      // store says the same.
      auto& rest = job.cancelling ? job.lane.totals->cancelled : job.lane.totals->suppressed;
      rest.fetch_add(job.counters.pending(), std::memory_order_relaxed);
      retire(job);
    }
  }
}

// Nothing of a failed checkpoint was applied: it becomes the beginning of the next one.
void Dispatcher::reopen_checkpoint(RunningJob& job, store::Checkpoint failed) {
  store::Checkpoint& unrecorded = job.unrecorded;
  job.counters.accepted -= failed.added.accepted;
  job.counters.rejected -= failed.added.rejected;
  job.counters.expired -= failed.added.expired;
  job.counters.suppressed -= failed.added.suppressed;
  job.counters.cancelled -= failed.added.cancelled;
  job.counters.dead_lettered -= failed.added.dead_lettered;
  add(unrecorded.added, failed.added);
  for (const auto& [reason, count] : failed.reasons) {
    count_reason(unrecorded.reasons, reason, count);
  }
  prepend(unrecorded.retries, std::move(failed.retries));
  prepend(unrecorded.retries_done, std::move(failed.retries_done));
  prepend(unrecorded.failures, std::move(failed.failures));
  prepend(unrecorded.removals, std::move(failed.removals));
  prepend(unrecorded.quarantined, std::move(failed.quarantined));
  job.closing = false;
  job.recorded_exhausted = !fully_recorded(job);  // it has to be recorded, whatever else there is
}

}  // namespace carillon::fanout
