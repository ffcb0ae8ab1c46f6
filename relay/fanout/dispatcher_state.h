// What the parts of the dispatcher share: a job in memory, a lane, a checkpoint on its way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "relay/fanout/dispatcher.h"
#include "relay/fanout/token_doubt.h"

namespace carillon::fanout {

inline constexpr std::size_t kPriorities = 3;
inline constexpr std::size_t kUrgent = 0;  // the class of priority 1
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::size_t kNotResting = std::numeric_limits<std::size_t>::max();
// Pages of a job that nobody is to get, settled in one turn: bounds how long a turn takes.
inline constexpr int kFatePagesPerTurn = 8;
inline constexpr std::size_t kFatePageDevices = 4096;
// Rows of failures that a job gathers for one checkpoint before it settles more without sending.
inline constexpr std::size_t kFateRowsPerCheckpoint = 4096;
inline constexpr std::size_t kRetriesPerRead = 512;
// Pages without a device that one hand-out walks over, for the same reason.
inline constexpr int kEmptyPagesPerTurn = 64;
inline constexpr std::string_view kLeftAudience = "LeftAudience";
// In RunningJob::language_of: not looked at yet.
inline constexpr std::uint8_t kUnknownLanguage = 0xff;
static_assert(kLocalesPerEventMax < kUnknownLanguage);

// A verdict's tag: job index, whether it is a retry, and which delivery of the job.
inline constexpr int kIndexShift = 40;
inline constexpr std::uint64_t kRetryBit = 1ULL << 39;
inline constexpr std::uint64_t kNumberMask = kRetryBit - 1;
// The deliveries of a job are numbered on from those of the job that had its index before, so that
// a late answer for that one is not taken for this one's. Beyond, from 0 again.
inline constexpr std::uint64_t kFirstNumberMax = kRetryBit / 2;

constexpr std::uint64_t make_tag(std::uint32_t index, std::uint64_t number) {
  return static_cast<std::uint64_t>(index) << kIndexShift | number;
}

inline std::size_t priority_class(std::uint8_t priority) {
  return std::clamp<std::size_t>(priority, 1, kPriorities) - 1;
}

inline void add(store::Counters& to, const store::Counters& more) {
  to.accepted += more.accepted;
  to.rejected += more.rejected;
  to.expired += more.expired;
  to.suppressed += more.suppressed;
  to.cancelled += more.cancelled;
  to.dead_lettered += more.dead_lettered;
}

inline void count_reason(std::vector<std::pair<std::string, std::uint64_t>>& reasons,
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

struct Dispatcher::RunningJob {
  RunningJob(FreeIndex at, Lane& lane_in, JobStart start, Now now)
      : index(at.index),
        lane(lane_in),
        key(start.job.key),
        priority(start.job.priority),
        expires_ms(start.job.expires_ms),
        counters(start.job.counters),
        now_or_never(start.now_or_never),
        notification(std::move(start.notification)),
        localization(std::move(start.localization)),
        taken_up_ms(now.calendar_ms),
        message(std::move(start.message)),
        rendered_ms(start.rendered_ms),
        read_after(start.job.cursor),
        ledger(start.job.cursor, std::move(start.job.beyond), at.first_number),
        exhausted(start.job.exhausted),
        recorded_cursor(start.job.cursor),
        recorded_exhausted(start.job.exhausted),
        retries_live(start.job.retries),
        next_due_ms(start.job.retries > 0 ? 0 : kNever),
        next_retry_number(at.first_number),
        paused(start.job.state == store::EventState::kPaused),
        cancelling(start.job.cancelling),
        cancel_recorded(start.job.cancelling) {
    failure_rows = start.job.failure_rows;
    unrecorded.job = key;
  }
  // Nothing of it is handed out. What it is asked to be settled without being sent (its time has
  // passed) is settled all the same.
  bool halted() const { return paused || cancelling || stopped; }
  std::size_t languages() const { return localization ? 1 + localization->wordings().size() : 1; }
  // Of a locale that was loaded (`load_language`).
  std::size_t language(std::uint16_t locale) const {
    return localization ? language_of[locale] : 0;
  }
  std::uint64_t unanswered() const { return ledger.open() + open_retries.size(); }
  // Larger than that of any delivery.
  std::uint64_t next_number() const { return std::max(ledger.next_sequence(), next_retry_number); }

  const std::uint32_t index;
  Lane& lane;
  std::size_t resting_at = kNotResting;  // its place in the lane's list
  const store::JobKey key;
  const std::uint8_t priority;
  const std::int64_t expires_ms;  // as Now::waits_ms
  store::Counters counters;       // with what is closed into a checkpoint
  const bool now_or_never;
  const push::Notification notification;
  const std::shared_ptr<const Localization> localization;  // null: one language
  std::int64_t taken_up_ms;  // calendar; Ledger::Entry::read_ms counts from here

  std::shared_ptr<const push::RenderedMessage> message;
  std::int64_t rendered_ms;  // calendar
  // Of an event in several languages: by a locale's number in the scan, the language of its devices
  // (0: the default, n: wording n - 1); and the message of each wording, rendered when first
  // wanted.
  std::vector<std::uint8_t> language_of;
  std::vector<std::shared_ptr<const push::RenderedMessage>> worded;
  std::optional<Fate> fate;

  std::unique_ptr<store::AudienceScan> scan;
  store::DevicePage page;
  std::size_t page_next = 0;             // first device of the page that is not yet in the ledger
  store::DevicePosition page_after = 0;  // where the page began
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
  TokenDoubt doubt;

  std::uint64_t retries_live;  // recorded or about to be, not settled
  std::int64_t next_due_ms;    // of the recorded ones that are not held; as Now::waits_ms
  std::unordered_map<std::uint64_t, OpenRetry>
      open_retries;  // by tag number (with kRetryBit or not)
  // Recorded retries that must not be handed out (again): on their way, or settled in a checkpoint
  // that is not durable yet. Value: the checkpoint that frees it, or kOpen.
  std::map<store::DevicePosition, std::uint64_t> held;
  std::uint64_t next_retry_number;

  std::int64_t blocked_until_ms = 0;  // monotonic: the store failed to read

  // What somebody wished of it: as the next checkpoint says it, or the latest said it.
  bool paused;
  bool cancelling;
  bool cancel_recorded;            // the wish is durable: only answers are awaited
  bool stopped = false;            // a wish is not durable yet
  bool wished = false;             // the next checkpoint has to carry a wish
  std::shared_ptr<SendRate> rate;  // of the event, shared by its jobs; null: no limit
};

struct Dispatcher::Lane {
  Lane(const LaneOptions& options, const config::Fanout& limits)
      : name(options.name),
        guard({.answers_min = limits.dead_answers_min, .percent_max = limits.dead_percent_max}),
        governor(options.rate, 0) {}

  // Once a turn, and only while there is something to tell.
  void tell_pace() {
    const GovernedPace pace = governor.pace();
    if (!pace.governed && !totals->governed.load(std::memory_order_relaxed)) return;
    totals->governed.store(pace.governed, std::memory_order_relaxed);
    totals->tokens.store(pace.tokens, std::memory_order_relaxed);
    totals->per_second.store(pace.per_second, std::memory_order_relaxed);
    totals->per_second_gained.store(pace.per_second_gained, std::memory_order_relaxed);
    totals->per_second_most.store(pace.per_second_most, std::memory_order_relaxed);
  }

  bool only_urgent() const {
    return std::all_of(active.begin() + kUrgent + 1, active.end(),
                       [](const auto& jobs) { return jobs.empty(); });
  }

  const std::string name;
  TokenGuard guard;
  RateGovernor governor;
  std::int64_t governed_until_ms = 0;  // monotonic: when it allows something again; 0: it does
  std::uint64_t judged_in = 0;  // the number of the checkpoint that has the guard's latest ruling
  push::Provider* provider = nullptr;
  LaneTotals* totals = nullptr;
  std::size_t outstanding = 0;                                // submitted, no verdict yet
  std::int64_t paused_until_ms = 0;                           // as Now::waits_ms
  bool paused_for_credential = false;                         // and for nothing else
  std::array<std::deque<RunningJob*>, kPriorities> active;    // front: whose turn it is
  std::array<std::vector<RunningJob*>, kPriorities> resting;  // nothing to hand out now
  std::array<std::deque<JobStart>, kPriorities> waiting;
  std::int64_t rests_until_ms = kNever;  // as Now::waits_ms; not later than any of them may rest
};

// A wish that is on its way to the disk, and what to go back to if it does not get there.
struct Dispatcher::Taken {
  struct Before {
    std::uint32_t index = 0;
    bool paused = false, cancelling = false;
    std::shared_ptr<SendRate> rate;
  };
  SteeringRequest request;
  Steered answer;
  std::vector<Before> before;
};

struct Dispatcher::InFlight {
  struct Part {
    std::uint32_t index = 0;
    store::Checkpoint checkpoint;
    std::uint64_t covered = 0;
  };
  std::uint64_t number = 0;
  std::vector<Part> parts;
  std::vector<Taken> wishes;
};

}  // namespace carillon::fanout
