#include "relay/api/openapi.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "relay/api/events_resource.h"
#include "relay/api/import_resource.h"
#include "relay/api/openapi_schemas.h"
#include "relay/api/outcomes_resource.h"
#include "relay/api/problem.h"
#include "relay/api/quarantine_resource.h"
#include "relay/api/report_resource.h"
#include "relay/api/routes.h"
#include "relay/config/scopes.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;
using enum Problem;

// What an endpoint says of itself beside its route.
struct Operation {
  Endpoint endpoint;
  const char* id;
  const char* summary;
  const char* request;  // a schema's name; nullptr: no body
  struct Success {
    int status;
    const char* description;
    const char* schema;  // nullptr: no body, or one that is not JSON
  };
  std::vector<Success> successes;
  std::vector<Problem> problems;  // beside those that every route shares
};

std::vector<Operation> operations() {
  const std::vector<Problem> body = {kInvalidJson, kInvalidBody, kLengthRequired, kBodyTooLarge,
                                     kUnsupportedMediaType};
  const auto with_body = [&](std::vector<Problem> more) {
    more.insert(more.begin(), body.begin(), body.end());
    return more;
  };
  const std::vector<Problem> steered = {kUnknownEvent, kEventFinished, kTooManySteered,
                                        kOverloaded,   kDraining,      kStoreUnavailable,
                                        kStoreFull};
  const auto of_provider = [](std::vector<Problem> more) {
    more.insert(more.begin(), {kUnknownApp, kNoChannels, kChannelRefused, kProviderRefused,
                               kOverloaded, kProviderUnavailable, kProviderUnanswered});
    return more;
  };
  return {
      {Endpoint::kPublish,
       "publishEvent",
       "Publish one event to an audience",
       "Event",
       {{202, "Recorded on disk; the sends follow", "Accepted"},
        {200, "With `plan=1`: what would become of it. Nothing is stored or sent", "Plan"}},
       with_body({kUnknownApp, kEventRefused, kIdempotencyMismatch, kTooManyCounts, kOverloaded,
                  kDraining, kStoreUnavailable, kStoreFull})},
      {Endpoint::kListEvents,
       "listEvents",
       "Events, newest first",
       nullptr,
       {{200, "A page", "EventPage"}},
       {kStoreUnavailable}},
      {Endpoint::kShowEvent,
       "showEvent",
       "What became of an event",
       nullptr,
       {{200, "The event", "EventStatus"}},
       {kUnknownEvent, kStoreUnavailable}},
      {Endpoint::kWatchEvent,
       "watchEvent",
       "The event about once a second until its end, as Server-Sent Events",
       nullptr,
       {{200, "`progress` events, then one `end`; the data of each is an EventStatus", nullptr}},
       {kUnknownEvent, kOverloaded, kStoreUnavailable}},
      {Endpoint::kPauseEvent,
       "pauseEvent",
       "Hand nothing more of an event out, until it is resumed; its time goes on",
       nullptr,
       {{200, "Durable; the boundary says where it stopped", "Steered"}},
       steered},
      {Endpoint::kResumeEvent,
       "resumeEvent",
       "Let a paused event go on",
       nullptr,
       {{200, "Durable", "Steered"}},
       steered},
      {Endpoint::kCancelEvent,
       "cancelEvent",
       "End an event: what was handed out gets its outcome, all others are cancelled",
       nullptr,
       {{200, "Durable; the boundary says who is cancelled", "Steered"}},
       steered},
      {Endpoint::kSetEventRate,
       "setEventRate",
       "Limit how many devices of an event are handed out in a second, over all providers",
       "Rate",
       {{200, "Durable", "Steered"}},
       with_body(steered)},
      {Endpoint::kReplayEvent,
       "replayEvent",
       "Send a completed event again to devices that failed, never to dead tokens",
       "Replay",
       {{200, "Durable; the sends follow", "Replayed"}},
       with_body({kUnknownApp, kUnknownEvent, kEventNotCompleted, kEventExpired, kOverloaded,
                  kDraining, kStoreUnavailable, kStoreFull})},
      {Endpoint::kListFailures,
       "listFailures",
       "Failures of an event, device by device",
       nullptr,
       {{200, "A page", "FailurePage"}},
       {kUnknownEvent, kStoreUnavailable}},
      {Endpoint::kExplainDevice,
       "explainDevice",
       "Why a device did or did not get an event",
       nullptr,
       {{200, "What is known, and whether it is exact or derived", "DeviceFate"}},
       {kUnknownEvent, kStoreUnavailable}},
      {Endpoint::kListOutcomes,
       "listOutcomes",
       "What happened, in order: removed tokens, failures, events that ended",
       nullptr,
       {{200, "Those after a number, perhaps none; again as often as asked", "OutcomePage"}},
       {kOutcomesForgotten, kStoreUnavailable}},
      {Endpoint::kPutDevice,
       "putDevice",
       "Register a device, or tell its new token",
       "Device",
       {{200, "It was known", "DeviceStatus"}, {201, "It is new", "DeviceStatus"}},
       with_body({kUnknownApp, kRefusedByStore, kStoreUnavailable, kStoreFull})},
      {Endpoint::kShowDevice,
       "showDevice",
       "A device as it is registered",
       nullptr,
       {{200, "The device", "DeviceStatus"}},
       {kUnknownApp, kUnknownDevice, kStoreUnavailable}},
      {Endpoint::kEraseDevice,
       "eraseDevice",
       "Erase a device",
       nullptr,
       {{204, "Erased", nullptr}},
       {kUnknownApp, kUnknownDevice, kStoreUnavailable, kStoreFull}},
      {Endpoint::kSubscribe,
       "subscribe",
       "Subscribe a person, with all devices of now and later, to a topic",
       nullptr,
       {{204, "Subscribed", nullptr}},
       {kUnknownApp, kRefusedByStore, kStoreUnavailable, kStoreFull}},
      {Endpoint::kUnsubscribe,
       "unsubscribe",
       "Unsubscribe a person from a topic",
       nullptr,
       {{204, "Not subscribed, or no longer", nullptr}},
       {kUnknownApp, kStoreUnavailable, kStoreFull}},
      {Endpoint::kSubscribeDevice,
       "subscribeDevice",
       "Subscribe one device to a topic, whoever uses it",
       nullptr,
       {{204, "Subscribed", nullptr}},
       {kUnknownApp, kUnknownDevice, kRefusedByStore, kStoreUnavailable, kStoreFull}},
      {Endpoint::kUnsubscribeDevice,
       "unsubscribeDevice",
       "Unsubscribe one device from a topic; what its person hears, it hears still",
       nullptr,
       {{204, "Not subscribed itself, or no longer", nullptr}},
       {kUnknownApp, kStoreUnavailable, kStoreFull}},
      {Endpoint::kShowTopic,
       "showTopic",
       "How many hear a topic",
       nullptr,
       {{200, "The topic", "Topic"}},
       {kUnknownApp, kUnknownTopic, kStoreUnavailable}},
      {Endpoint::kEraseSubscriber,
       "eraseSubscriber",
       "Erase a person: all devices and subscriptions",
       nullptr,
       {{200, "Erased", "Erased"}},
       {kUnknownApp, kUnknownSubscriber, kStoreUnavailable, kStoreFull}},
      {Endpoint::kCountAudience,
       "countAudience",
       "How many an event for this audience would reach now",
       "Audience",
       {{200, "The count", "AudienceCount"}},
       with_body({kUnknownApp, kRefusedByStore, kTooManyCounts, kStoreUnavailable})},
      {Endpoint::kImport,
       "importDevices",
       "Load devices and subscriptions, one a line; good lines are kept whatever the bad ones are",
       "ImportLine",
       {{200, "What was done, and every bad line", "ImportReport"}},
       {kUnknownApp, kInvalidBody, kLengthRequired, kBodyTooLarge, kUnsupportedMediaType,
        kOverloaded, kStoreUnavailable, kStoreFull}},
      {Endpoint::kExport,
       "exportDevices",
       "Every device of the app as it is at this moment, one a line, as an import takes them; a "
       "body "
       "that ends before its last chunk is not whole",
       nullptr,
       {{200, "NDJSON or CSV, compressed as Accept-Encoding lets", nullptr}},
       {kInvalidParameter, kUnknownApp, kTooManyExports, kStoreUnavailable, kStoreFull}},
      {Endpoint::kCreateChannel,
       "createChannel",
       "Make a broadcast channel of APNs, for Live Activities. Apple keeps it; nothing is stored "
       "here",
       "ChannelOrder",
       {{201, "Made", "Channel"}},
       with_body(of_provider({}))},
      {Endpoint::kListChannels,
       "listChannels",
       "The app's broadcast channels, as Apple has them",
       nullptr,
       {{200, "All of them", "Channels"}},
       of_provider({})},
      {Endpoint::kShowChannel,
       "showChannel",
       "A broadcast channel; its id is base64 and percent-encoded in the path",
       nullptr,
       {{200, "The channel", "Channel"}},
       of_provider({kUnknownChannel})},
      {Endpoint::kDeleteChannel,
       "deleteChannel",
       "Delete a broadcast channel; its id is base64 and percent-encoded in the path",
       nullptr,
       {{204, "Deleted", nullptr}},
       of_provider({kUnknownChannel})},
      {Endpoint::kBroadcast,
       "broadcast",
       "Send to all who follow a channel. The answer is Apple's: nothing is stored, and nothing is "
       "sent again",
       "Broadcast",
       {{200, "Apple has taken it", "Broadcasted"}},
       with_body(of_provider({kUnknownChannel}))},
      {Endpoint::kListQuarantine,
       "listQuarantine",
       "Devices that a provider called dead when it said so of suspiciously many: kept, not sent "
       "to",
       nullptr,
       {{200, "A page", "QuarantinePage"}},
       {kUnknownApp, kStoreUnavailable}},
      {Endpoint::kRestoreQuarantine,
       "restoreQuarantine",
       "Put them back into audiences: some by name, one platform's, or all",
       "QuarantineChoice",
       {{200, "How many", "QuarantineRestored"}},
       with_body({kUnknownApp, kStoreUnavailable, kStoreFull})},
      {Endpoint::kConfirmQuarantine,
       "confirmQuarantine",
       "Remove them: the provider was right",
       "QuarantineChoice",
       {{200, "How many", "QuarantineRemoved"}},
       with_body({kUnknownApp, kStoreUnavailable, kStoreFull})},
      {Endpoint::kHealth,
       "health",
       "Is the process there",
       nullptr,
       {{200, "It is", "Health"}},
       {}},
      {Endpoint::kReadiness,
       "readiness",
       "Can the store be written, and do the providers' credentials and connections work",
       nullptr,
       {{200, "Ready", "Readiness"}, {503, "Not ready; the body says what", "Readiness"}},
       {}},
      {Endpoint::kMetrics,
       "metrics",
       "Counters and gauges in Prometheus' text format",
       nullptr,
       {{200, "The metrics", nullptr}},
       {}},
      {Endpoint::kOpenApi,
       "openapi",
       "This description",
       nullptr,
       {{200, "OpenAPI 3.1", nullptr}},
       {}},
  };
}

