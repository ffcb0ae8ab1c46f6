#include "relay/fanout/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "relay/fanout/event_id.h"

namespace carillon::fanout {
namespace {

constexpr std::size_t kPriorities = 3;
constexpr std::size_t kUrgent = 0;  // the class of priority 1
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kNotResting = std::numeric_limits<std::size_t>::max();
// Pages of a job that nobody is to get, settled in one turn: bounds how long a turn takes.
constexpr int kFatePagesPerTurn = 8;
constexpr std::size_t kFatePageDevices = 4096;
constexpr std::size_t kRetriesPerRead = 512;
// Pages without a device that one hand-out walks over, for the same reason.
constexpr int kEmptyPagesPerTurn = 64;
constexpr std::string_view kLeftAudience = "LeftAudience";

// A verdict's tag: job index, whether it is a retry, and which delivery of the job.
constexpr int kIndexShift = 40;
constexpr std::uint64_t kRetryBit = 1ULL << 39;
constexpr std::uint64_t kNumberMask = kRetryBit - 1;

constexpr std::uint64_t make_tag(std::uint32_t index, std::uint64_t number) {
  return static_cast<std::uint64_t>(index) << kIndexShift | number;
}

std::size_t priority_class(std::uint8_t priority) {
  return std::clamp<std::size_t>(priority, 1, kPriorities) - 1;
}

void add(store::Counters& to, const store::Counters& more) {
  to.accepted += more.accepted;
  to.rejected += more.rejected;
  to.expired += more.expired;
  to.suppressed += more.suppressed;
  to.cancelled += more.cancelled;
  to.dead_lettered += more.dead_lettered;
}

void count_reason(std::vector<std::pair<std::string, std::uint64_t>>& reasons,
                  std::string_view reason, std::uint64_t count = 1) {
  // A handful of reasons per job: a walk is cheaper than a map.
  for (auto& [name, total] : reasons) {
    if (name == reason) {
      total += count;
      return;
    }
  }
  reasons.emplace_back(reason, count);
}

template <class T>
void prepend(std::vector<T>& to, std::vector<T> earlier) {
  earlier.insert(earlier.end(), std::make_move_iterator(to.begin()),
                 std::make_move_iterator(to.end()));
  to = std::move(earlier);
}

}  // namespace

struct Dispatcher::RunningJob {
  RunningJob(std::uint32_t index_in, Lane& lane_in, JobStart start, Now now)
      : index(index_in),
        lane(lane_in),
        key(start.job.key),
        priority(start.job.priority),
        expires_ms(start.job.expires_ms),
        counters(start.job.counters),
        now_or_never(start.now_or_never),
        notification(std::move(start.notification)),
        taken_up_ms(now.calendar_ms),
        message(std::move(start.message)),
        rendered_ms(start.rendered_ms),
        read_after(start.job.cursor),
        ledger(start.job.cursor, std::move(start.job.beyond)),
        exhausted(start.job.exhausted),
        recorded_cursor(start.job.cursor),
        recorded_exhausted(start.job.exhausted),
        retries_live(start.job.retries),
        next_due_ms(start.job.retries > 0 ? 0 : kNever) {
    unrecorded.job = key;
  }

  const std::uint32_t index;
  Lane& lane;
  std::size_t resting_at = kNotResting;  // its place in the lane's list
  const store::JobKey key;
  const std::uint8_t priority;
  const std::int64_t expires_ms;
  store::Counters counters;  // with what is closed into a checkpoint
  const bool now_or_never;
  const push::Notification notification;
  const std::int64_t taken_up_ms;  // calendar; Ledger::Entry::read_ms counts from here

  std::shared_ptr<const push::RenderedMessage> message;
  std::int64_t rendered_ms;  // calendar
  std::optional<Fate> fate;

  std::unique_ptr<store::AudienceScan> scan;
  store::DevicePage page;
  std::size_t page_next = 0;  // first device of the page that is not yet in the ledger
  std::int64_t page_read_ms = 0;
  store::DevicePosition read_after;
  Ledger ledger;
  bool exhausted;  // read to the end and all of it in the ledger

