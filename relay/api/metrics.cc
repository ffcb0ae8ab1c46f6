#include "relay/api/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>
#include <utility>

#include "relay/api/event_document.h"

namespace carillon::api {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::chrono::milliseconds kStoreStatsAge{1'000};

// One family at a time, its samples one after the other.
class Families {
 public:
  void counter(std::string name, std::string help) {
    out.push_back({std::move(name), std::move(help), MetricType::Counter, {}});
  }
  void gauge(std::string name, std::string help) {
    out.push_back({std::move(name), std::move(help), MetricType::Gauge, {}});
  }
  void add(std::uint64_t value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (out.back().type == MetricType::Counter) {
      metric.counter.value = static_cast<double>(value);
    } else {
      metric.gauge.value = static_cast<double>(value);
    }
    out.back().metric.push_back(std::move(metric));
  }

  std::vector<MetricFamily> out;
};

Labels lane_labels(const fanout::LaneStats& lane) {
  return {{"app", lane.app},
          {"platform", std::string(platform_name(static_cast<store::Platform>(lane.platform)))}};
}

void add_outcomes(const std::vector<fanout::LaneStats>& lanes, Families& families) {
  families.counter("carillon_notifications_total",
                   "Devices settled since the start, by what became of their notification");
  for (const auto& lane : lanes) {
    const std::pair<const char*, std::uint64_t> outcomes[] = {
        {"accepted", lane.accepted},     {"rejected", lane.rejected},
        {"expired", lane.expired},       {"dead_lettered", lane.dead_lettered},
        {"suppressed", lane.suppressed}, {"cancelled", lane.cancelled}};
    for (const auto& [outcome, count] : outcomes) {
      Labels labels = lane_labels(lane);
      labels.push_back({"outcome", outcome});
      families.add(count, std::move(labels));
    }
  }
}

void add_lanes(const std::vector<fanout::LaneStats>& lanes, Families& families) {
  using Lane = fanout::LaneStats;
  const auto counted = [&](const char* name, const char* help, std::uint64_t Lane::*field) {
    families.counter(name, help);
    for (const Lane& lane : lanes) families.add(lane.*field, lane_labels(lane));
  };
  counted("carillon_submitted_total", "Notifications handed to a provider, repeats included",
          &Lane::submitted);
  counted("carillon_retried_total", "Notifications recorded for a later attempt", &Lane::retried);
  counted("carillon_tokens_removed_total", "Tokens removed after a provider's explicit word",
          &Lane::tokens_removed);
  counted("carillon_tokens_quarantined_total",
          "Tokens put in quarantine: called dead while that was suspicious",
          &Lane::tokens_quarantined);
  counted("carillon_tokens_left_alone_total",
          "Tokens called unusable while that was suspicious: nothing was done",
          &Lane::tokens_left_alone);
  counted("carillon_answers_unexpected_total",
          "Answers that nothing waited for, as a second one for a notification: nothing was done",
          &Lane::answers_unexpected);
  counted("carillon_credentials_replaced_total", "Credentials that were replaced while it runs",
          &Lane::credentials_replaced);
  families.gauge("carillon_credential_alarm",
                 "1 while a new credential is not taken, or the one in use is refused");
  for (const Lane& lane : lanes) {
    families.add(lane.credential_alarm.empty() ? 0 : 1, lane_labels(lane));
  }
  families.gauge("carillon_tokens_suspicious",
                 "1 while so many answers are against their tokens that they are not believed");
  for (const Lane& lane : lanes) {
    families.add(lane.guard == fanout::TokenGuard::State::kSuspicious ? 1 : 0, lane_labels(lane));
  }
  families.gauge("carillon_tokens_dead_percent",
                 "Of the latest answers about tokens, those against them");
  for (const Lane& lane : lanes) families.add(lane.dead_percent, lane_labels(lane));
  families.gauge("carillon_rate_limit_per_second",
                 "Notifications a second that a provider's budget or throttles allow; 0: no limit");
  for (const Lane& lane : lanes) {
    families.add(lane.pace.governed ? static_cast<std::uint64_t>(lane.pace.per_second) : 0,
                 lane_labels(lane));
  }
  using Health = push::ProviderHealth;
  const auto gauged = [&](const char* name, const char* help, std::size_t Health::*field) {
    families.gauge(name, help);
    for (const Lane& lane : lanes) families.add(lane.provider.*field, lane_labels(lane));
  };
  gauged("carillon_provider_connections", "Established connections to a provider",
         &Health::connections);
  gauged("carillon_provider_stream_slots", "Requests that the provider allows at once",
         &Health::stream_slots);
  gauged("carillon_provider_in_flight", "Requests on the wire", &Health::in_flight);
  gauged("carillon_provider_queued", "Notifications submitted and not yet on the wire",
         &Health::queued);
  families.gauge("carillon_provider_failing", "1 while the latest connection or credential failed");
  for (const Lane& lane : lanes) {
    families.add(lane.provider.last_error.empty() ? 0 : 1, lane_labels(lane));
  }
  families.gauge("carillon_credential_expires_seconds",
                 "Unix time at which a credential ends, as a certificate's notAfter; those without "
                 "an end are not here");
  for (const Lane& lane : lanes) {
    const auto end = lane.provider.credential_expires_at.time_since_epoch().count();
    if (end > 0) families.add(static_cast<std::uint64_t>(end), lane_labels(lane));
  }
}

void add_engine(const fanout::EngineStats& engine, Families& families) {
  families.counter("carillon_events_accepted_total", "Events accepted since the start");
  families.add(engine.events_accepted);
  families.gauge("carillon_jobs_running", "Sends under way, one per event and platform");
  families.add(engine.jobs_running);
  families.gauge("carillon_handed_out",
                 "Notifications handed out and not yet covered by a durable checkpoint");
  families.add(engine.handed_out);
  families.counter("carillon_checkpoints_total", "Checkpoints written");
  families.add(engine.checkpoints);
  families.gauge("carillon_store_failing", "1 while the latest checkpoint failed");
  families.add(engine.store_error.empty() ? 0 : 1);
}

void add_store(const store::StoreStats& stats, Families& families) {
  const auto gauged = [&](const char* name, const char* help, std::uint64_t value) {
    families.gauge(name, help);
    families.add(value);
  };
  gauged("carillon_store_devices", "Registered devices", stats.devices);
  gauged("carillon_store_subscribers", "Known subscribers", stats.subscribers);
  gauged("carillon_store_topics", "Known topics", stats.topics);
  gauged("carillon_store_quarantined", "Devices in quarantine", stats.quarantined);
  gauged("carillon_store_file_bytes", "Size of the store's file", stats.file_bytes);
  gauged("carillon_store_wal_bytes", "Size of the store's write-ahead log", stats.wal_bytes);
  families.counter("carillon_store_commits_total", "Commits since the start");
  families.add(stats.commits);
  families.counter(
      "carillon_store_committed_requests_total",
      "Requests committed since the start; their ratio to commits is the group's size");
  families.add(stats.committed_requests);
}

void add_http(const HttpCounters& http, Families& families) {
  families.counter("carillon_http_requests_total", "HTTP requests answered");
  for (const auto& answered : http.answered()) {
    const bool routed = answered.route != nullptr;
    families.add(answered.count, {{"method", routed ? std::string(answered.route->method) : ""},
                                  {"route", routed ? std::string(answered.route->pattern) : ""},
                                  {"code", std::to_string(answered.status)}});
  }
  families.out.push_back({"carillon_http_request_duration_seconds",
                          "From a request's whole head to its answer",
                          MetricType::Histogram,
                          {}});
  ClientMetric metric;
  const auto durations = http.durations();
  for (std::size_t i = 0; i < durations.size(); ++i) {
    metric.histogram.sample_count += durations[i];
    const double bound = i < HttpCounters::kBounds.size() ? HttpCounters::kBounds[i]
                                                          : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({metric.histogram.sample_count, bound});
  }
  metric.histogram.sample_sum = http.seconds();
  families.out.back().metric.push_back(std::move(metric));
}

void add_stale(const std::vector<StaleTotals>& apps, Families& families) {
  families.counter("carillon_stale_devices_total",
                   "Devices not heard of for long, since the start, by what became of them");
  for (const StaleTotals& app : apps) {
    families.add(app.left_out, {{"app", app.app}, {"outcome", "left_out"}});
    families.add(app.removed, {{"app", app.app}, {"outcome", "removed"}});
  }
}

void add_gate(const GateStats& gate, std::size_t watchers, std::size_t exports,
              Families& families) {
  families.gauge("carillon_http_connections", "Open HTTP connections, watchers not included");
  families.add(gate.connections);
  families.gauge("carillon_http_watchers", "Clients that watch an event's progress");
  families.add(watchers);
  families.gauge("carillon_http_exports", "Exports that are being sent");
  families.add(exports);
  families.counter("carillon_http_connections_total", "HTTP connections accepted");
  families.add(gate.accepted);
  families.counter("carillon_http_connections_overflowed_total",
                   "HTTP connections refused because too many were open");
  families.add(gate.overflowed);
  families.counter("carillon_http_timeouts_total", "HTTP requests that did not arrive in time");
  families.add(gate.timed_out);
}

}  // namespace

Metrics::Metrics(Sources sources) : sources_(std::move(sources)), store_stats_(kStoreStatsAge) {}

std::vector<MetricFamily> Metrics::Collect() const {
  Families families;
  const fanout::EngineStats engine = sources_.publisher.stats();
  add_outcomes(engine.lanes, families);
  add_lanes(engine.lanes, families);
  add_engine(engine, families);
  const auto stats =
      store_stats_.get(sources_.clocks.monotonic(), [this] { return sources_.store.stats(); });
  if (stats) add_store(*stats, families);
  add_http(sources_.http, families);
  add_gate(sources_.gate(), sources_.watchers(), sources_.exports(), families);
  if (sources_.stale) add_stale(sources_.stale(), families);
  return std::move(families.out);
}

std::string Metrics::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, Collect());
  return std::move(out).str();
}

}  // namespace carillon::api
