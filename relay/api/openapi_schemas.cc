#include "relay/api/openapi_schemas.h"

#include <string_view>

#include "providers/apns/apns_push_type.h"
#include "relay/api/event_parser.h"
#include "relay/audience/condition_parser.h"
#include "storage/quarantine.h"
#include "storage/store.h"

namespace carillon::api {
namespace {

using SchemaJson = nlohmann::ordered_json;

SchemaJson counters_schema() {
  SchemaJson schema{{"type", "object"},
                    {"description", "targeted is the sum of all others, at every instant"}};
  for (const char* const name : {"targeted", "accepted", "rejected", "expired", "suppressed",
                                 "cancelled", "dead_lettered", "pending"}) {
    schema["properties"][name] = {{"type", "integer"}, {"minimum", 0}};
    schema["required"].push_back(name);
  }
  return schema;
}

void put_audience_fields(SchemaJson& schema) {
  for (const char* const name : {"topic", "topics", "condition", "subscribers", "devices"}) {
    schema["anyOf"].push_back({{"required", SchemaJson::array({name})}});
  }
  // From here on the schema itself gets no more members, which would move this one.
  SchemaJson& properties = schema["properties"];
  const SchemaJson topic{{"type", "string"}, {"pattern", "^[A-Za-z0-9._~%-]{1,128}$"}};
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

void put_registration_fields(SchemaJson& properties) {
  properties["device_topics"] = {
      {"type", "array"},
      {"maxItems", store::kTopicsPerDeviceMax},
      {"items", {{"type", "string"}}},
      {"description", "topics that the device hears itself, whoever uses it"}};
  properties["app_version"] = {{"type", "string"}, {"maxLength", store::kAppVersionBytesMax}};
  properties["last_seen"] = {
      {"type", "string"},
      {"format", "date-time"},
      {"description",
       "when the app was last heard of; kept to the day. Left out: now, but a line of an import "
       "then says so only of a device, token or subscriber that is new"}};
  const SchemaJson text{{"type", "string"}, {"maxLength", store::kAttributeTextBytesMax}};
  properties["attributes"] = {
      {"type", "object"},
      {"maxProperties", store::kAttributesPerDeviceMax},
      {"additionalProperties",
       {{"anyOf",
         SchemaJson::array(
             {text,
              {{"type", "number"}},
              {{"type", "boolean"}},
              {{"type", "array"}, {"maxItems", store::kAttributeTextsMax}, {"items", text}}})}}}};
}

// Limits that the code has as constants.
void put_limits(SchemaJson& schemas) {
  // An event names its audience by the same fields as a count.
  put_audience_fields(schemas["Event"]);
  schemas["Audience"] = {{"type", "object"}, {"additionalProperties", false}};
  put_audience_fields(schemas["Audience"]);
  for (const char* const registration : {"Device", "DeviceStatus", "ImportLine"}) {
    put_registration_fields(schemas[registration]["properties"]);
  }
  SchemaJson& event = schemas["Event"]["properties"];
  schemas["QuarantineChoice"]["properties"]["devices"]["maxItems"] = store::kQuarantineBatchMax;
  event["ttl"]["maximum"] = kTtlMax.count();
  event["ttl"]["default"] = kTtlDefault.count();
  event["collapse_key"]["maxLength"] = kCollapseKeyBytesMax;
  for (const push::ApnsPushType& type : push::kApnsPushTypes) {
    event["apns_push_type"]["enum"].push_back(type.name);
  }
  event["data"]["maxProperties"] = kDataPairsMax;
  event["localized"]["maxProperties"] = fanout::kLocalesPerEventMax;
}

constexpr std::string_view kSchemas = R"json({
  "Problem": {"type": "object", "required": ["type", "title", "status"], "properties": {
    "type": {"type": "string", "format": "uri"}, "title": {"type": "string"},
    "status": {"type": "integer"}, "detail": {"type": "string"},
    "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "detail"],
      "properties": {"pointer": {"type": "string", "format": "json-pointer"}, "detail": {"type": "string"},
        "character": {"type": "integer", "minimum": 1, "description": "of the text at the pointer"}}}},
    "next_line": {"type": "integer", "minimum": 1, "description": "of an import that ended early: everything before this line was answered, from_line goes on with it"}}},
  "Notification": {"type": "object", "additionalProperties": false, "properties": {
    "title": {"type": "string", "minLength": 1}, "body": {"type": "string", "minLength": 1},
    "image": {"type": "string", "format": "uri", "pattern": "^https://"},
    "sound": {"type": "string", "minLength": 1},
    "badge": {"type": "integer", "minimum": 0, "maximum": 2147483647},
    "category": {"type": "string", "minLength": 1}, "thread_id": {"type": "string", "minLength": 1},
    "click_url": {"type": "string", "format": "uri"},
    "mutable_content": {"type": "boolean", "default": false, "description": "an iPhone's app may change it before it is shown (service extension); with an image it may in any case"}}},
  "Wording": {"type": "object", "additionalProperties": false, "minProperties": 1, "properties": {
    "title": {"type": "string", "minLength": 1}, "body": {"type": "string", "minLength": 1},
    "image": {"type": "string", "format": "uri", "pattern": "^https://"},
    "click_url": {"type": "string", "format": "uri"}}},
  "Event": {"type": "object", "additionalProperties": false, "required": ["app"],
    "properties": {
      "app": {"type": "string"},
      "notification": {"$ref": "#/components/schemas/Notification"},
      "localized": {"type": "object", "description": "by language tag (de, pt-BR, zh-Hant), what is said otherwise than in notification: a device gets the words of its locale, else of its locale without its last parts (de-AT: de), else the notification's own",
        "additionalProperties": {"$ref": "#/components/schemas/Wording"}},
      "data": {"type": "object", "additionalProperties": {"type": "string"}},
      "ttl": {"type": "integer", "minimum": 0, "description": "seconds; 0: now or never"},
      "priority": {"type": "string", "enum": ["urgent", "normal", "bulk"], "default": "normal"},
      "collapse_key": {"type": "string", "minLength": 1},
      "apns_push_type": {"type": "string", "description": "Apple's kind of push; alert or background as the content is, if it is left out"},
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
  "Plan": {"type": "object", "required": ["plan", "app", "subscribers", "targeted", "providers"], "properties": {
    "plan": {"const": true}, "app": {"type": "string"}, "subscribers": {"type": "integer"},
    "targeted": {"type": "integer", "description": "devices that it would go to now"},
    "providers": {"type": "object", "description": "by platform", "additionalProperties": {
      "type": "object", "required": ["devices", "body_bytes", "seconds"], "properties": {
        "devices": {"type": "integer"},
        "body_bytes": {"type": ["integer", "null"], "description": "of what a device is sent, without its token; null: the app has no such provider, its devices are suppressed"},
        "seconds": {"type": ["number", "null"], "description": "until the last one may go, by the provider's budget and without other events; null: nothing limits it"},
        "validated": {"type": "object", "required": ["answer", "word"], "description": "FCM only, which looked at the message without sending it", "properties": {
          "answer": {"enum": ["taken", "refused", "unknown"]}, "word": {"type": "string", "description": "the service's, or why there is none"}}}}}}}},
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
  "FailurePage": {"type": "object", "required": ["failures", "counted_only", "next"], "properties": {
    "failures": {"type": "array", "items": {"type": "object",
      "required": ["device", "provider", "outcome", "reason", "attempts", "at"], "properties": {
        "device": {"type": ["string", "null"], "description": "null: it is gone since, and its name not known any more"},
        "gone": {"type": "boolean"}, "provider": {"type": "string"},
        "outcome": {"type": "string", "enum": ["rejected", "expired", "dead_lettered"]},
        "reason": {"type": "string"}, "attempts": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "token_dead": {"type": "boolean", "description": "the provider's word: it is never sent to again"}}}},
    "counted_only": {"type": "integer", "description": "failures of the event that are known by their number only"},
    "next": {"type": ["string", "null"], "description": "`after` of the next page"}}},
  "DeviceFate": {"type": "object", "required": ["event", "device", "outcome", "basis", "explanation"], "properties": {
    "event": {"type": "string", "format": "uuid"}, "device": {"type": "string"},
    "outcome": {"type": "string", "enum": ["accepted", "pending", "rejected", "expired", "dead_lettered", "cancelled",
      "not_in_audience", "came_later", "stale", "quarantined", "removed", "not_known", "suppressed",
      "unknown_device"],
      "description": "not_known: the device may have come into the audience when the event was over, or some of its platform went to a provider and some could not; suppressed: its platform had no provider"},
    "basis": {"type": "string", "enum": ["exact", "derived"],
      "description": "exact: it is stored so; derived: it follows from what is stored, as successes have no rows"},
    "explanation": {"type": "string", "description": "one sentence"},
    "provider": {"type": "string"}, "reason": {"type": "string"}, "attempts": {"type": "integer"},
    "at": {"type": "string", "format": "date-time", "description": "of a failure; since when it is removed"},
    "next_attempt_at": {"type": "string", "format": "date-time"}}},
  "OutcomePage": {"type": "object", "required": ["outcomes", "next"], "properties": {
    "outcomes": {"type": "array", "items": {"type": "object", "required": ["number", "kind", "at", "app"], "properties": {
      "number": {"type": "integer", "description": "ascending, with gaps"},
      "kind": {"type": "string", "enum": ["token_removed", "failed", "completed", "cancelled"]},
      "at": {"type": "string", "format": "date-time"}, "app": {"type": "string"},
      "event": {"type": "string", "format": "uuid"}, "provider": {"type": "string"},
      "device": {"type": ["string", "null"], "description": "of a failure: as it is called now; null: it is gone since"},
      "subscriber": {"type": "string"}, "reason": {"type": "string"},
      "dead_since": {"type": "string", "format": "date-time", "description": "the provider's word was about registrations before it"},
      "outcome": {"type": "string", "enum": ["rejected", "expired", "dead_lettered"]},
      "attempts": {"type": "integer"},
      "failures_untold": {"type": "integer", "description": "of completed and cancelled: failures of the event that have no rows here, as they were only counted"}}}},
    "next": {"type": "integer", "description": "`after` of the next call"}}},
  "EventPage": {"type": "object", "required": ["events", "next"], "properties": {
    "events": {"type": "array", "items": {"$ref": "#/components/schemas/EventStatus"}},
    "next": {"type": ["string", "null"], "description": "path of the next page"}}},
  "Device": {"type": "object", "additionalProperties": false, "required": ["platform"], "properties": {
    "platform": {"type": "string", "enum": ["apns", "fcm", "webpush"]}, "token": {"type": "string"},
    "subscription": {"$ref": "#/components/schemas/Subscription"},
    "subscriber": {"type": "string"}, "locale": {"type": "string"}, "timezone": {"type": "string"},
    "topics": {"type": "array", "items": {"type": "string"}}}},
  "Subscription": {"type": "object", "description": "a browser's PushSubscription.toJSON(), in place of a token",
    "additionalProperties": false, "required": ["endpoint", "keys"], "properties": {
    "endpoint": {"type": "string", "format": "uri"}, "expirationTime": {},
    "keys": {"type": "object", "additionalProperties": false, "required": ["p256dh", "auth"],
      "properties": {"p256dh": {"type": "string"}, "auth": {"type": "string"}}}}},
  "DeviceStatus": {"type": "object", "required": ["device", "app", "platform", "topics"], "properties": {
    "device": {"type": "string"}, "app": {"type": "string"}, "platform": {"type": "string"},
    "token": {"type": "string"}, "subscription": {"$ref": "#/components/schemas/Subscription"},
    "subscriber": {"type": "string"}, "locale": {"type": "string"},
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
  "ChannelOrder": {"type": "object", "additionalProperties": false, "properties": {
    "storage": {"type": "string", "enum": ["none", "latest"], "default": "none",
      "description": "what Apple keeps for phones that are not there: nothing, or the latest"}}},
  "Channel": {"type": "object", "required": ["id", "storage"], "properties": {
    "id": {"type": "string", "description": "base64, Apple's"},
    "storage": {"type": "string", "enum": ["none", "latest"]}}},
  "Channels": {"type": "object", "required": ["channels"], "properties": {
    "channels": {"type": "array", "items": {"type": "string", "description": "an id"}}}},
  "Broadcast": {"type": "object", "required": ["apns"], "additionalProperties": false,
    "properties": {
    "apns": {"type": "object", "required": ["aps"], "properties": {"aps": {"type": "object"}},
      "description": "the payload, as Apple takes it; at most 5,120 bytes"},
    "ttl": {"type": "integer", "minimum": 0, "maximum": 2419200, "default": 0,
      "description": "seconds; a channel without storage takes 0 alone"},
    "priority": {"type": "string", "enum": ["urgent", "normal", "bulk"], "default": "normal",
      "description": "bulk goes with Apple's priority 5, the others with 10"}}},
  "Broadcasted": {"type": "object", "required": ["request_id"], "properties": {
    "request_id": {"type": "string", "description": "Apple's name of the request"}}},
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
  "ImportLine": {"type": "object", "required": ["device", "platform"], "properties": {
    "device": {"type": "string"}, "app": {"type": "string"},
    "platform": {"type": "string", "enum": ["apns", "fcm", "webpush"]}, "token": {"type": "string"},
    "subscription": {"$ref": "#/components/schemas/Subscription"},
    "subscriber": {"type": "string"}, "locale": {"type": "string"}, "timezone": {"type": "string"},
    "topics": {"type": "array", "items": {"type": "string"}}}},
  "ImportReport": {"type": "object", "properties": {
    "lines": {"type": "integer"}, "created": {"type": "integer"}, "updated": {"type": "integer"},
    "unchanged": {"type": "integer"}, "bad": {"type": "integer"},
    "checked": {"type": "integer", "description": "of a dry run only: good lines"},
    "next_line": {"type": "integer", "minimum": 1, "description": "everything before it was answered"},
    "bad_lines": {"type": "array", "items": {"type": "object", "properties": {
      "line": {"type": "integer"}, "reason": {"type": "string"}}}}}},
  "Health": {"type": "object", "properties": {"status": {"const": "alive"}}},
  "Readiness": {"type": "object", "properties": {
    "status": {"type": "string", "enum": ["ready", "not ready"]},
    "store": {"type": "object", "properties": {"writable": {"type": "boolean"}}},
    "quarantined": {"type": "integer", "description": "devices that wait for a decision"},
    "providers": {"type": "array", "items": {"type": "object"}}}}
})json";

}  // namespace

SchemaJson openapi_schemas() {
  SchemaJson schemas = SchemaJson::parse(kSchemas);
  schemas["Counters"] = counters_schema();
  put_limits(schemas);
  return schemas;
}

}  // namespace carillon::api