  // Gathered since the latest checkpoint was closed.
  store::Checkpoint unrecorded;
  std::uint64_t unrecorded_count = 0;  // devices that it covers
  store::DevicePosition recorded_cursor;
  bool recorded_exhausted;
  bool closing = false;  // the checkpoint that completes it is in flight
  std::uint64_t failure_rows = 0;

  std::uint64_t retries_live;  // recorded or about to be, not settled
  std::int64_t next_due_ms;    // of the recorded ones that are not held
  std::unordered_map<std::uint64_t, OpenRetry>
      open_retries;  // by tag number (with kRetryBit or not)
  // Recorded retries that must not be handed out (again): on their way, or settled in a checkpoint
  // that is not durable yet. Value: the checkpoint that frees it, or kOpen.
  std::map<store::DevicePosition, std::uint64_t> held;
  std::uint64_t next_retry_number = 0;

  std::int64_t blocked_until_ms = 0;  // monotonic: the store failed to read
};

struct Dispatcher::Lane {
  push::Provider* provider = nullptr;
  LaneTotals* totals = nullptr;
  std::size_t outstanding = 0;                                // submitted, no verdict yet
  std::int64_t paused_until_ms = 0;                           // calendar
  std::array<std::deque<RunningJob*>, kPriorities> active;    // front: whose turn it is
  std::array<std::vector<RunningJob*>, kPriorities> resting;  // nothing to hand out now
  std::array<std::deque<JobStart>, kPriorities> waiting;
  std::int64_t rests_until_ms = kNever;  // calendar; not later than any of them may rest
};

struct Dispatcher::InFlight {
  struct Part {
    std::uint32_t index = 0;
    store::Checkpoint checkpoint;
    std::uint64_t covered = 0;
  };
  std::uint64_t number = 0;
  std::vector<Part> parts;
};

Dispatcher::Dispatcher(store::Store& store, const config::Fanout& limits, Record record,
                       std::uint64_t seed)
    : store_(store), limits_(limits), record_(std::move(record)), random_(seed) {}

Dispatcher::~Dispatcher() = default;

std::size_t Dispatcher::add_lane(push::Provider* provider, LaneTotals* totals) {
  auto lane = std::make_unique<Lane>();
  lane->provider = provider;
  lane->totals = totals;
  lanes_.push_back(std::move(lane));
  return lanes_.size() - 1;
}

void Dispatcher::take_up(std::size_t lane, JobStart start) {
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
      std::uint32_t index = static_cast<std::uint32_t>(jobs_.size());
      if (free_indices_.empty()) {
        jobs_.emplace_back();
      } else {
        index = free_indices_.back();
        free_indices_.pop_back();
      }
      jobs_[index] = std::make_unique<RunningJob>(index, lane, std::move(waiting.front()), now);
      waiting.pop_front();
      active.push_back(jobs_[index].get());
    }
  }
}

// --- who has a turn
// -------------------------------------------------------------------------------

// All of it is on its way or settled, and no retry is due: it needs no turn, and must not keep
// another job from having one, until then.
bool Dispatcher::may_rest(const RunningJob& job, Now now) const {
  return job.exhausted && job.page_next == job.page.devices.size() && !job.fate &&
         job.next_due_ms > now.calendar_ms && job.lane.provider != nullptr;
}

