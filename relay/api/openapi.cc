#include "relay/api/openapi.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "relay/api/event_parser.h"
#include "relay/api/events_resource.h"
#include "relay/api/import_resource.h"
#include "relay/api/problem.h"
#include "relay/api/quarantine_resource.h"
#include "relay/api/routes.h"
#include "relay/audience/condition_parser.h"
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
  return {
      {Endpoint::kPublish,
       "publishEvent",
       "Publish one event to an audience",
       "Event",
       {{202, "Recorded on disk; the sends follow", "Accepted"}},
       with_body({kUnknownApp, kEventRefused, kIdempotencyMismatch, kOverloaded, kDraining,
                  kStoreUnavailable, kStoreFull})},
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
       with_body({kUnknownApp, kRefusedByStore, kStoreUnavailable})},
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

Json counters_schema() {
  Json schema{{"type", "object"},
              {"description", "targeted is the sum of all others, at every instant"}};
  for (const char* const name : {"targeted", "accepted", "rejected", "expired", "suppressed",
                                 "cancelled", "dead_lettered", "pending"}) {
    schema["properties"][name] = {{"type", "integer"}, {"minimum", 0}};
    schema["required"].push_back(name);
  }
  return schema;
}

void put_audience_fields(Json& schema) {
  for (const char* const name : {"topic", "topics", "condition", "subscribers", "devices"}) {
    schema["anyOf"].push_back({{"required", Json::array({name})}});
  }
  // From here on the schema itself gets no more members, which would move this one.
  Json& properties = schema["properties"];
  const Json topic{{"type", "string"}, {"pattern", "^[A-Za-z0-9._~%-]{1,128}$"}};
  properties["topic"] = topic;
  properties["topics"] = {{"type", "array"},
                          {"minItems", 1},
                          {"maxItems", store::kTopicsPerEventMax},
                          {"items", topic}};
  properties["condition"] = {
      {"type", "string"},
      {"maxLength", audience::kConditionBytesMax},
      {"description",
       "such as 'sports' in topics && !('nba' in topics) && locale startsWith 'de' "
       "&& app_version >= '3.2' && attributes.age >= 18"}};
  for (const char* const names : {"subscribers", "devices"}) {
    properties[names] = {{"type", "array"},
                         {"minItems", 1},
                         {"maxItems", store::kNamedAudienceMax},
                         {"items", {{"type", "string"}}}};
  }
}

void put_registration_fields(Json& properties) {
  properties["device_topics"] = {
      {"type", "array"},
      {"maxItems", store::kTopicsPerDeviceMax},
      {"items", {{"type", "string"}}},
      {"description", "topics that the device hears itself, whoever uses it"}};
  properties["app_version"] = {{"type", "string"}, {"maxLength", store::kAppVersionBytesMax}};
  properties["last_seen"] = {{"type", "string"},
                             {"format", "date-time"},
                             {"description", "when the app was last heard of; kept to the day"}};
  const Json text{{"type", "string"}, {"maxLength", store::kAttributeTextBytesMax}};
  properties["attributes"] = {
      {"type", "object"},
      {"maxProperties", store::kAttributesPerDeviceMax},
      {"additionalProperties",
       {{"anyOf",
         Json::array(
             {text,
              {{"type", "number"}},
              {{"type", "boolean"}},
              {{"type", "array"}, {"maxItems", store::kAttributeTextsMax}, {"items", text}}})}}}};
}

// Limits that the code has as constants.
void put_limits(Json& schemas) {
  // An event names its audience by the same fields as a count.
  put_audience_fields(schemas["Event"]);
  schemas["Audience"] = {{"type", "object"}, {"additionalProperties", false}};
  put_audience_fields(schemas["Audience"]);
  for (const char* const registration : {"Device", "DeviceStatus", "ImportLine"}) {
    put_registration_fields(schemas[registration]["properties"]);
  }
  Json& event = schemas["Event"]["properties"];
  schemas["QuarantineChoice"]["properties"]["devices"]["maxItems"] = store::kQuarantineBatchMax;
  event["ttl"]["maximum"] = kTtlMax.count();
  event["ttl"]["default"] = kTtlDefault.count();
  event["collapse_key"]["maxLength"] = kCollapseKeyBytesMax;
  event["data"]["maxProperties"] = kDataPairsMax;
}

