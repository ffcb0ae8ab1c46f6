// Reading events, jobs, retries and keys. Used by the writer's connection and by every reader's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/sqlite/audience_scan.h"

namespace carillon::store::sqlite {

inline std::string_view bytes_of(const EventId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}
inline bool is_finished(EventState state) {
  return state == EventState::kCompleted || state == EventState::kCancelled;
}

// What event.kind says of the audience. Positions of names stand in `audience`: of each platform
// where there are names alone, all of them under platform 0 where there is more.
enum EventKind : std::int64_t {
  kOneTopic = 1,
  kSubscribers,  // by name
  kDevices,      // by name
  kNames,        // of both; from here on event.definition says what was named
  kSeveral       // a condition, several topics, a topic and names: see table `frozen`
};

class EventTables {
 public:
  explicit EventTables(Database& database);

  std::optional<std::int64_t> row_of(const EventId& id);
  std::optional<EventRecord> event(AudienceTables& audience, const EventId& id);
  std::vector<EventRecord> events(AudienceTables& audience, const EventId& before,
                                  std::size_t limit);
  std::vector<Job> unfinished_jobs();
  std::vector<Job> jobs(const EventId& event);
  std::optional<FrozenAudience> frozen_audience(AudienceTables& tables, const JobKey& job);
  // Those of a job, soonest first: visit(retry) until it answers false.
  template <class Visit>
  void each_retry(std::int64_t event, Platform platform, Visit visit) {
    Cursor row = retries_.rows(event, static_cast<int>(platform));
    while (row.next()) {
      if (!visit(Retry{.position = row.natural(0),
                       .due_ms = row.integer(1),
                       .attempts = static_cast<std::uint32_t>(row.integer(2)),
                       .reason = row.text(3)})) {
        return;
      }
    }
  }
  std::vector<ApiKey> keys();
  struct Counts {
    std::uint64_t devices = 0, subscribers = 0, topics = 0;
  };
  Counts counts();

  // Reads the counters of a job from six columns on.
  static Counters counters_from(const Cursor& row, int column);

 private:
  void read_event(AudienceTables& audience, const Cursor& row, EventRecord& event);
  std::vector<Job> read_jobs(Cursor rows);

  Statement row_of_, event_, content_, events_, event_jobs_, event_reasons_, unfinished_, jobs_,
      frozen_, named_, retries_, keys_, counts_;
};

}  // namespace carillon::store::sqlite