void Dispatcher::rest(RunningJob& job) {
  auto& resting = job.lane.resting[priority_class(job.priority)];
  job.resting_at = resting.size();
  resting.push_back(&job);
  job.page = {};
  job.page_next = 0;
  if (job.retries_live == 0) return;
  job.lane.rests_until_ms = std::min({job.lane.rests_until_ms, job.next_due_ms, job.expires_ms});
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
  if (now.calendar_ms < lane.rests_until_ms) return;
  lane.rests_until_ms = kNever;
  for (std::size_t priority = 0; priority < kPriorities; ++priority) {
    auto& resting = lane.resting[priority];
    for (std::size_t i = 0; i < resting.size();) {
      RunningJob& job = *resting[i];
      const std::int64_t until = std::min(job.next_due_ms, job.expires_ms);
      if (job.retries_live == 0 || until > now.calendar_ms) {
        if (job.retries_live > 0) lane.rests_until_ms = std::min(lane.rests_until_ms, until);
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
  hungry_ = false;
  if (!draining_) {
    for (auto& lane : lanes_) {
      wake_resting(*lane, now);
      activate_waiting(*lane, now);
      fill(*lane, now);
    }
  }
  if (checkpoint_due(now)) checkpoint(now);
  return next_wish(now);
}

// How many more devices a lane may be given. One lane never takes the whole bound, so that a
// provider that falls silent does not stop the others.
std::size_t Dispatcher::room(const Lane& lane, bool urgent) const {
  const std::size_t share = limits_.repeat_bound / std::max<std::size_t>(2, lanes_.size());
  const std::size_t window = lane.provider->window();
  std::size_t wanted = std::min(window + window / 2, std::max<std::size_t>(share, 1));
  std::size_t bound = limits_.repeat_bound;
  if (urgent) {
    wanted += wanted / kUrgentPart;
  } else {
    bound -= bound / kUrgentPart;
  }
  if (lane.outstanding >= wanted || uncovered_ >= bound) return 0;
  const std::size_t free = std::min<std::size_t>(wanted - lane.outstanding, bound - uncovered_);
  if (urgent) return free;
  // Crumbs cost as much per batch as loaves: wait until a good part of the window is free.
  const std::size_t worthwhile = std::min<std::size_t>(limits_.batch_devices, wanted / 4);
  return free < worthwhile ? 0 : free;
}

void Dispatcher::fill(Lane& lane, Now now) {
  for (auto& active : lane.active) {
    for (RunningJob* job : active) {
      decide_fate(*job, now);
      if (job->fate) settle_by_fate(*job, now);
    }
  }
  if (lane.provider == nullptr || now.calendar_ms < lane.paused_until_ms) return;
  for (std::size_t priority = 0; priority < kPriorities; ++priority) {
    auto& active = lane.active[priority];
    std::size_t idle = 0;
    while (idle < active.size()) {
      const std::size_t free = room(lane, priority == kUrgent);
      if (free == 0) return;
      RunningJob* job = active.front();
      active.pop_front();
      const std::size_t handed =
          hand_out(*job, std::min<std::size_t>(free, limits_.batch_devices), now);
      if (may_rest(*job, now)) {
        rest(*job);
      } else {
        active.push_back(job);
      }
      idle = handed > 0 ? 0 : idle + 1;
    }
    // Places that became free in this turn.
    if (!lane.waiting[priority].empty() && active.size() < kActiveJobsMax &&
        lane.resting[priority].size() < kRestingJobsMax) {
      hungry_ = true;
    }
  }
}

std::size_t Dispatcher::hand_out(RunningJob& job, std::size_t devices_max, Now now) {
  if (job.fate || job.closing || now.monotonic_ms < job.blocked_until_ms) return 0;
  render(job, now);
  if (job.fate) return 0;
  if (job.next_due_ms <= now.calendar_ms) {
    if (const std::size_t handed = hand_out_retries(job, devices_max, now); handed > 0) {
      return handed;
    }
  }
  if (job.ledger.span() >= span_max() || job.retries_live >= limits_.retries_per_job_max) return 0;
  return hand_out_scanned(job, devices_max, now);
}

void Dispatcher::render(RunningJob& job, Now now) {
  if (job.message && now.calendar_ms - job.rendered_ms < kRenderedForMs &&
      now.calendar_ms >= job.rendered_ms) {
    return;
  }
  auto rendered = job.lane.provider->render(
      job.notification,
      std::chrono::system_clock::time_point(std::chrono::milliseconds(now.calendar_ms)));
  if (!rendered) {
    // It was rendered when the event was accepted, so the configuration has changed since.
    spdlog::error("event {}: cannot be rendered any more: {}", to_string(job.key.event),
                  rendered.error().message);
    job.fate = Fate{.kind = Fate::Kind::kRejected, .reason = "NotRenderable"};
    hungry_ = true;
    return;
  }
  job.message = std::make_shared<const push::RenderedMessage>(std::move(*rendered));
  job.rendered_ms = now.calendar_ms;
}

std::size_t Dispatcher::hand_out_retries(RunningJob& job, std::size_t devices_max, Now now) {
  std::vector<store::DevicePosition> held;
  held.reserve(job.held.size());
  for (const auto& [position, frees_at] : job.held) held.push_back(position);
  auto found =
      store_.due_retries(job.key, now.calendar_ms, std::min(devices_max, kRetriesPerRead), held);
  if (!found) {
    block(job, found.error(), now);
    return 0;
  }
  job.next_due_ms = found->next_due_ms == 0 ? kNever : found->next_due_ms;

  push::PushBatch batch{.message = job.message};
  for (store::DueRetry& due : found->due) {
    const store::DevicePosition position = due.retry.position;
    if (due.token.empty()) {
      settle_unsent(job, {.position = position, .is_retry = true},
                    {.kind = Fate::Kind::kSuppressed, .reason = std::string(kLeftAudience)});
      continue;
    }
    const std::uint64_t number = kRetryBit | (job.next_retry_number++ & kNumberMask);
    job.open_retries.emplace(number, OpenRetry{.position = position,
                                               .attempts = due.retry.attempts,
                                               .read_ms = now.calendar_ms});
    job.held[position] = kOpen;
    batch.targets.push_back({.tag = make_tag(job.index, number),
                             .id = push_identity(job.key.event, position),
                             .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                             .token_length = static_cast<std::uint32_t>(due.token.size())});
    batch.tokens += due.token;
  }
  const std::size_t handed = batch.targets.size();
  submit(job, std::move(batch));
  return handed;
}

// Makes the next page with devices the current one. False: there is none now.
bool Dispatcher::next_page(RunningJob& job, std::size_t devices, Now now) {
  if (!job.scan) {
    auto scan = store_.scan(job.key);
    if (!scan) {
      block(job, scan.error(), now);
      return false;
    }
    job.scan = std::move(*scan);
  }
  for (int pages = 0; pages < kEmptyPagesPerTurn; ++pages) {
    if (job.exhausted) return false;
    job.page_read_ms = now.calendar_ms;
    if (auto read = job.scan->read(job.read_after, devices, job.page); !read) {
      job.page.devices.clear();
      job.page_next = 0;
      block(job, read.error(), now);
      return false;
    }
    job.read_after = job.page.through;
    job.page_next = 0;
    if (!job.page.devices.empty()) return true;
    page_done(job);
  }
  hungry_ = true;
  return false;
}

void Dispatcher::page_done(RunningJob& job) {
  job.ledger.read_through(job.page.through);
  if (!job.page.end) return;
  job.exhausted = true;
  job.scan.reset();
}

std::size_t Dispatcher::hand_out_scanned(RunningJob& job, std::size_t devices_max, Now now) {
  store::DevicePage& page = job.page;
  if (job.page_next == page.devices.size() && !next_page(job, devices_max, now)) return 0;

  const std::size_t count = std::min(devices_max, page.devices.size() - job.page_next);
  const bool whole = job.page_next == 0 && count == page.devices.size();
  const auto read_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(0, job.page_read_ms - job.taken_up_ms));
  push::PushBatch batch{.message = job.message};
  batch.targets.reserve(count);
  for (std::size_t i = job.page_next; i < job.page_next + count; ++i) {
    const store::DevicePage::Entry& device = page.devices[i];
    const std::uint64_t sequence = job.ledger.next_sequence();
    if (!job.ledger.append(device.position, read_ms)) continue;
    std::uint32_t token_offset = device.token_offset;
    if (!whole) {
      token_offset = static_cast<std::uint32_t>(batch.tokens.size());
      batch.tokens.append(page.tokens, device.token_offset, device.token_length);
    }
    batch.targets.push_back({.tag = make_tag(job.index, sequence & kNumberMask),
                             .id = push_identity(job.key.event, device.position),
                             .token_offset = token_offset,
                             .token_length = device.token_length});
  }
  // The usual page goes out whole, and takes its tokens along instead of having them copied.
  if (whole) batch.tokens.swap(page.tokens);
  job.page_next += count;
  if (job.page_next == page.devices.size()) page_done(job);
  const std::size_t handed = batch.targets.size();
  submit(job, std::move(batch));
  if (handed == 0) hungry_ = true;  // all of it was settled before a restart: go on
  return handed;
}

void Dispatcher::submit(RunningJob& job, push::PushBatch batch) {
  const std::size_t count = batch.targets.size();
  if (count == 0) return;
  uncovered_ += count;
  job.lane.outstanding += count;
  job.lane.totals->submitted.fetch_add(count, std::memory_order_relaxed);
  batch.urgent = priority_class(job.priority) == kUrgent;
  job.lane.provider->submit(std::move(batch));
}

// --- what nobody is to get
// ------------------------------------------------------------------------

void Dispatcher::decide_fate(RunningJob& job, Now now) {
  if (job.fate) return;
  if (job.lane.provider == nullptr) {
    job.fate = Fate{.kind = Fate::Kind::kSuppressed, .reason = "NoProvider"};
  } else if (now.calendar_ms >= job.expires_ms) {
    job.fate = Fate{.kind = Fate::Kind::kExpired, .reason = "Expired"};
  }
}

// The devices are still read one by one: who has left the audience is told apart from who was too
// late for it.
void Dispatcher::settle_by_fate(RunningJob& job, Now now) {
  if (job.closing || now.monotonic_ms < job.blocked_until_ms) return;
  for (int pages = 0; pages < kFatePagesPerTurn; ++pages) {
    if (job.ledger.span() >= span_max()) return;  // an open device holds the cursor: park it first
    if (job.page_next == job.page.devices.size() && !next_page(job, kFatePageDevices, now)) break;
    for (; job.page_next < job.page.devices.size(); ++job.page_next) {
      const store::DevicePosition position = job.page.devices[job.page_next].position;
      const std::uint64_t sequence = job.ledger.next_sequence();
      if (!job.ledger.append(position, 0)) continue;
      job.ledger.settle(sequence);
      settle_unsent(job, {.position = position}, *job.fate);
    }
    page_done(job);
    hungry_ = true;
  }
  if (job.retries_live == 0) return;
  std::vector<store::DevicePosition> held;
  for (const auto& [position, frees_at] : job.held) held.push_back(position);
  auto found = store_.due_retries(job.key, kNever, kRetriesPerRead, held);
  if (!found) {
    block(job, found.error(), now);
    return;
  }
  for (const store::DueRetry& due : found->due) {
    settle_unsent(
        job, {.position = due.retry.position, .attempts = due.retry.attempts, .is_retry = true},
        *job.fate);
  }
}

void Dispatcher::settle_unsent(RunningJob& job, const Delivery& delivery, const Fate& fate) {
  LaneTotals& totals = *job.lane.totals;
  switch (fate.kind) {
    case Fate::Kind::kExpired:
      ++job.unrecorded.added.expired;
      totals.expired.fetch_add(1, std::memory_order_relaxed);
      break;
    case Fate::Kind::kRejected:
      ++job.unrecorded.added.rejected;
      totals.rejected.fetch_add(1, std::memory_order_relaxed);
      break;
    case Fate::Kind::kSuppressed:
      ++job.unrecorded.added.suppressed;
      totals.suppressed.fetch_add(1, std::memory_order_relaxed);
      break;
  }
  count_reason(job.unrecorded.reasons, fate.reason);
  if (!delivery.is_retry) return;
  job.unrecorded.retries_done.push_back(delivery.position);
  job.held[delivery.position] = building_;
  --job.retries_live;
}

void Dispatcher::block(RunningJob& job, const store::Error& error, Now now) {
  store_error_ = error.message;
  spdlog::error("event {}: reading the store failed, trying again: {}", to_string(job.key.event),
                error.message);
  job.blocked_until_ms = now.monotonic_ms + kStoreRetryMs;
}

// --- verdicts
// -------------------------------------------------------------------------------------

void Dispatcher::on_verdicts(std::size_t lane, std::span<const push::Verdict> verdicts, Now now) {
  std::uint64_t accepted = 0;
  for (const push::Verdict& verdict : verdicts) {
    const auto index = static_cast<std::uint32_t>(verdict.tag >> kIndexShift);
    assert(index < jobs_.size() && jobs_[index]);
    RunningJob& job = *jobs_[index];
    const std::uint64_t number = verdict.tag & (kRetryBit | kNumberMask);
    if (verdict.kind == push::VerdictKind::kAccepted && job.ledger.open_entry(number) != nullptr) {
      job.ledger.settle(number);  // nearly all of them: nothing but counting
      ++job.unrecorded.added.accepted;
      ++job.unrecorded_count;
      ++accepted;
    } else {
      on_verdict(*lanes_[lane], verdict, now);
    }
  }
  unrecorded_ += verdicts.size();
  lanes_[lane]->outstanding -= verdicts.size();
  lanes_[lane]->totals->accepted.fetch_add(accepted, std::memory_order_relaxed);
}

void Dispatcher::on_verdict(Lane& lane, const push::Verdict& verdict, Now now) {
  RunningJob& job = *jobs_[verdict.tag >> kIndexShift];
  const std::uint64_t number = verdict.tag & (kRetryBit | kNumberMask);
  Delivery delivery;
  if (const Ledger::Entry* entry = job.ledger.open_entry(number)) {
    delivery = {.position = entry->position, .read_ms = job.taken_up_ms + entry->read_ms};
    job.ledger.settle(number);
  } else {
    const auto open = job.open_retries.find(number);
    assert(open != job.open_retries.end());  // a provider settles every target exactly once
    delivery = {.position = open->second.position,
                .attempts = open->second.attempts,
                .read_ms = open->second.read_ms,
                .is_retry = true};
    job.open_retries.erase(open);
  }
  ++job.unrecorded_count;

  const double jitter = std::uniform_real_distribution<double>(0, 1)(random_);
  const Outcome outcome = decide({.made_before = delivery.attempts,
                                  .expires_ms = job.expires_ms,
                                  .now_or_never = job.now_or_never,
                                  .token_read_ms = delivery.read_ms},
                                 verdict, now.calendar_ms, limits_, jitter);
  if (outcome.pause_until_ms > lane.paused_until_ms) {
    spdlog::warn("nothing more is sent to this provider for {} ms: {} (status {})",
                 outcome.pause_until_ms - now.calendar_ms, verdict.reason, verdict.status);
    lane.paused_until_ms = outcome.pause_until_ms;
  }
  settle(job, delivery, outcome, verdict.reason, now);
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
                                   .at_ms = now.calendar_ms});
  }
  if (outcome.remove_token) {
    totals.tokens_removed.fetch_add(1, std::memory_order_relaxed);
    unrecorded.removals.push_back(
        {.position = delivery.position, .token = {}, .dead_since_ms = outcome.dead_since_ms});
  }
}