Json schema_ref(const std::string& name) {
  return Json{{"$ref", "#/components/schemas/" + name}};
}

const char* media_type_of(const Route& route) {
  switch (route.endpoint) {
    case Endpoint::kWatchEvent:
      return "text/event-stream";
    case Endpoint::kMetrics:
      return "text/plain";
    default:
      return "application/json";
  }
}

Json parameters_of(const Route& route) {
  Json parameters = Json::array();
  std::string_view pattern = route.pattern;
  while (pattern.find('{') != std::string_view::npos) {
    pattern.remove_prefix(pattern.find('{') + 1);
    parameters.push_back({{"name", pattern.substr(0, pattern.find('}'))},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}}}});
  }
  if (route.endpoint == Endpoint::kListEvents) {
    parameters.push_back({{"name", "limit"},
                          {"in", "query"},
                          {"schema",
                           {{"type", "integer"},
                            {"minimum", 1},
                            {"maximum", kEventsPageMax},
                            {"default", kEventsPageDefault}}}});
    parameters.push_back({{"name", "before"},
                          {"in", "query"},
                          {"description", "an event's id: those accepted before it"},
                          {"schema", {{"type", "string"}, {"format", "uuid"}}}});
  }
  if (route.endpoint == Endpoint::kListQuarantine) {
    parameters.push_back({{"name", "limit"},
                          {"in", "query"},
                          {"schema",
                           {{"type", "integer"},
                            {"minimum", 1},
                            {"maximum", kQuarantinePageMax},
                            {"default", kQuarantinePageDefault}}}});
    parameters.push_back({{"name", "after"},
                          {"in", "query"},
                          {"description", "as `next` says"},
                          {"schema", {{"type", "integer"}, {"minimum", 0}}}});
  }
  if (route.endpoint == Endpoint::kListFailures) {
    parameters.push_back({{"name", "limit"},
                          {"in", "query"},
                          {"schema",
                           {{"type", "integer"},
                            {"minimum", 1},
                            {"maximum", store::kFailuresPageMax},
                            {"default", kFailuresPageDefault}}}});
    parameters.push_back({{"name", "after"},
                          {"in", "query"},
                          {"description", "what the page before has as `next`"},
                          {"schema", {{"type", "string"}}}});
    parameters.push_back(
        {{"name", "provider"},
         {"in", "query"},
         {"schema", {{"type", "string"}, {"enum", Json::array({"apns", "fcm", "webpush"})}}}});
    parameters.push_back(
        {{"name", "outcome"},
         {"in", "query"},
         {"schema",
          {{"type", "string"}, {"enum", Json::array({"rejected", "expired", "dead_lettered"})}}}});
  }
  if (route.endpoint == Endpoint::kListOutcomes) {
    const auto number = [&](const char* name, const char* what, std::int64_t least,
                            std::optional<std::int64_t> most, std::int64_t otherwise) {
      Json schema{{"type", "integer"}, {"minimum", least}, {"default", otherwise}};
      if (most) schema["maximum"] = *most;
      parameters.push_back(
          {{"name", name}, {"in", "query"}, {"description", what}, {"schema", schema}});
    };
    number("after", "the number of the last one that is known", 0, std::nullopt, 0);
    number("limit", "outcomes at most", 1, store::kOutcomesPageMax, kOutcomesPageDefault);
    number("wait_s", "seconds to wait for the first one, if there is none", 0, kOutcomesWaitMaxS,
           0);
  }
  if (route.endpoint == Endpoint::kImport) {
    parameters.push_back({{"name", "dry_run"},
                          {"in", "query"},
                          {"description", "1: judge every line, store nothing"},
                          {"schema", {{"type", "string"}, {"enum", Json::array({"0", "1"})}}}});
    parameters.push_back(
        {{"name", "from_line"},
         {"in", "query"},
         {"description",
          "the first line to take: of a body that broke off, `next_line` of its answer. Lines "
          "before it are passed over, but for a CSV header"},
         {"schema", {{"type", "integer"}, {"minimum", 1}, {"default", 1}}}});
  }
  if (route.endpoint == Endpoint::kExport) {
    parameters.push_back(
        {{"name", "format"},
         {"in", "query"},
         {"schema",
          {{"type", "string"}, {"enum", Json::array({"ndjson", "csv"})}, {"default", "ndjson"}}}});
  }
  if (route.endpoint == Endpoint::kPublish) {
    parameters.push_back(
        {{"name", "plan"},
         {"in", "query"},
         {"description",
          "1: count, check and ask FCM, but send nothing; waits some seconds for FCM"},
         {"schema", {{"type", "string"}, {"enum", Json::array({"1"})}}}});
    parameters.push_back(
        {{"name", "Idempotency-Key"},
         {"in", "header"},
         {"description", "the same key with the same body answers the first event"},
         {"schema",
          {{"type", "string"}, {"minLength", 1}, {"maxLength", store::kIdempotencyKeyBytesMax}}}});
  }
  return parameters;
}

