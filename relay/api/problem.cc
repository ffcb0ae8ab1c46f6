#include "relay/api/problem.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace carillon::api {
namespace {

using enum Problem;

constexpr auto kRows = std::to_array<ProblemRow>({
    {kMalformedRequest, "malformed-request", 400, 0, "The request is not well-formed HTTP/1.1"},
    {kInvalidJson, "invalid-json", 400, 0, "The body is not JSON"},
    {kInvalidBody, "invalid-body", 400, 0, "The body has fields that cannot be taken"},
    {kInvalidParameter, "invalid-parameter", 400, 0, "A parameter or header cannot be taken"},
    {kUnauthenticated, "unauthenticated", 401, 0, "A valid API key is needed"},
    {kForbidden, "forbidden", 403, 0, "The API key does not have the scope that this needs"},
    {kUnknownRoute, "unknown-route", 404, 0, "There is nothing at this path"},
    {kUnknownApp, "unknown-app", 404, 0, "The relay's configuration has no such app"},
    {kUnknownEvent, "unknown-event", 404, 0, "There is no such event"},
    {kUnknownDevice, "unknown-device", 404, 0, "There is no such device"},
    {kUnknownTopic, "unknown-topic", 404, 0, "There is no such topic"},
    {kUnknownSubscriber, "unknown-subscriber", 404, 0, "There is no such subscriber"},
    {kUnknownChannel, "unknown-channel", 404, 0, "The provider has no such channel of this app"},
    {kMethodNotAllowed, "method-not-allowed", 405, 0, "This path does not take this method"},
    {kRequestTimeout, "request-timeout", 408, 0, "The request took too long to arrive"},
    {kEventFinished, "event-finished", 409, 0, "The event has ended or is being cancelled"},
    {kEventNotCompleted, "event-not-completed", 409, 0,
     "Only a completed event's failures can be replayed"},
    {kEventExpired, "event-expired", 409, 0, "The event's time has passed: a new ttl is needed"},
    {kNoChannels, "no-channels", 409, 0, "The app has no provider with broadcast channels"},
    {kOutcomesForgotten, "outcomes-forgotten", 410, 0, "Outcomes after this number were forgotten"},
    {kLengthRequired, "length-required", 411, 0, "A body is needed, with its length"},
    {kBodyTooLarge, "body-too-large", 413, 0, "The body is over the limit"},
    {kTargetTooLong, "target-too-long", 414, 0, "The request's target is over the limit"},
    {kUnsupportedMediaType, "unsupported-media-type", 415, 0, "This path takes another media type"},
    {kExpectationFailed, "expectation-failed", 417, 0, "Only 100-continue can be expected"},
    {kEventRefused, "event-refused", 422, 0, "No provider can take the event as it is"},
    {kIdempotencyMismatch, "idempotency-mismatch", 422, 0,
     "The Idempotency-Key was used with another body"},
    {kRefusedByStore, "refused-by-store", 422, 0, "The store's limits do not allow this"},
    {kChannelRefused, "channel-refused", 422, 0, "The provider does not take this as it is"},
    {kTooManyExports, "too-many-exports", 429, 10, "The relay sends as many exports as it can"},
    {kTooManySteered, "too-many-steered", 429, 10,
     "As many events are paused, or have a rate of their own, as the relay can hold"},
    {kTooManyCounts, "too-many-counts", 429, 1, "The relay counts as many audiences as it can"},
    {kHeadTooLarge, "head-too-large", 431, 0, "The request's head is over the limit"},
    {kInternal, "internal", 500, 0, "The relay made a mistake"},
    {kUnsupportedTransferCoding, "unsupported-transfer-coding", 501, 0,
     "Only the transfer coding \"chunked\" is understood"},
    {kProviderRefused, "provider-refused", 502, 0, "The provider does not do this for the relay"},
    {kOverloaded, "overloaded", 503, 1, "The relay has no room for this right now"},
    {kDraining, "draining", 503, 5, "The relay is shutting down"},
    {kStoreUnavailable, "store-unavailable", 503, 2, "The store cannot be used right now"},
    {kProviderUnavailable, "provider-unavailable", 503, 10, "The provider cannot do this now"},
    {kProviderUnanswered, "provider-unanswered", 504, 0,
     "The provider did not say whether it was done"},
    {kUnsupportedVersion, "unsupported-version", 505, 0, "Only HTTP/1.1 and HTTP/1.0 are spoken"},
    {kStoreFull, "store-full", 507, 0, "The store has no space left"},
});

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].problem) != i) return false;
  }
  return kRows.size() == static_cast<std::size_t>(kStoreFull) + 1;
}
static_assert(rows_are_in_order());

}  // namespace

const ProblemRow& row_of(Problem problem) {
  return kRows[static_cast<std::size_t>(problem)];
}

std::span<const ProblemRow> problem_rows() {
  return kRows;
}

Reply problem_reply(Problem problem, std::string_view detail, const std::vector<FieldError>& errors,
                    std::optional<std::uint64_t> next_line) {
  const ProblemRow& row = row_of(problem);
  nlohmann::ordered_json document{{"type", std::string(kProblemTypePrefix) + std::string(row.slug)},
                                  {"title", row.title},
                                  {"status", row.status}};
  if (!detail.empty()) document["detail"] = detail;
  if (next_line) document["next_line"] = *next_line;
  for (const FieldError& error : errors) {
    nlohmann::ordered_json one{{"pointer", error.pointer}, {"detail", error.detail}};
    if (error.character) one["character"] = *error.character;
    document["errors"].push_back(std::move(one));
  }
  Reply reply{.status = row.status, .content_type = "application/problem+json"};
  // What a client sent may be quoted in here, and need not be UTF-8.
  reply.body = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (row.retry_after_s > 0)
    reply.headers.emplace_back("Retry-After", std::to_string(row.retry_after_s));
  return reply;
}

}  // namespace carillon::api
