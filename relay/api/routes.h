// What can be asked of the relay: one table. The OpenAPI description is held against it by a test.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "relay/config/scopes.h"

namespace carillon::api {

enum class Endpoint : std::uint8_t {
  kPublish,
  kListEvents,
  kShowEvent,
  kWatchEvent,
  kPauseEvent,
  kResumeEvent,
  kCancelEvent,
  kSetEventRate,
  kReplayEvent,
  kListFailures,
  kExplainDevice,
  kListOutcomes,
  kPutDevice,
  kShowDevice,
  kEraseDevice,
  kSubscribe,
  kUnsubscribe,
  kSubscribeDevice,
  kUnsubscribeDevice,
  kShowTopic,
  kEraseSubscriber,
  kCountAudience,
  kImport,
  kExport,
  kCreateChannel,
  kListChannels,
  kShowChannel,
  kDeleteChannel,
  kBroadcast,
  kListQuarantine,
  kRestoreQuarantine,
  kConfirmQuarantine,
  kHealth,
  kReadiness,
  kMetrics,
  kOpenApi,
};

enum class BodyPlan : std::uint8_t {
  kNone,   // a body is refused
  kJson,   // read whole, within Http::body_bytes_max
  kLines,  // NDJSON or CSV, perhaps compressed: read as it comes, by the endpoint
};

struct Route {
  Endpoint endpoint;
  std::string_view method;   // HEAD is asked of GET's
  std::string_view pattern;  // segments in braces match any one segment
  std::uint32_t scope;       // of config::Scope; 0: open to everyone who can connect
  BodyPlan body;
  std::string_view parameters;  // of the query, comma-separated; others are refused
};

std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;       // nullptr: none
  std::vector<std::string> captures;  // what stands for the braces, in order
  std::string allow;  // the path's methods, if `route` is missing for the method's sake
};

RouteMatch match_route(std::string_view method, std::span<const std::string> segments);

}  // namespace carillon::api
