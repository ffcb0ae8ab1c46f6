#include "relay/api/routes.h"

#include <algorithm>
#include <array>
#include <optional>

namespace carillon::api {
namespace {

using enum Endpoint;
using config::kScopeAdmin;
using config::kScopePublish;
using config::kScopeSubscribe;

constexpr auto kRoutes = std::to_array<Route>({
    {kPublish, "POST", "/v1/events", kScopePublish, BodyPlan::kJson, "plan"},
    {kListEvents, "GET", "/v1/events", kScopePublish, BodyPlan::kNone, "limit,before"},
    {kShowEvent, "GET", "/v1/events/{event}", kScopePublish, BodyPlan::kNone, ""},
    {kWatchEvent, "GET", "/v1/events/{event}/progress", kScopePublish, BodyPlan::kNone, ""},
    {kPauseEvent, "POST", "/v1/events/{event}/pause", kScopePublish, BodyPlan::kNone, ""},
    {kResumeEvent, "POST", "/v1/events/{event}/resume", kScopePublish, BodyPlan::kNone, ""},
    {kCancelEvent, "POST", "/v1/events/{event}/cancel", kScopePublish, BodyPlan::kNone, ""},
    {kSetEventRate, "POST", "/v1/events/{event}/rate", kScopePublish, BodyPlan::kJson, ""},
    {kReplayEvent, "POST", "/v1/events/{event}/replay", kScopePublish, BodyPlan::kJson, ""},
    {kListFailures, "GET", "/v1/events/{event}/failures", kScopePublish, BodyPlan::kNone,
     "after,limit,provider,outcome"},
    {kExplainDevice, "GET", "/v1/events/{event}/devices/{device}", kScopePublish, BodyPlan::kNone,
     ""},
    {kListOutcomes, "GET", "/v1/outcomes", kScopeAdmin, BodyPlan::kNone, "after,limit,wait_s"},
    {kPutDevice, "PUT", "/v1/apps/{app}/devices/{device}", kScopeSubscribe, BodyPlan::kJson, ""},
    {kShowDevice, "GET", "/v1/apps/{app}/devices/{device}", kScopeSubscribe, BodyPlan::kNone, ""},
    {kEraseDevice, "DELETE", "/v1/apps/{app}/devices/{device}", kScopeSubscribe, BodyPlan::kNone,
     ""},
    {kSubscribe, "PUT", "/v1/apps/{app}/topics/{topic}/subscribers/{subscriber}", kScopeSubscribe,
     BodyPlan::kNone, ""},
    {kUnsubscribe, "DELETE", "/v1/apps/{app}/topics/{topic}/subscribers/{subscriber}",
     kScopeSubscribe, BodyPlan::kNone, ""},
    {kSubscribeDevice, "PUT", "/v1/apps/{app}/topics/{topic}/devices/{device}", kScopeSubscribe,
     BodyPlan::kNone, ""},
    {kUnsubscribeDevice, "DELETE", "/v1/apps/{app}/topics/{topic}/devices/{device}",
     kScopeSubscribe, BodyPlan::kNone, ""},
    {kShowTopic, "GET", "/v1/apps/{app}/topics/{topic}", kScopeSubscribe, BodyPlan::kNone, ""},
    {kEraseSubscriber, "DELETE", "/v1/apps/{app}/subscribers/{subscriber}", kScopeSubscribe,
     BodyPlan::kNone, ""},
    {kCountAudience, "POST", "/v1/apps/{app}/audience/count", kScopePublish, BodyPlan::kJson, ""},
    {kImport, "POST", "/v1/apps/{app}/import", kScopeSubscribe, BodyPlan::kLines,
     "dry_run,from_line"},
    {kExport, "GET", "/v1/apps/{app}/export", kScopeAdmin, BodyPlan::kNone, "format"},
    {kCreateChannel, "POST", "/v1/apps/{app}/channels", kScopeAdmin, BodyPlan::kJson, ""},
    {kListChannels, "GET", "/v1/apps/{app}/channels", kScopeAdmin, BodyPlan::kNone, ""},
    {kShowChannel, "GET", "/v1/apps/{app}/channels/{channel}", kScopeAdmin, BodyPlan::kNone, ""},
    {kDeleteChannel, "DELETE", "/v1/apps/{app}/channels/{channel}", kScopeAdmin, BodyPlan::kNone,
     ""},
    {kBroadcast, "POST", "/v1/apps/{app}/channels/{channel}/broadcasts", kScopePublish,
     BodyPlan::kJson, ""},
    {kListQuarantine, "GET", "/v1/apps/{app}/quarantine", kScopeAdmin, BodyPlan::kNone,
     "limit,after"},
    {kRestoreQuarantine, "POST", "/v1/apps/{app}/quarantine/restore", kScopeAdmin, BodyPlan::kJson,
     ""},
    {kConfirmQuarantine, "POST", "/v1/apps/{app}/quarantine/confirm", kScopeAdmin, BodyPlan::kJson,
     ""},
    {kHealth, "GET", "/healthz", 0, BodyPlan::kNone, ""},
    {kReadiness, "GET", "/readyz", 0, BodyPlan::kNone, ""},
    {kMetrics, "GET", "/metrics", 0, BodyPlan::kNone, ""},
    {kOpenApi, "GET", "/openapi.json", 0, BodyPlan::kNone, ""},
});

std::optional<std::vector<std::string>> captures_of(std::string_view pattern,
                                                    std::span<const std::string> segments) {
  std::vector<std::string> captures;
  std::size_t i = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view part = pattern.substr(0, end);
    pattern.remove_prefix(end);
    if (i == segments.size()) return std::nullopt;
    if (part.starts_with('{')) {
      captures.push_back(segments[i]);
    } else if (part != segments[i]) {
      return std::nullopt;
    }
    ++i;
  }
  if (i != segments.size()) return std::nullopt;
  return captures;
}

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

RouteMatch match_route(std::string_view method, std::span<const std::string> segments) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  RouteMatch match;
  for (const Route& route : kRoutes) {
    auto captures = captures_of(route.pattern, segments);
    if (!captures) continue;
    if (route.method == wanted)
      return {.route = &route, .captures = std::move(*captures), .allow = ""};
    match.allow += match.allow.empty() ? "" : ", ";
    match.allow += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  return match;
}

}  // namespace carillon::api
