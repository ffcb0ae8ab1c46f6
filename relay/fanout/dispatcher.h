// The single-threaded heart of the fan-out: which device is handed to which provider when, what
// its verdict leads to, and when that is recorded. Owns no thread, waits for nothing and reads no
// clock of its own: `turn` is called with the time and says when it wants to be called again.
//
// The bound on repeats: a device is *uncovered* from the moment it is handed out until a durable
// checkpoint holds its outcome (or its retry). Never more than `repeat_bound` devices are
// uncovered, so a crash at any point repeats at most that many.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "providers/provider.h"
#include "relay/config/fanout_limits.h"
#include "relay/fanout/ledger.h"
#include "relay/fanout/localization.h"
#include "relay/fanout/policy.h"
#include "relay/fanout/rate_governor.h"
#include "relay/fanout/send_rate.h"
#include "relay/fanout/steering.h"
#include "relay/fanout/token_guard.h"
#include "storage/store.h"

namespace carillon::fanout {

// Jobs of one lane and priority that are worked on at once; the others wait their turn.
inline constexpr std::size_t kActiveJobsMax = 64;
// Jobs of one lane and priority that have nothing to be handed out now: they wait for verdicts, for
// the disk, or for a retry to come due. As each checkpoint looks at all of them, not without bound.
inline constexpr std::size_t kRestingJobsMax = 4'096;
// One part in so many of the bound on repeats, and as much beyond a lane's window, is left to
// urgent events, so that they wait for no verdict and no checkpoint of a bulk send.
inline constexpr std::size_t kUrgentPart = 16;
// Failures of one job that are stored device by device; beyond, they are only counted.
inline constexpr std::uint64_t kFailureRowsPerJobMax = 100'000;
// A device that answers late is recorded as a retry due after this, so that it does not hold up
// the cursor; its answer settles it before, normally.
inline constexpr std::int64_t kParkedDueMs = 120'000;
// What a relative lifetime (FCM's) may lag before the message is rendered again.
inline constexpr std::int64_t kRenderedForMs = 30'000;
// After the store failed to read or to record.
inline constexpr std::int64_t kStoreRetryMs = 1'000;
// After it failed to record while the relay shuts down: there is not much time.
inline constexpr std::int64_t kDrainRetryMs = 100;

// From one look to the next the calendar moves so much more or less than the monotonic clock only
// if somebody sets it; less may be a thread that was held up between reading the one and the other.
inline constexpr std::int64_t kClockStepMs = 5'000;

struct Now {
  std::int64_t calendar_ms = 0;   // since the epoch: for people, providers and the store's times
  std::int64_t monotonic_ms = 0;  // since any point
  // By how much the calendar was set back since the start: the dispatcher adds it. What somebody
  // waits for (a retry, a lane's pause, the end of an event's time) is measured by `waits_ms`,
  // which is not set back. Set ahead it is: the machine may have stood still for so long.
  std::int64_t set_back_ms = 0;
  std::int64_t waits_ms() const { return calendar_ms + set_back_ms; }
};

// A job to take up: just accepted, or found unfinished at start.
struct JobStart {
  store::Job job;
  push::Notification notification;
  std::shared_ptr<const Localization> localization = {};  // null: one language
  bool now_or_never = false;
  // As its provider rendered it at `rendered_ms`, when the event was accepted; null: not yet.
  std::shared_ptr<const push::RenderedMessage> message = {};
  std::int64_t rendered_ms = 0;
};

// Totals of one lane: written by the fan-out thread, read by any.
struct LaneTotals {
  std::atomic<std::uint64_t> submitted{0}, accepted{0}, rejected{0}, expired{0}, dead_lettered{0},
      suppressed{0}, cancelled{0}, retried{0}, tokens_removed{0}, tokens_quarantined{0},
      tokens_left_alone{0}, answers_unexpected{0};
  std::atomic<TokenGuard::State> guard{TokenGuard::State::kLearning};
  std::atomic<std::uint32_t> dead_percent{0};   // of the answers that the guard judged last
  std::atomic<bool> credential_refused{false};  // and nothing was accepted since
  // As in GovernedPace; each its own, so that a reader may see one of a moment later.
  std::atomic<bool> governed{false};
  std::atomic<double> tokens{0}, per_second{0}, per_second_gained{0}, per_second_most{0};
};

struct LaneOptions {
  std::string name = {};  // for the log: "video, apns"
  RateGovernor::Limits rate = {};
};

class Dispatcher {
 public:
  using Record = std::function<void(std::vector<store::Checkpoint>, std::int64_t now_ms)>;