constexpr std::string_view kSchemas = R"json({
  "Problem": {"type": "object", "required": ["type", "title", "status"], "properties": {
    "type": {"type": "string", "format": "uri"}, "title": {"type": "string"},
    "status": {"type": "integer"}, "detail": {"type": "string"},
    "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "detail"],
      "properties": {"pointer": {"type": "string", "format": "json-pointer"}, "detail": {"type": "string"},
        "character": {"type": "integer", "minimum": 1, "description": "of the text at the pointer"}}}}}},
  "Notification": {"type": "object", "additionalProperties": false, "properties": {
    "title": {"type": "string", "minLength": 1}, "body": {"type": "string", "minLength": 1},
    "image": {"type": "string", "format": "uri", "pattern": "^https://"},
    "sound": {"type": "string", "minLength": 1},
    "badge": {"type": "integer", "minimum": 0, "maximum": 2147483647},
    "category": {"type": "string", "minLength": 1}, "thread_id": {"type": "string", "minLength": 1},
    "click_url": {"type": "string", "format": "uri"}}},
  "Event": {"type": "object", "additionalProperties": false, "required": ["app"],
    "properties": {
      "app": {"type": "string"},
      "notification": {"$ref": "#/components/schemas/Notification"},
      "data": {"type": "object", "additionalProperties": {"type": "string"}},
      "ttl": {"type": "integer", "minimum": 0, "description": "seconds; 0: now or never"},
      "priority": {"type": "string", "enum": ["urgent", "normal", "bulk"], "default": "normal"},
      "collapse_key": {"type": "string", "minLength": 1},
      "apns": {"type": "object", "description": "merged over what is rendered for APNs"},
      "fcm": {"type": "object", "description": "merged over what is rendered for FCM"},
      "webpush": {"type": "object", "description": "merged over what is rendered for Web Push"}}},
  "Links": {"type": "object", "properties": {
    "self": {"type": "string"}, "progress": {"type": "string"}}},
  "State": {"type": "string", "enum": ["queued", "running", "paused", "completed", "cancelled"]},
  "Accepted": {"type": "object", "required": ["id", "state", "targeted", "links"], "properties": {
    "id": {"type": "string", "format": "uuid"}, "state": {"$ref": "#/components/schemas/State"},
    "targeted": {"type": "integer"},
    "repeated": {"type": "boolean", "description": "the Idempotency-Key was known: this is the first event"},
    "links": {"$ref": "#/components/schemas/Links"}}},
  "EventStatus": {"type": "object", "required": ["id", "app", "state", "counters", "links"], "properties": {
    "id": {"type": "string", "format": "uuid"}, "app": {"type": "string"}, "topic": {"type": "string"},
    "audience": {"type": "object", "description": "what the event named", "properties": {
      "topics": {"type": "array", "items": {"type": "string"}}, "condition": {"type": "string"},
      "subscribers": {"type": "integer"}, "devices": {"type": "integer"}}},
    "state": {"$ref": "#/components/schemas/State"},
    "cancelling": {"type": "boolean", "description": "cancelled, and some answers are still to come"},
    "rate_limit_per_second": {"type": ["integer", "null"]},
    "priority": {"type": "string", "enum": ["urgent", "normal", "bulk"]},
    "accepted_at": {"type": "string", "format": "date-time"},
    "expires_at": {"type": "string", "format": "date-time"},
    "counters": {"$ref": "#/components/schemas/Counters"},
    "by_provider": {"type": "object", "additionalProperties": {"allOf": [
      {"$ref": "#/components/schemas/Counters"},
      {"type": "object", "properties": {"state": {"$ref": "#/components/schemas/State"}}}]}},
    "by_reason": {"type": "object", "additionalProperties": {"type": "object",
      "additionalProperties": {"type": "integer"}}},
    "rate_per_second": {"type": "number"},
    "forecast_at": {"type": ["string", "null"], "format": "date-time"},
    "first_outcome_at": {"type": ["string", "null"], "format": "date-time"},
    "last_outcome_at": {"type": ["string", "null"], "format": "date-time"},
    "settled_at": {"type": "object", "description": "when 50, 95, 99 and 100 % of the devices had an outcome",
      "additionalProperties": {"type": ["string", "null"], "format": "date-time"}},
    "links": {"$ref": "#/components/schemas/Links"}}},
  "Rate": {"type": "object", "additionalProperties": false, "required": ["per_second"], "properties": {
    "per_second": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000,
      "description": "devices; null: no limit"}}},
  "Steered": {"type": "object", "required": ["id", "state", "changed", "boundary", "links"], "properties": {
    "id": {"type": "string", "format": "uuid"}, "state": {"$ref": "#/components/schemas/State"},
    "cancelling": {"type": "boolean", "description": "some answers are still to come"},
    "changed": {"type": "boolean", "description": "false: it was so before"},
    "rate_limit_per_second": {"type": ["integer", "null"]},
    "boundary": {"type": "object", "description":
      "when the wish was taken: from then on nothing of what is to stop was handed out. targeted is the sum of settled, unanswered, retrying and not_handed_out",
      "properties": {"at": {"type": "string", "format": "date-time"},
        "by_provider": {"type": "object", "additionalProperties": {"type": "object", "properties": {
          "targeted": {"type": "integer"},
          "settled": {"type": "integer", "description": "had an outcome"},
          "unanswered": {"type": "integer", "description": "were handed out and get the outcome of their answer"},
          "retrying": {"type": "integer", "description": "were answered and waited for another attempt"},
          "not_handed_out": {"type": "integer"},
          "cancelled": {"type": "integer", "description": "of a cancel: retrying and not_handed_out"}}}}}},
    "links": {"$ref": "#/components/schemas/Links"}}},
  "Replay": {"type": "object", "additionalProperties": false, "properties": {
    "outcomes": {"type": "array", "minItems": 1, "maxItems": 3, "default": ["dead_lettered", "expired"],
      "items": {"type": "string", "enum": ["dead_lettered", "expired", "rejected"]}},
    "reasons": {"type": "array", "minItems": 1, "maxItems": 64, "items": {"type": "string"}},
    "provider": {"type": "string", "enum": ["apns", "fcm", "webpush"]},
    "ttl": {"type": "integer", "minimum": 1, "description": "seconds from now; needed if the event's time has passed"}}},
  "Replayed": {"type": "object", "required": ["id", "state", "taken", "counted_only"], "properties": {
    "id": {"type": "string", "format": "uuid"}, "state": {"$ref": "#/components/schemas/State"},
    "taken": {"type": "integer", "description": "pending again, due at once"},
    "counted_only": {"type": "integer", "description": "known by their number only: they cannot be replayed"},
    "token_dead": {"type": "integer", "description": "left alone: their token is dead"},
    "expires_at": {"type": "string", "format": "date-time"},
    "links": {"$ref": "#/components/schemas/Links"}}},
  "EventPage": {"type": "object", "required": ["events", "next"], "properties": {
    "events": {"type": "array", "items": {"$ref": "#/components/schemas/EventStatus"}},
    "next": {"type": ["string", "null"], "description": "path of the next page"}}},
  "Device": {"type": "object", "additionalProperties": false, "required": ["platform", "token"], "properties": {
    "platform": {"type": "string", "enum": ["apns", "fcm"]}, "token": {"type": "string"},
    "subscriber": {"type": "string"}, "locale": {"type": "string"}, "timezone": {"type": "string"},
    "topics": {"type": "array", "items": {"type": "string"}}}},
  "DeviceStatus": {"type": "object", "required": ["device", "app", "platform", "token", "topics"], "properties": {
    "device": {"type": "string"}, "app": {"type": "string"}, "platform": {"type": "string"},
    "token": {"type": "string"}, "subscriber": {"type": "string"}, "locale": {"type": "string"},
    "timezone": {"type": "string"}, "topics": {"type": "array", "items": {"type": "string"}},
    "registered_at": {"type": "string", "format": "date-time"},
    "stale": {"type": "boolean", "description": "left out of audiences until it registers again"},
    "quarantined": {"type": "boolean", "description": "left out: see the app's quarantine"}}},
  "Topic": {"type": "object", "properties": {
    "app": {"type": "string"}, "topic": {"type": "string"}, "subscribers": {"type": "integer"},
    "devices": {"type": "object", "additionalProperties": {"type": "integer"}}}},
  "AudienceCount": {"type": "object", "required": ["subscribers", "devices", "by_platform", "took_ms"],
    "properties": {"subscribers": {"type": "integer"}, "devices": {"type": "integer"},
    "by_platform": {"type": "object", "additionalProperties": {"type": "integer"}},
    "took_ms": {"type": "number"}}},
  "QuarantinePage": {"type": "object", "required": ["app", "count", "by_platform", "devices", "next"],
    "properties": {"app": {"type": "string"}, "count": {"type": "integer"},
    "by_platform": {"type": "object", "additionalProperties": {"type": "integer"}},
    "devices": {"type": "array", "items": {"type": "object", "properties": {
      "device": {"type": "string"}, "platform": {"type": "string"},
      "reason": {"type": "string", "description": "the provider's word"},
      "dead_since": {"type": "string", "format": "date-time"},
      "quarantined_at": {"type": "string", "format": "date-time"}}}},
    "next": {"type": ["string", "null"], "description": "path of the next page"}}},
  "QuarantineChoice": {"type": "object", "additionalProperties": false, "properties": {
    "platform": {"type": "string", "enum": ["apns", "fcm", "webpush"]},
    "devices": {"type": "array", "minItems": 1, "items": {"type": "string"}}}},
  "QuarantineRestored": {"type": "object", "properties": {"restored": {"type": "integer"}}},
  "QuarantineRemoved": {"type": "object", "properties": {"removed": {"type": "integer"}}},
  "Erased": {"type": "object", "properties": {
    "devices": {"type": "integer"}, "subscriptions": {"type": "integer"}}},
  "ImportLine": {"type": "object", "required": ["device", "platform", "token"], "properties": {
    "device": {"type": "string"}, "app": {"type": "string"},
    "platform": {"type": "string", "enum": ["apns", "fcm"]}, "token": {"type": "string"},
    "subscriber": {"type": "string"}, "locale": {"type": "string"}, "timezone": {"type": "string"},
    "topics": {"type": "array", "items": {"type": "string"}}}},
  "ImportReport": {"type": "object", "properties": {
    "lines": {"type": "integer"}, "created": {"type": "integer"}, "updated": {"type": "integer"},
    "unchanged": {"type": "integer"}, "bad": {"type": "integer"},
    "checked": {"type": "integer", "description": "of a dry run only: good lines"},
    "bad_lines": {"type": "array", "items": {"type": "object", "properties": {
      "line": {"type": "integer"}, "reason": {"type": "string"}}}}}},
  "Health": {"type": "object", "properties": {"status": {"const": "alive"}}},
  "Readiness": {"type": "object", "properties": {
    "status": {"type": "string", "enum": ["ready", "not ready"]},
    "store": {"type": "object", "properties": {"writable": {"type": "boolean"}}},
    "quarantined": {"type": "integer", "description": "devices that wait for a decision"},
    "providers": {"type": "array", "items": {"type": "object"}}}}
})json";

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
  if (route.endpoint == Endpoint::kImport) {
    parameters.push_back({{"name", "dry_run"},
                          {"in", "query"},
                          {"description", "1: judge every line, store nothing"},
                          {"schema", {{"type", "string"}, {"enum", Json::array({"0", "1"})}}}});
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

std::string lower(std::string_view method) {
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
    document["paths"][std::string(route.pattern)][lower(route.method)] =
        operation_of(route, *operation);
  }
  Json& components = document["components"];
  components["schemas"] = Json::parse(kSchemas);
  components["schemas"]["Counters"] = counters_schema();
  put_limits(components["schemas"]);
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
