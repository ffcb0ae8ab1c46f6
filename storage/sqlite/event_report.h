// Reading what is known of single devices of an event. For one call, on a reader's connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/event_report.h"
#include "storage/sqlite/audience_scan.h"
#include "storage/sqlite/event_tables.h"

namespace carillon::store::sqlite {

class EventReport {
 public:
  EventReport(Database& database, AudienceTables& audience, EventTables& events,
              AudiencePages& pages);

  FailurePage failures(const EventId& event, const FailureQuery& query);
  DeviceFate explain(const EventId& event, std::string_view device);

 private:
  struct At {
    std::int64_t event = 0;
    Platform platform = Platform::kApns;
    DevicePosition position = 0;
  };
  std::int64_t row_of(const EventId& event);
  bool failed(const At& at, DeviceFate& fate);
  bool retried(const At& at, DeviceFate& fate);
  bool was_frozen(const FrozenAudience& audience, DevicePosition position, bool running);
  bool removed(std::uint32_t app, std::string_view device, std::int64_t accepted_ms,
               DeviceFate& fate);
  bool came_later(const FrozenAudience& audience, DevicePosition position);
  void passed(const At& at, const Job& job, DeviceFate& fate);
  bool may_have_come_later(const FrozenAudience& audience, std::uint64_t first_later,
                           const Subscriber& subscriber);

  Database& database_;
  AudienceTables& audience_;
  EventTables& events_;
  AudiencePages& pages_;
  Statement page_, failure_, retry_, window_, named_, quarantined_, removed_, first_later_,
      without_provider_;
};

}  // namespace carillon::store::sqlite