// --- recording
// ------------------------------------------------------------------------------------

// Every device of the audience has an outcome or a retry: nothing is left to read.
bool Dispatcher::fully_recorded(const RunningJob& job) const {
  return job.exhausted && job.page_next == job.page.devices.size() && job.ledger.open() == 0;
}

bool Dispatcher::finished(const RunningJob& job) const {
  return fully_recorded(job) && job.open_retries.empty() && job.retries_live == 0;
}

bool Dispatcher::dirty(const RunningJob& job) const {
  if (job.closing) return false;
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
    return job && ((soon && dirty(*job)) || job->ledger.span() >= span_max());
  });
}

void Dispatcher::checkpoint(Now now) {
  in_flight_ = std::make_unique<InFlight>();
  in_flight_->number = building_++;
  std::vector<store::Checkpoint> checkpoints;
  for (auto& job : jobs_) {
    if (!job) continue;
    park_stragglers(*job, now);
    if (!dirty(*job)) continue;
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
  if (job.ledger.span() < span_max()) return;
  while (job.ledger.span() > span_max() / 2) {
    const auto parked = job.ledger.park_oldest();
    if (!parked) return;
    const store::DevicePosition position = parked->entry.position;
    job.open_retries.emplace(
        parked->sequence & kNumberMask,
        OpenRetry{.position = position, .read_ms = job.taken_up_ms + parked->entry.read_ms});
    job.held[position] = kOpen;
    job.unrecorded.retries.push_back({.position = position,
                                      .due_ms = now.calendar_ms + kParkedDueMs,
                                      .attempts = 0,
                                      .reason = "AnswerLate"});
    ++job.retries_live;
  }
}

store::Checkpoint Dispatcher::close_checkpoint(RunningJob& job) {
  store::Checkpoint closed = std::exchange(job.unrecorded, {.job = job.key});
  closed.cursor = job.ledger.cursor();
  job.ledger.beyond(closed.beyond);
  // Read to its end is not enough: what was handed out and not answered is read again after a
  // crash.
  closed.exhausted = fully_recorded(job);
  closed.state = finished(job) ? store::EventState::kCompleted : store::EventState::kRunning;
  job.closing = closed.state == store::EventState::kCompleted;
  job.recorded_cursor = closed.cursor;
  job.recorded_exhausted = closed.exhausted;
  job.unrecorded_count = 0;
  add(job.counters, closed.added);
  return closed;
}

void Dispatcher::on_recorded(const store::Result<void>& result, Now now) {
  assert(in_flight_);
  const std::unique_ptr<InFlight> in_flight = std::move(in_flight_);
  if (!result) {
    store_error_ = result.error().message;
    spdlog::error("recording outcomes failed, trying again: {}", store_error_);
    record_not_before_ms_ = now.monotonic_ms + kStoreRetryMs;
    for (InFlight::Part& part : in_flight->parts) {
      RunningJob& job = *jobs_[part.index];
      job.unrecorded_count += part.covered;
      unrecorded_ += part.covered;
      reopen_checkpoint(job, std::move(part.checkpoint));
    }
    return;
  }
  store_error_.clear();
  ++checkpoints_;
  for (InFlight::Part& part : in_flight->parts) {
    RunningJob& job = *jobs_[part.index];
    uncovered_ -= part.covered;
    for (const store::Retry& retry : part.checkpoint.retries) {
      job.next_due_ms = std::min(job.next_due_ms, retry.due_ms);
    }
    if (job.resting_at != kNotResting && job.retries_live > 0) {
      job.lane.rests_until_ms =
          std::min({job.lane.rests_until_ms, job.next_due_ms, job.expires_ms});
    }
    std::erase_if(job.held, [&](const auto& held) { return held.second <= in_flight->number; });
    if (job.closing) {
      // What is still pending has left the audience before its turn: the store says the same.
      job.lane.totals->suppressed.fetch_add(job.counters.pending(), std::memory_order_relaxed);
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
  job.closing = false;
  job.recorded_exhausted = !fully_recorded(job);  // it has to be recorded, whatever else there is
}

void Dispatcher::retire(RunningJob& job) {
  const std::uint32_t index = job.index;
  leave(job);
  jobs_[index].reset();
  free_indices_.push_back(index);
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
  const auto by_calendar = [&](std::int64_t calendar_ms) {
    if (calendar_ms > now.calendar_ms && calendar_ms - now.calendar_ms < 1'000) {
      wish = std::min(wish, now.monotonic_ms + (calendar_ms - now.calendar_ms));
    }
  };
  for (const auto& lane : lanes_) {
    by_calendar(lane->paused_until_ms);
    by_calendar(lane->rests_until_ms);
    for (const auto& active : lane->active) {
      for (const RunningJob* job : active) {
        if (job->blocked_until_ms > now.monotonic_ms) wish = std::min(wish, job->blocked_until_ms);
        by_calendar(job->next_due_ms);
        by_calendar(job->expires_ms);
      }
    }
  }
  const auto is_dirty = [this](const auto& job) { return job && dirty(*job); };
  if (!in_flight_ && std::any_of(jobs_.begin(), jobs_.end(), is_dirty)) {
    wish = std::min(
        wish, std::max(record_not_before_ms_, recorded_at_ms_ + limits_.checkpoint_interval_ms));
  }
  return wish;
}

}  // namespace carillon::fanout
