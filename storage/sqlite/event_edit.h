// Accepting events and recording what became of them, inside the writer's transaction.
#pragma once

#include <span>
#include <vector>

#include "storage/sqlite/audience_census.h"
#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/event_tables.h"

namespace carillon::store::sqlite {

class EventEdit {
 public:
  EventEdit(Database& database, AudienceEdit& audience);

  AcceptedEvent accept(const NewEvent& event);
  // Throws kInvalid before anything is written only for the first checkpoint: the caller undoes.
  void record(std::span<const Checkpoint> checkpoints, std::int64_t now_ms);
  Replayed replay(const EventId& id, const ReplayWish& wish, std::int64_t now_ms);
  void put_key(const ApiKey& key);
  void revoke_key(std::string_view name, std::int64_t now_ms);
  std::uint64_t forget_idempotency_keys(std::int64_t before_ms);

 private:
  struct Resolved {
    std::uint32_t topic = 0;
    PlatformCounts targeted{};
    std::array<std::vector<DevicePosition>, kPlatforms> positions;  // of a named audience
  };
  struct JobRow {
    std::int64_t event = 0;
    EventState state = EventState::kQueued;
    Counters counters;
    DevicePosition cursor = 0;
    std::uint64_t retries = 0;
    bool cancelling = false;
    std::uint64_t failure_rows = 0;
  };

  std::optional<AcceptedEvent> repeated(std::uint32_t app, const NewEvent& event);
  std::int64_t insert_event(const NewEvent& event, std::uint32_t app, EventKind kind);
  Resolved resolve_several(std::int64_t row, const NewEvent& event);
  void insert_positions(std::int64_t event, std::size_t platform,
                        std::span<const DevicePosition> positions);
  Resolved resolve(std::uint32_t app, const Audience& audience);
  void insert_jobs(std::int64_t event, const Resolved& audience, std::uint64_t frozen);
  JobRow job_row(const JobKey& key);
  // What a checkpoint was about, and whether it settles any device.
  struct Recorded {
    std::int64_t event = 0;
    bool settles = false;
  };
  Recorded record_job(const Checkpoint& checkpoint, std::int64_t now_ms);
  void record_retries(const Checkpoint& checkpoint, JobRow& job);
  void cancel_job(const Checkpoint& checkpoint, JobRow& job);
  void finish_job(const Checkpoint& checkpoint, JobRow& job);
  void replay_job(std::int64_t event, const Job& job, const ReplayWish& wish, std::int64_t now_ms,
                  Replayed& replayed);
  void add_reason(std::int64_t event, Platform platform, std::string_view reason,
                  std::uint64_t count);
  void update_event(std::int64_t event, bool settles, std::int64_t now_ms);

  Database& database_;
  AudienceEdit& audience_;
  EventTables tables_;
  AudienceCensus census_;
  Statement insert_event_, complete_event_, define_event_, insert_frozen_, erase_frozen_,
      erase_named_, insert_job_, insert_audience_, find_idempotency_, insert_idempotency_,
      targeted_, job_, update_job_, update_retry_, insert_retry_, erase_retry_, erase_retries_,
      insert_failure_, replace_failure_, add_reason_, event_sums_, event_times_, update_event_,
      insert_key_, revoke_key_, forget_idempotency_, set_rate_, failures_by_reason_,
      retry_failures_, erase_failures_, take_reason_, erase_reason_, reopen_job_, frozen_of_,
      set_expiry_;
  std::string encoded_;
};

}  // namespace carillon::store::sqlite