  // `record` hands checkpoints to the store; `on_recorded` must be called with what became of them
  // before it is called again.
  Dispatcher(store::Store& store, const config::Fanout& limits, Record record, std::uint64_t seed);
  ~Dispatcher();

  // A way to one provider; null: nothing can be sent this way, its devices are suppressed.
  std::size_t add_lane(push::Provider* provider, LaneTotals* totals,
                       const LaneOptions& options = {});

  // Looks at the clocks, as every call with a time does. Before `take_up`, so that the job's end is
  // measured by the calendar that its publisher had.
  void notice(Now now) { look(now); }
  void take_up(std::size_t lane, JobStart start);
  // An answer that nothing waits for (a second one, or one for a job that has ended) is counted and
  // changes nothing.
  void on_verdicts(std::size_t lane, std::span<const push::Verdict> verdicts, Now now);
  // The lane's provider uses another credential from now on, that its platform takes.
  void renew_credential(std::size_t lane);
  void on_recorded(const store::Result<void>& result, Now now);
  // Hands out what windows and bounds allow and starts a checkpoint if one is due. Returns the
  // monotonic time at which something may be due next.
  std::int64_t turn(Now now);
  // Somebody takes charge of an event. What is to stop is handed out no more from this moment on;
  // the answer comes once that is durable. kFinished: no job of the event is here.
  void steer(SteeringRequest request, Now now);
  // Those that wait for an answer are told that none of it came about. At the end.
  void refuse_steering(const SteeringRefusal& refusal);
  // From now on nothing is handed out. A checkpoint that has failed is tried again in the next
  // turn; this may be called once more for that.
  void drain() {
    draining_ = true;
    record_not_before_ms_ = 0;
  }

  // Nothing is handed out and nothing waits to be recorded.
  bool settled() const;
  bool recording() const { return in_flight_ != nullptr; }
  std::uint64_t uncovered() const { return uncovered_; }
  std::uint64_t jobs() const { return jobs_in_memory_; }
  std::uint64_t checkpoints() const { return checkpoints_; }
  const std::string& store_error() const { return store_error_; }

 private:
  struct RunningJob;
  struct Lane;
  struct InFlight;
  struct Taken;
  // Everything of a job that is settled without being sent.
  struct Fate {
    enum class Kind : std::uint8_t { kExpired, kRejected, kSuppressed };
    Kind kind = Kind::kExpired;
    std::string reason;
  };
  // A recorded retry, or a parked device, that is on its way.
  struct OpenRetry {
    store::DevicePosition position = 0;
    std::uint32_t attempts = 0;
    std::int64_t read_ms = 0;
  };
  // A place in jobs_, and where the job that takes it begins to number its deliveries.
  struct FreeIndex {
    std::uint32_t index = 0;
    std::uint64_t first_number = 0;
  };
  struct Delivery {
    store::DevicePosition position = 0;
    std::uint32_t attempts = 0;
    std::int64_t read_ms = 0;
    bool is_retry = false;
  };

  Now look(Now now);
  void activate_waiting(Lane& lane, Now now);
  RunningJob& activate(Lane& lane, JobStart start, Now now);
  void wake_resting(Lane& lane, Now now);
  bool may_rest(const RunningJob& job, Now now) const;
  void rest(RunningJob& job);
  std::int64_t rests_until(const RunningJob& job) const;
  void leave(RunningJob& job);
  void fill_lanes(Now now);
  bool fill(Lane& lane, Now now);
  std::size_t room(Lane& lane, bool urgent, Now now) const;
  std::size_t hand_out(RunningJob& job, std::size_t devices_max, Now now);
  std::size_t hand_out_retries(RunningJob& job, std::size_t devices_max, Now now);
  std::size_t hand_out_scanned(RunningJob& job, std::size_t devices_max, Now now);
  bool next_page(RunningJob& job, std::size_t devices, Now now);
  // dispatcher_languages.cc
  std::size_t hand_out_localized(RunningJob& job, std::size_t count, Now now);
  bool load_language(RunningJob& job, std::uint16_t locale, Now now);
  std::size_t submit_by_language(RunningJob& job, std::vector<push::PushBatch> batches, Now now);
  std::shared_ptr<const push::RenderedMessage> message_in(RunningJob& job, std::size_t language,
                                                          Now now);

