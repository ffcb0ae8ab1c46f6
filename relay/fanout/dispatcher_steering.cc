// Somebody takes charge of an event: pause, resume, cancel, slow down.
//
// Two steps. What is to stop stops at once; the wish itself rides on the next checkpoint of all the
// event's jobs, with everything that is known of them by then, so that the state on the disk and
// the counters beside it are of one moment. What was stopped goes on if the checkpoint fails: the
// caller is told so, and nothing has changed.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "relay/fanout/dispatcher_state.h"
#include "relay/fanout/event_id.h"

namespace carillon::fanout {
namespace {

SteeringRefusal not_recorded(const store::Error& error) {
  const bool full = error.kind == store::Error::Kind::kFull;
  return {.kind = full ? SteeringRefusal::Kind::kStoreFull : SteeringRefusal::Kind::kStoreFailed,
          .message = "it could not be recorded, and nothing has changed"};
}

bool stops(const Wish& wish) {
  return wish.kind == Wish::Kind::kPause || wish.kind == Wish::Kind::kCancel;
}

}  // namespace

// Those that no checkpoint on its way completes. Rare enough to look at all.
std::vector<Dispatcher::RunningJob*> Dispatcher::jobs_of(const store::EventId& event) const {
  std::vector<RunningJob*> found;
  for (const auto& job : jobs_) {
    if (job && job->key.event == event && !job->closing) found.push_back(job.get());
  }
  return found;
}

// A job that waits for a turn gets one, so that there is one kind of job to be steered: it will
// rest or end, or goes first.
void Dispatcher::take_out_of_waiting(const store::EventId& event, Now now) {
  for (auto& lane : lanes_) {
    for (auto& waiting : lane->waiting) {
      for (auto it = waiting.begin(); it != waiting.end();) {
        if (it->job.key.event != event) {
          ++it;
          continue;
        }
        activate(*lane, std::move(*it), now);
        it = waiting.erase(it);
      }
    }
  }
}

void Dispatcher::steer(SteeringRequest request, Now now) {
  now = look(now);
  take_out_of_waiting(request.event, now);
  if (stops(request.wish)) {
    for (RunningJob* job : jobs_of(request.event)) job->stopped = true;
  }
  steering_.push_back(std::move(request));
}

void Dispatcher::refuse_steering(const SteeringRefusal& refusal) {
  for (SteeringRequest& request : std::exchange(steering_, {})) {
    request.done(tl::unexpected(refusal));
  }
}

// No checkpoint is on its way: what the jobs say of themselves is what the disk says.
void Dispatcher::take_wishes(Now now) {
  std::vector<Taken> taken;
  std::vector<SteeringRequest> later;
  std::set<store::EventId> events;
  std::vector<RunningJob*> released;
  for (SteeringRequest& request : std::exchange(steering_, {})) {
    std::vector<RunningJob*> jobs = jobs_of(request.event);
    if (jobs.empty()) {
      request.done(tl::unexpected(SteeringRefusal{.kind = SteeringRefusal::Kind::kFinished,
                                                  .message = "the event has ended"}));
      continue;
    }
    std::erase_if(jobs, [&](const RunningJob* job) { return !job->cancelling && finished(*job); });
    if (jobs.empty() || events.contains(request.event)) {
      // The next checkpoint completes it; or it carries an earlier wish.
      later.push_back(std::move(request));
      continue;
    }
    if (auto objected = objection(request.wish, jobs)) {
      released.insert(released.end(), jobs.begin(), jobs.end());
      request.done(tl::unexpected(*std::move(objected)));
      continue;
    }
    Taken wish = take_wish(std::move(request), jobs, now);
    if (wish.answer.changed) {
      events.insert(wish.request.event);
      taken.push_back(std::move(wish));
    } else {
      released.insert(released.end(), jobs.begin(), jobs.end());
      wish.request.done(std::move(wish.answer));
    }
  }
  steering_ = std::move(later);
  for (RunningJob* job : released) {
    if (!events.contains(job->key.event)) let_go(*job);
  }
  if (!taken.empty()) checkpoint(now, std::move(taken));
}

std::optional<SteeringRefusal> Dispatcher::objection(const Wish& wish,
                                                     const std::vector<RunningJob*>& jobs) const {
  using Kind = SteeringRefusal::Kind;
  const bool cancelling =
      std::any_of(jobs.begin(), jobs.end(), [](const RunningJob* job) { return job->cancelling; });
  if (cancelling && wish.kind != Wish::Kind::kCancel) {
    return SteeringRefusal{.kind = Kind::kFinished, .message = "the event is being cancelled"};
  }
  if (wish.kind == Wish::Kind::kPause) {
    const auto paused = std::count_if(jobs_.begin(), jobs_.end(),
                                      [](const auto& job) { return job && job->paused; });
    const bool already =
        std::all_of(jobs.begin(), jobs.end(), [](const RunningJob* job) { return job->paused; });
    if (!already && static_cast<std::size_t>(paused) + jobs.size() > kPausedJobsMax) {
      return SteeringRefusal{.kind = Kind::kTooMany,
                             .message = "too many events are paused: resume or cancel some"};
    }
  }
  if (wish.kind == Wish::Kind::kSetRate && wish.per_second != 0 && !jobs.front()->rate) {
    std::set<const SendRate*> slowed;
    for (const auto& job : jobs_) {
      if (job && job->rate) slowed.insert(job->rate.get());
    }
    if (slowed.size() >= kSlowedEventsMax) {
      return SteeringRefusal{
          .kind = Kind::kTooMany,
          .message = "too many events have a rate of their own: take it from some"};
    }
  }
  return std::nullopt;
}

Dispatcher::Taken Dispatcher::take_wish(SteeringRequest request,
                                        const std::vector<RunningJob*>& jobs, Now now) {
  Taken taken{.request = std::move(request), .answer = {.at_ms = now.calendar_ms}, .before = {}};
  const Wish& wish = taken.request.wish;
  std::shared_ptr<SendRate> rate;
  if (wish.per_second != 0) rate = std::make_shared<SendRate>(wish.per_second, now.monotonic_ms);
  for (RunningJob* job : jobs) {
    taken.before.push_back({job->index, job->paused, job->cancelling, job->rate});
    const std::uint64_t unanswered = job->unanswered();
    const std::uint64_t settled = job->counters.settled() + job->unrecorded.added.settled();
    const std::uint64_t retrying = job->retries_live - job->open_retries.size();
    const std::uint64_t known = settled + unanswered + retrying;
    const std::uint64_t targeted = job->counters.targeted;
    taken.answer.jobs.push_back({.platform = job->key.platform,
                                 .targeted = targeted,
                                 .settled = settled,
                                 .unanswered = unanswered,
                                 .retrying = retrying,
                                 .not_handed_out = targeted > known ? targeted - known : 0});
    bool changed = false;
    switch (wish.kind) {
      case Wish::Kind::kPause:
        changed = !std::exchange(job->paused, true);
        break;
      case Wish::Kind::kResume:
        changed = std::exchange(job->paused, false);
        break;
      case Wish::Kind::kCancel:
        changed = !std::exchange(job->cancelling, true);
        break;
      case Wish::Kind::kSetRate:
        changed = (job->rate ? job->rate->per_second() : 0) != wish.per_second;
        if (changed) job->rate = rate;
        break;
    }
    if (changed) job->stopped = job->wished = taken.answer.changed = true;
  }
  return taken;
}

// What a wish that is durable, or came to nothing, leaves of a job's stop.
void Dispatcher::let_go(RunningJob& job) {
  job.stopped = std::any_of(steering_.begin(), steering_.end(), [&](const SteeringRequest& next) {
    return next.event == job.key.event && stops(next.wish);
  });
  if (job.resting_at == kNotResting || job.halted()) return;
  leave(job);
  job.lane.active[priority_class(job.priority)].push_back(&job);
}

void Dispatcher::wish_recorded(Taken& taken) {
  for (const Taken::Before& before : taken.before) {
    RunningJob& job = *jobs_[before.index];
    job.cancel_recorded = job.cancelling;
    let_go(job);
  }
  taken.request.done(std::move(taken.answer));
}

void Dispatcher::withdraw_wish(Taken& taken, const store::Error& error) {
  for (const Taken::Before& before : taken.before) {
    RunningJob& job = *jobs_[before.index];
    job.paused = before.paused;
    job.cancelling = before.cancelling;
    job.rate = before.rate;
    job.wished = false;
    let_go(job);
  }
  taken.request.done(tl::unexpected(not_recorded(error)));
}

// Of so many devices, those that the event's rate lets go now.
std::size_t Dispatcher::allowance(RunningJob& job, std::size_t devices, Now now) const {
  if (goes_apart(job)) {
    devices = job.doubt.room(devices, job.lane.provider->window(), job.unanswered());
  }
  return job.rate ? std::min(devices, job.rate->available(now.monotonic_ms)) : devices;
}

}  // namespace carillon::fanout
