// The desk behind the gate: routes requests, checks keys, and calls the resource they are about.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "relay/api/audience_resource.h"
#include "relay/api/channels_resource.h"
#include "relay/api/count_places.h"
#include "relay/api/desk.h"
#include "relay/api/downloads.h"
#include "relay/api/events_resource.h"
#include "relay/api/gate.h"
#include "relay/api/health.h"
#include "relay/api/http_counters.h"
#include "relay/api/key_ring.h"
#include "relay/api/metrics.h"
#include "relay/api/outcomes_resource.h"
#include "relay/api/publisher.h"
#include "relay/api/report_resource.h"
#include "relay/api/steering_resource.h"
#include "relay/api/watchers.h"

namespace carillon::api {

class Api : public Desk {
 public:
  struct Parts {
    Publisher& publisher;  // these two outlive the API
    store::Store& store;
    std::vector<std::string> apps;
    fanout::Clocks clocks;
    std::uint64_t body_bytes_max = 256 * 1024;
    Watchers::Limits watchers;
    Downloads::Limits downloads;
    // Of GET /v1/outcomes at once, each with its worker.
    std::size_t outcomes_waiting_max = 0;
    std::function<GateStats()> gate_stats;
    std::function<std::vector<StaleTotals>()> stale_totals = {};
    import::PushOrigins push_origins = {};
  };
  explicit Api(Parts parts);

  tl::expected<Admission, Reply> admit(const RequestHead& head) override;
  std::optional<Reply> answer(const RequestHead& head, const Admission& admission,
                              std::string_view body, Later later) override;
  Reply answer(const RequestHead& head, const Admission& admission, BodySource& body) override;
  void on_answered(const RequestHead& head, const Route* route, int status,
                   std::chrono::nanoseconds took) override;

  // Nobody waits for outcomes any more: what was asked is answered.
  void stop_waiting() { outcomes_.stop(); }
  // Ends every progress stream and export.
  void stop_streams() {
    watchers_.stop();
    downloads_.stop();
  }

 private:
  // Each is nothing if there is no objection.
  std::optional<Reply> key_objection(const Route& route, const RequestHead& head);
  std::optional<Reply> app_objection(const RouteMatch& match) const;

  Parts parts_;
  KeyRing keys_;
  const CountPlaces counts_;
  EventsResource events_;
  SteeringResource steering_;
  ReportResource reports_;
  OutcomesResource outcomes_;
  AudienceResource audience_;
  ChannelsResource channels_;
  Readiness readiness_;
  HttpCounters counters_;
  Watchers watchers_;
  Downloads downloads_;
  Metrics metrics_;
};

}  // namespace carillon::api