Json responses_of(const Route& route, const Operation& operation) {
  Json responses = Json::object();
  for (const auto& success : operation.successes) {
    Json response{{"description", success.description}};
    Json content =
        success.schema == nullptr ? Json::object() : Json{{"schema", schema_ref(success.schema)}};
    if (success.status != 204) response["content"][media_type_of(route)] = std::move(content);
    responses[std::to_string(success.status)] = std::move(response);
  }
  std::vector<Problem> problems = operation.problems;
  problems.insert(problems.end(), {kMalformedRequest, kInvalidParameter});
  if (route.scope != 0) problems.insert(problems.end(), {kUnauthenticated, kForbidden});
  std::sort(problems.begin(), problems.end());
  for (const Problem problem : problems) {
    const ProblemRow& row = row_of(problem);
    Json& response = responses[std::to_string(row.status)];
    std::string text;
    if (response.contains("description")) text = response["description"].get<std::string>();
    if (!text.empty()) text += "; ";
    response["description"] = text + std::string(row.slug);
    response["content"]["application/problem+json"] = {{"schema", schema_ref("Problem")}};
  }
  return responses;
}

Json operation_of(const Route& route, const Operation& operation) {
  Json out{{"operationId", operation.id}, {"summary", operation.summary}};
  if (const Json parameters = parameters_of(route); !parameters.empty())
    out["parameters"] = parameters;
  if (operation.request != nullptr) {
    const bool lines = route.body == BodyPlan::kLines;
    const char* const type = lines ? "application/x-ndjson" : "application/json";
    out["requestBody"] = {{"required", true},
                          {"content", {{type, {{"schema", schema_ref(operation.request)}}}}}};
    if (lines) {
      out["requestBody"]["description"] =
          "may be compressed: Content-Encoding gzip or zstd. CSV has a header line of the same "
          "names, topics separated by a space, attributes as columns attributes.NAME";
      out["requestBody"]["content"]["text/csv"] = {{"schema", {{"type", "string"}}}};
    }
  }
  out["responses"] = responses_of(route, operation);
  out["security"] = Json::array();
  if (route.scope != 0) {
    out["security"].push_back({{"key", Json::array({config::scopes_text(route.scope)})}});
  }
  return out;
}