  void page_done(RunningJob& job);
  void settle_by_fate(RunningJob& job, Now now);
  void decide_fate(RunningJob& job, Now now);
  void render(RunningJob& job, Now now);
  void submit(RunningJob& job, push::PushBatch batch);
  RunningJob* job_at(const Lane& lane, std::uint32_t index) const;
  bool on_verdict(RunningJob& job, const push::Verdict& verdict, Now now);
  void settle(RunningJob& job, const Delivery& delivery, const Outcome& outcome,
              std::string_view reason, Now now);
  void judge_tokens(RunningJob& job);
  void settle_unsent(RunningJob& job, const Delivery& delivery, const Fate& fate, Now now);
  void block(RunningJob& job, const store::Error& error, Now now);

  // dispatcher_steering.cc
  std::vector<RunningJob*> jobs_of(const store::EventId& event) const;
  void take_out_of_waiting(const store::EventId& event, Now now);
  void take_wishes(Now now);
  std::optional<SteeringRefusal> objection(const Wish& wish,
                                           const std::vector<RunningJob*>& jobs) const;
  Taken take_wish(SteeringRequest request, const std::vector<RunningJob*>& jobs, Now now);
  void wish_recorded(Taken& taken);
  void withdraw_wish(Taken& taken, const store::Error& error);
  void let_go(RunningJob& job);
  std::size_t allowance(RunningJob& job, std::size_t devices, Now now) const;
  // Whether its notifications are to go on a connection of their own.
  static bool goes_apart(const RunningJob& job);

  bool fully_recorded(const RunningJob& job) const;
  bool finished(const RunningJob& job) const;
  bool dirty(const RunningJob& job) const;
  bool checkpoint_due(Now now) const;
  void checkpoint(Now now, std::vector<Taken> wishes);
  bool cancelled(const RunningJob& job) const;
  bool too_wide(const RunningJob& job) const;
  void park_stragglers(RunningJob& job, Now now);
  store::EventState state_to_record(const RunningJob& job) const;
  store::Checkpoint close_checkpoint(RunningJob& job);
  void reopen_checkpoint(RunningJob& job, store::Checkpoint failed);
  void retire(RunningJob& job);
  std::int64_t next_wish(Now now) const;
  std::size_t span_max() const { return limits_.repeat_bound; }

  store::Store& store_;
  const config::Fanout limits_;
  Record record_;
  std::mt19937_64 random_;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<RunningJob>> jobs_;  // by index; null: free
  std::vector<FreeIndex> free_indices_;
  std::uint64_t jobs_in_memory_ = 0;  // running and waiting

  std::size_t outstanding_ = 0;  // of all lanes: submitted, no verdict yet
  std::size_t first_lane_ = 0;   // whose turn it is when not all find room
  std::uint64_t uncovered_ = 0;
  std::uint64_t unrecorded_ = 0;  // settled since the latest checkpoint was closed
  std::unique_ptr<InFlight> in_flight_;
  std::uint64_t building_ = 1;  // number of the checkpoint that is being gathered
  std::uint64_t checkpoints_ = 0;
  std::int64_t recorded_at_ms_ = 0;        // monotonic
  std::int64_t record_not_before_ms_ = 0;  // monotonic, after a failure
  std::string store_error_;
  std::optional<std::int64_t> clocks_apart_ms_;  // calendar less monotonic, at the latest look
  std::int64_t set_back_ms_ = 0;
  std::vector<SteeringRequest> steering_;  // held already; recorded with the next checkpoint
  bool draining_ = false;
  bool hungry_ = false;  // a turn ended before its work did
};

}  // namespace carillon::fanout
