// /v1/events/{event}/failures and /devices/{device}: what became of single devices, and why.
#pragma once

#include "relay/api/desk.h"
#include "storage/event_report.h"
#include "storage/store.h"

namespace carillon::api {

inline constexpr std::size_t kFailuresPageDefault = 100;

// Any thread.
class ReportResource {
 public:
  explicit ReportResource(store::Store& store) : store_(store) {}  // must outlive it

  Reply failures(const Admission& admission);
  Reply explain(const Admission& admission);

 private:
  store::Store& store_;
};

}  // namespace carillon::api
