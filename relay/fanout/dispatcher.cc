#include "relay/fanout/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "relay/fanout/dispatcher_state.h"

namespace carillon::fanout {

Dispatcher::Dispatcher(store::Store& store, const config::Fanout& limits, Record record,
                       std::uint64_t seed)
    : store_(store), limits_(limits), record_(std::move(record)), random_(seed) {}

Dispatcher::~Dispatcher() = default;

std::size_t Dispatcher::add_lane(push::Provider* provider, LaneTotals* totals,
                                 const LaneOptions& options) {
  auto lane = std::make_unique<Lane>(options, limits_);
  lane->provider = provider;
  lane->totals = totals;
  lanes_.push_back(std::move(lane));
  return lanes_.size() - 1;
}

// A calendar that was set back holds nothing up: what is waited for goes on as if it had not been.
// What was read from the store before counts as read by the new calendar: a device that registers
// from now on did so after it, and no provider's word is about it.
Now Dispatcher::look(Now now) {
  const std::int64_t apart_ms = now.calendar_ms - now.monotonic_ms;
  const std::int64_t stepped_ms = clocks_apart_ms_ ? apart_ms - *clocks_apart_ms_ : 0;
  clocks_apart_ms_ = apart_ms;
  if (stepped_ms >= kClockStepMs) {
    set_back_ms_ = std::max<std::int64_t>(0, set_back_ms_ - stepped_ms);
    spdlog::warn("the clock was set ahead by {} ms: what waits is that much older", stepped_ms);
  } else if (stepped_ms <= -kClockStepMs) {
    set_back_ms_ -= stepped_ms;
    for (auto& job : jobs_) {
      if (!job) continue;
      job->taken_up_ms += stepped_ms;
      job->page_read_ms += stepped_ms;
      for (auto& [number, retry] : job->open_retries) retry.read_ms += stepped_ms;
    }
    spdlog::warn("the clock was set back by {} ms: what waits goes on as if it had not been",
                 -stepped_ms);
  }
  now.set_back_ms = set_back_ms_;
  return now;
}

void Dispatcher::take_up(std::size_t lane, JobStart start) {
  start.job.expires_ms += set_back_ms_;
  const std::size_t priority = priority_class(start.job.priority);
  lanes_[lane]->waiting[priority].push_back(std::move(start));
  ++jobs_in_memory_;
}

void Dispatcher::activate_waiting(Lane& lane, Now now) {
  for (std::size_t priority = 0; priority < kPriorities; ++priority) {
    auto& waiting = lane.waiting[priority];
    auto& active = lane.active[priority];
    while (!waiting.empty() && active.size() < kActiveJobsMax &&
           lane.resting[priority].size() < kRestingJobsMax) {
      activate(lane, std::move(waiting.front()), now);
      waiting.pop_front();
    }
  }
}

Dispatcher::RunningJob& Dispatcher::activate(Lane& lane, JobStart start, Now now) {
  FreeIndex at{.index = static_cast<std::uint32_t>(jobs_.size())};
  if (free_indices_.empty()) {
    jobs_.emplace_back();
  } else {
    at = free_indices_.back();
    free_indices_.pop_back();
  }
  const std::uint32_t per_second = start.job.rate_per_second;
  auto job = std::make_unique<RunningJob>(at, lane, std::move(start), now);
  if (per_second != 0) {
    for (const RunningJob* sibling : jobs_of(job->key.event)) job->rate = sibling->rate;
    if (!job->rate) job->rate = std::make_shared<SendRate>(per_second, now.monotonic_ms);
  }
  lane.active[priority_class(job->priority)].push_back(job.get());
  jobs_[at.index] = std::move(job);
  return *jobs_[at.index];
}

// --- who has a turn
// -------------------------------------------------------------------------------

// All of it is on its way or settled, and no retry is due: it needs no turn, and must not keep
// another job from having one, until then. A job that is held needs none until its time has passed.
bool Dispatcher::may_rest(const RunningJob& job, Now now) const {
  if (job.halted()) return !job.fate && job.lane.provider != nullptr;
  return job.exhausted && job.page_next == job.page.devices.size() && !job.fate &&
         job.next_due_ms > now.waits_ms() && job.lane.provider != nullptr;
}

void Dispatcher::rest(RunningJob& job) {
  auto& resting = job.lane.resting[priority_class(job.priority)];
  job.resting_at = resting.size();
  resting.push_back(&job);
  if (job.page_next < job.page.devices.size()) {  // held in the middle of it: read again then
    job.read_after =
        job.page_next == 0 ? job.page_after : job.page.devices[job.page_next - 1].position;
    job.scan.reset();
  }
  job.page = {};
  job.page_next = 0;
  // Thousands of jobs may rest: languages are not kept for them meanwhile.
  job.worded = {};
  if (job.exhausted) job.scan.reset();
  job.lane.rests_until_ms = std::min(job.lane.rests_until_ms, rests_until(job));
}

// As Now::waits_ms; when a job that rests is to be looked at again.
std::int64_t Dispatcher::rests_until(const RunningJob& job) const {
  if (job.cancelling) return kNever;
  if (job.halted()) return job.expires_ms;
  return job.retries_live == 0 ? kNever : std::min(job.next_due_ms, job.expires_ms);
}

// Out of the list that it is in.
void Dispatcher::leave(RunningJob& job) {
  const std::size_t priority = priority_class(job.priority);
  if (job.resting_at == kNotResting) {
    auto& active = job.lane.active[priority];
    active.erase(std::find(active.begin(), active.end(), &job));
    return;
  }
  auto& resting = job.lane.resting[priority];
  resting[job.resting_at] = resting.back();
  resting[job.resting_at]->resting_at = job.resting_at;
  resting.pop_back();
  job.resting_at = kNotResting;
}

// Those with a retry that is due, or that have expired with one.
void Dispatcher::wake_resting(Lane& lane, Now now) {
  if (now.waits_ms() < lane.rests_until_ms) return;
  lane.rests_until_ms = kNever;
  for (std::size_t priority = 0; priority < kPriorities; ++priority) {
    auto& resting = lane.resting[priority];
    for (std::size_t i = 0; i < resting.size();) {
      RunningJob& job = *resting[i];
      const std::int64_t until = rests_until(job);
      if (until > now.waits_ms()) {
        lane.rests_until_ms = std::min(lane.rests_until_ms, until);
        ++i;
        continue;
      }
      leave(job);
      lane.active[priority].push_back(&job);
    }
  }
}

// --- handing out --------------------------------------------------------------------------------

std::int64_t Dispatcher::turn(Now now) {
  now = look(now);
  hungry_ = false;
  if (!draining_) fill_lanes(now);
  if (!steering_.empty() && !in_flight_ && now.monotonic_ms >= record_not_before_ms_) {
    take_wishes(now);
  }
  if (checkpoint_due(now)) checkpoint(now, {});
  return next_wish(now);
}

// While the store is slower than the providers, what a checkpoint frees may be too little for all:
// whoever got of it first is last the next time.
void Dispatcher::fill_lanes(Now now) {
  const std::size_t first = first_lane_;
  bool served = false;
  for (std::size_t n = 0; n < lanes_.size(); ++n) {
    const std::size_t at = (first + n) % lanes_.size();
    Lane& lane = *lanes_[at];
    wake_resting(lane, now);
    activate_waiting(lane, now);
    if (fill(lane, now) && !std::exchange(served, true)) first_lane_ = (at + 1) % lanes_.size();
    lane.tell_pace();
  }
}

// How many more devices a lane may be given. It may have as many on their way as there are left of
// the bound by all that are: half of it if the lane is alone at work, a third if there are two, and
// always something for the next, so that providers that fall silent do not stop the others.
std::size_t Dispatcher::room(Lane& lane, bool urgent, Now now) const {
  std::size_t bound = limits_.repeat_bound;
  if (!urgent) bound -= bound / kUrgentPart;
  const std::size_t others = std::min(bound, outstanding_ - lane.outstanding);
  const std::size_t share = std::max<std::size_t>((bound - others) / 2, 1);
  const std::size_t window = lane.provider->window();
  std::size_t wanted = std::min(window + window / 2, share);
  if (urgent) wanted += wanted / kUrgentPart;
  if (lane.outstanding >= wanted || uncovered_ >= bound) return 0;
  const std::size_t free = std::min<std::size_t>(wanted - lane.outstanding, bound - uncovered_);
  const std::size_t allowed = lane.governor.allowance(urgent, now.monotonic_ms);
  if (allowed == 0) lane.governed_until_ms = lane.governor.next_ms(now.monotonic_ms);
  if (urgent) return std::min(free, allowed);
  // Crumbs cost as much per batch as loaves: wait until a good part of the window is free.
  const std::size_t worthwhile = std::min<std::size_t>(limits_.batch_devices, wanted / 4);
  return free < worthwhile ? 0 : std::min(free, allowed);
}

// Whether the lane has had its turn: the part that is left to urgent events is no turn of others.
bool Dispatcher::fill(Lane& lane, Now now) {
  for (auto& active : lane.active) {
    for (RunningJob* job : active) {
      decide_fate(*job, now);
      if (job->fate) settle_by_fate(*job, now);
    }
  }
  lane.governed_until_ms = 0;
  if (lane.provider == nullptr || now.waits_ms() < lane.paused_until_ms) return false;
  bool served = false;
  for (std::size_t priority = 0; priority < kPriorities; ++priority) {
    auto& active = lane.active[priority];
    std::size_t idle = 0;
    while (idle < active.size()) {
      const std::size_t free = room(lane, priority == kUrgent, now);
      if (free == 0) return served;
      RunningJob* job = active.front();
      active.pop_front();
      const std::size_t handed = hand_out(
          *job, allowance(*job, std::min<std::size_t>(free, limits_.batch_devices), now), now);
      if (job->rate) job->rate->take(handed);
      if (handed > 0) {
        lane.governor.spent(handed, now.monotonic_ms);
        idle = 0;
        served = served || priority != kUrgent || lane.only_urgent();
      }
      if (may_rest(*job, now)) {
        rest(*job);
        continue;
      }
      active.push_back(job);
      if (handed == 0) ++idle;
    }
    // Places that became free in this turn.
    if (!lane.waiting[priority].empty() && active.size() < kActiveJobsMax &&
        lane.resting[priority].size() < kRestingJobsMax) {
      hungry_ = true;
    }
  }
  return served;
}

void Dispatcher::retire(RunningJob& job) {
  const std::uint32_t index = job.index;
  const std::uint64_t next = job.next_number();
  leave(job);
  jobs_[index].reset();
  free_indices_.push_back({.index = index, .first_number = next > kFirstNumberMax ? 0 : next});
  --jobs_in_memory_;
}

bool Dispatcher::settled() const {
  if (in_flight_) return false;
  for (const auto& lane : lanes_) {
    if (lane->outstanding > 0) return false;
  }
  return std::none_of(jobs_.begin(), jobs_.end(),
                      [&](const auto& job) { return job && dirty(*job); });
}

// Waits are measured with the monotonic clock; what is due by the calendar is looked at again at
// least once a second, because the calendar may jump.
std::int64_t Dispatcher::next_wish(Now now) const {
  if (hungry_) return now.monotonic_ms;
  if (jobs_in_memory_ == 0) return kNever;
  std::int64_t wish = now.monotonic_ms + 1'000;
  const auto by_calendar = [&](std::int64_t waits_ms) {
    if (waits_ms > now.waits_ms() && waits_ms - now.waits_ms() < 1'000) {
      wish = std::min(wish, now.monotonic_ms + (waits_ms - now.waits_ms()));
    }
  };
  for (const auto& lane : lanes_) {
    by_calendar(lane->paused_until_ms);
    by_calendar(lane->rests_until_ms);
    if (lane->governed_until_ms > now.monotonic_ms) wish = std::min(wish, lane->governed_until_ms);
    for (const auto& active : lane->active) {
      for (const RunningJob* job : active) {
        if (job->blocked_until_ms > now.monotonic_ms) wish = std::min(wish, job->blocked_until_ms);
        by_calendar(job->next_due_ms);
        by_calendar(job->expires_ms);
        if (!job->rate || job->halted()) continue;
        const std::int64_t next_ms = job->rate->next_ms(now.monotonic_ms);
        if (next_ms > now.monotonic_ms) wish = std::min(wish, next_ms);
      }
    }
  }
  const auto is_dirty = [this](const auto& job) { return job && dirty(*job); };
  if (!in_flight_ && std::any_of(jobs_.begin(), jobs_.end(), is_dirty)) {
    const std::int64_t due_ms =
        draining_ ? now.monotonic_ms : recorded_at_ms_ + limits_.checkpoint_interval_ms;
    wish = std::min(wish, std::max(record_not_before_ms_, due_ms));
  }
  return wish;
}

}  // namespace carillon::fanout
