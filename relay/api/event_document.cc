#include "relay/api/event_document.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "relay/audience/condition_printer.h"
#include "relay/fanout/event_id.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

Json counters_json(const store::Counters& counters) {
  return Json{{"targeted", counters.targeted},           {"accepted", counters.accepted},
              {"rejected", counters.rejected},           {"expired", counters.expired},
              {"suppressed", counters.suppressed},       {"cancelled", counters.cancelled},
              {"dead_lettered", counters.dead_lettered}, {"pending", counters.pending()}};
}

Json time_or_null(std::int64_t ms) {
  return ms == 0 ? Json(nullptr) : Json(rfc3339(ms));
}

Json by_provider(const store::EventRecord& event) {
  Json out = Json::object();
  for (const auto& job : event.jobs) {
    Json one{{"state", state_name(job.state)}};
    one.update(counters_json(job.counters));
    out[std::string(platform_name(job.platform))] = std::move(one);
  }
  return out;
}

Json by_reason(const store::EventRecord& event) {
  Json out = Json::object();
  for (const auto& reason : event.reasons) {
    out[std::string(platform_name(reason.platform))][reason.reason] = reason.count;
  }
  return out;
}

// What the event named: names as their number, for there may be ten thousand.
void put_audience(const store::EventRecord& event, Json& out) {
  const store::Audience& audience = event.audience;
  if (audience.topics.size() == 1) out["topic"] = audience.topics.front();
  Json& named = out["audience"] = Json::object();
  if (!audience.topics.empty()) named["topics"] = audience.topics;
  if (audience.condition) named["condition"] = audience::print_condition(*audience.condition);
  if (event.audience_subscribers > 0) named["subscribers"] = event.audience_subscribers;
  if (event.audience_devices > 0) named["devices"] = event.audience_devices;
}

}  // namespace

std::string_view state_name(store::EventState state) {
  switch (state) {
    case store::EventState::kQueued:
      return "queued";
    case store::EventState::kRunning:
      return "running";
    case store::EventState::kPaused:
      return "paused";
    case store::EventState::kCompleted:
      return "completed";
    case store::EventState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view outcome_name(store::Failure::Outcome outcome) {
  switch (outcome) {
    case store::Failure::Outcome::kRejected:
      return "rejected";
    case store::Failure::Outcome::kExpired:
      return "expired";
    case store::Failure::Outcome::kDeadLettered:
      break;
  }
  return "dead_lettered";
}

std::string_view platform_name(store::Platform platform) {
  switch (platform) {
    case store::Platform::kApns:
      return "apns";
    case store::Platform::kFcm:
      return "fcm";
    case store::Platform::kWebPush:
      return "webpush";
  }
  return "unknown";
}

std::optional<store::Platform> platform_by_name(std::string_view name) {
  for (const auto platform :
       {store::Platform::kApns, store::Platform::kFcm, store::Platform::kWebPush}) {
    if (platform_name(platform) == name) return platform;
  }
  return std::nullopt;
}

std::string_view priority_name(std::uint8_t priority) {
  constexpr std::array<std::string_view, 4> kNames = {"unknown", "urgent", "normal", "bulk"};
  return kNames[priority < kNames.size() ? priority : 0];
}

store::Counters total_of(const store::EventRecord& event) {
  store::Counters total;
  for (const auto& job : event.jobs) {
    total.targeted += job.counters.targeted;
    total.accepted += job.counters.accepted;
    total.rejected += job.counters.rejected;
    total.expired += job.counters.expired;
    total.suppressed += job.counters.suppressed;
    total.cancelled += job.counters.cancelled;
    total.dead_lettered += job.counters.dead_lettered;
  }
  return total;
}

bool is_over(store::EventState state) {
  return state == store::EventState::kCompleted || state == store::EventState::kCancelled;
}

bool is_cancelling(const store::EventRecord& event) {
  return std::any_of(event.jobs.begin(), event.jobs.end(),
                     [](const auto& job) { return job.cancelling; });
}

Json event_links(std::string_view event_id) {
  const std::string self = "/v1/events/" + std::string(event_id);
  return Json{{"self", self}, {"progress", self + "/progress"}};
}

Json event_document(const store::EventRecord& event, const Pace& pace) {
  const std::string id = fanout::to_string(event.id);
  Json out{{"id", id}, {"app", event.app}};
  put_audience(event, out);
  out["state"] = state_name(event.state);
  if (is_cancelling(event)) out["cancelling"] = true;
  out["priority"] = priority_name(event.priority);
  out["accepted_at"] = rfc3339(event.accepted_ms);
  out["expires_at"] = rfc3339(event.expires_ms);
  out["counters"] = counters_json(total_of(event));
  out["by_provider"] = by_provider(event);
  out["by_reason"] = by_reason(event);
  out["rate_limit_per_second"] =
      event.rate_per_second == 0 ? Json(nullptr) : Json(event.rate_per_second);
  out["rate_per_second"] = std::round(pace.per_second * 10) / 10;
  out["forecast_at"] = pace.forecast_ms ? Json(rfc3339(*pace.forecast_ms)) : Json(nullptr);
  out["first_outcome_at"] = time_or_null(event.first_ms);
  out["last_outcome_at"] = time_or_null(event.last_ms);
  out["settled_at"] = {{"50", time_or_null(event.settled_ms[0])},
                       {"95", time_or_null(event.settled_ms[1])},
                       {"99", time_or_null(event.settled_ms[2])},
                       {"100", time_or_null(event.settled_ms[3])}};
  out["links"] = event_links(id);
  return out;
}

}  // namespace carillon::api