std::string in_lower_case(std::string_view method) {
  std::string out(method);
  for (char& c : out) c = static_cast<char>(c | 0x20);
  return out;
}

std::string make_document() {
  Json document{{"openapi", "3.1.0"},
                {"info",
                 {{"title", "Carillon"},
                  {"version", "1"},
                  {"description",
                   "Post one event; every device that wants it gets one notification. Errors are "
                   "problem documents (RFC 9457), their types stable."},
                  {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}}};
  const std::vector<Operation> all = operations();
  for (const Route& route : routes()) {
    const auto operation = std::find_if(all.begin(), all.end(), [&](const Operation& candidate) {
      return candidate.endpoint == route.endpoint;
    });
    if (operation == all.end()) continue;  // the test that walks the routes will say so
    document["paths"][std::string(route.pattern)][in_lower_case(route.method)] =
        operation_of(route, *operation);
  }
  Json& components = document["components"];
  components["schemas"] = openapi_schemas();
  components["securitySchemes"]["key"] = {
      {"type", "http"},
      {"scheme", "bearer"},
      {"description", "an API key; the scope `admin` implies all others"}};
  return document.dump(2) + "\n";
}

}  // namespace

std::string_view openapi_document() {
  static const std::string document = make_document();
  return document;
}

}  // namespace carillon::api
