#include "relay/api/events_resource.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "relay/api/event_document.h"
#include "relay/api/event_parser.h"
#include "relay/api/forecast.h"
#include "relay/api/sha256.h"
#include "relay/api/store_problem.h"
#include "relay/fanout/event_id.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

Reply json_reply(int status, const Json& document) {
  Reply reply{.status = status};
  reply.body = document.dump() + "\n";
  return reply;
}

Problem problem_of(fanout::Refusal::Kind kind) {
  using Kind = fanout::Refusal::Kind;
  switch (kind) {
    case Kind::kUnknownApp:
      return Problem::kUnknownApp;
    case Kind::kInvalid:
      return Problem::kEventRefused;
    case Kind::kBacklog:
      return Problem::kOverloaded;
    case Kind::kIdempotencyMismatch:
      return Problem::kIdempotencyMismatch;
    case Kind::kDraining:
      return Problem::kDraining;
    case Kind::kStoreFull:
      return Problem::kStoreFull;
    case Kind::kStoreFailed:
      return Problem::kStoreUnavailable;
  }
  return Problem::kInternal;
}

Reply refusal_reply(const fanout::Refusal& refusal) {
  std::vector<FieldError> errors;
  for (const auto& field : refusal.fields) errors.push_back({field.pointer, field.message});
  if (refusal.kind == fanout::Refusal::Kind::kUnknownApp && errors.empty()) {
    errors.push_back({"/app", "is not an app of this relay"});
  }
  return problem_reply(problem_of(refusal.kind), refusal.message, errors);
}

// RFC 9110 would allow more in a field; a key is for comparing, not for reading.
bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= store::kIdempotencyKeyBytesMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool has_field(const RequestHead& head, std::string_view name) {
  return std::any_of(head.fields.begin(), head.fields.end(),
                     [&](const auto& field) { return field.name == name; });
}

std::string_view parameter(const Admission& admission, std::string_view name) {
  for (const auto& [key, value] : admission.target.query) {
    if (key == name) return value;
  }
  return {};
}

std::uint64_t sum(const store::PlatformCounts& counts) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts) total += count;
  return total;
}

std::string_view word_name(push::PlatformWord::Kind kind) {
  switch (kind) {
    case push::PlatformWord::Kind::kGood:
      return "taken";
    case push::PlatformWord::Kind::kRefused:
      return "refused";
    case push::PlatformWord::Kind::kUnclear:
      break;
  }
  return "unknown";
}

Json send_document(const fanout::PlannedSend& send) {
  Json document{{"devices", send.devices},
                {"body_bytes", send.body_bytes ? Json(*send.body_bytes) : Json(nullptr)},
                {"seconds", nullptr}};
  if (send.pace.governed) {
    const double seconds = send.pace.seconds_for(static_cast<double>(send.devices));
    document["seconds"] = std::ceil(seconds * 10) / 10;
  }
  if (send.word) {
    document["validated"] = {{"answer", word_name(send.word->kind)}, {"word", send.word->text}};
  }
  return document;
}

}  // namespace

EventsResource::EventsResource(Publisher& publisher, store::Store& store,
                               const fanout::Clocks& clocks, const CountPlaces& counts)
    : publisher_(publisher), store_(store), clocks_(clocks), counts_(counts) {}

std::optional<Reply> EventsResource::publish(const RequestHead& head, std::string_view body,
                                             Later later) {
  const std::string_view key = head.field("idempotency-key");
  if (has_field(head, "idempotency-key") && !is_idempotency_key(key)) {
    return problem_reply(Problem::kInvalidParameter,
                         "Idempotency-Key must have 1 to " +
                             std::to_string(store::kIdempotencyKeyBytesMax) +
                             " printable ASCII characters");
  }
  auto publication = parse_event(body);
  if (!publication)
    return problem_reply(publication.error().problem, "", publication.error().errors);
  publication->idempotency_key = key;
  publication->body_digest = sha256(body);
  // On the store's writer, which has others to serve: the answer is made by a worker.
  publisher_.publish(*std::move(publication), [this, later = std::move(later)](auto accepted) {
    later([this, accepted = std::move(accepted)] { return published(accepted); });
  });
  return std::nullopt;
}

Reply EventsResource::plan(const Admission& admission, std::string_view body) {
  if (parameter(admission, "plan") != "1") {
    return problem_reply(Problem::kInvalidParameter,
                         "`plan` must be 1; without it the event is sent");
  }
  const auto publication = parse_event(body);
  if (!publication) {
    return problem_reply(publication.error().problem, "", publication.error().errors);
  }
  auto place = counts_.take();
  if (!place) return problem_reply(Problem::kTooManyCounts, kCountsAreFew);
  const auto plan = publisher_.plan(*publication, std::move(place));
  if (!plan) return refusal_reply(plan.error());
  std::uint64_t targeted = 0;
  Json providers = Json::object();
  for (const fanout::PlannedSend& send : plan->sends) {
    targeted += send.devices;
    providers[std::string(platform_name(static_cast<store::Platform>(send.platform)))] =
        send_document(send);
  }
  return json_reply(200, {{"plan", true},
                          {"app", publication->app},
                          {"subscribers", plan->subscribers},
                          {"targeted", targeted},
                          {"providers", std::move(providers)}});
}

Reply EventsResource::published(
    const tl::expected<store::AcceptedEvent, fanout::Refusal>& accepted) {
  if (!accepted) return refusal_reply(accepted.error());
  const std::uint64_t targeted = sum(accepted->targeted);
  auto state = targeted == 0 ? store::EventState::kCompleted : store::EventState::kQueued;
  if (accepted->repeated) {
    if (const auto event = store_.event(accepted->id)) state = event->state;
  }
  const std::string id = fanout::to_string(accepted->id);
  Json document{{"id", id}, {"state", state_name(state)}, {"targeted", targeted}};
  if (accepted->repeated) document["repeated"] = true;
  document["links"] = event_links(id);
  Reply reply = json_reply(202, document);
  reply.headers.emplace_back("Location", "/v1/events/" + id);
  return reply;
}

Pace EventsResource::pace_of(const store::EventRecord& event) {
  const auto now = clocks_.calendar();
  Pace pace = pacemaker_.pace_of(event, now);
  if (is_over(event.state)) return pace;
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  pace.forecast_ms = forecast(event, publisher_.stats().lanes, pace.forecast_ms, now_ms);
  return pace;
}

Reply EventsResource::list(const Admission& admission) {
  std::size_t limit = kEventsPageDefault;
  if (const std::string_view text = parameter(admission, "limit"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit < 1 ||
        limit > kEventsPageMax) {
      return problem_reply(Problem::kInvalidParameter, "`limit` must be an integer from 1 to " +
                                                           std::to_string(kEventsPageMax));
    }
  }
  store::EventId before{};
  if (const std::string_view text = parameter(admission, "before"); !text.empty()) {
    const auto id = fanout::parse_event_id(text);
    if (!id) return problem_reply(Problem::kInvalidParameter, "`before` must be an event's id");
    before = *id;
  }
  // One more than is shown tells whether there is a next page.
  auto events = store_.events(before, limit + 1);
  if (!events) return store_problem(events.error(), Problem::kUnknownEvent);
  const bool more = events->size() > limit;
  if (more) events->resize(limit);
  Json document{{"events", Json::array()}, {"next", nullptr}};
  for (const store::EventRecord& event : *events) {
    document["events"].push_back(event_document(event, pace_of(event)));
  }
  if (more) {
    document["next"] = "/v1/events?limit=" + std::to_string(limit) +
                       "&before=" + fanout::to_string(events->back().id);
  }
  return json_reply(200, document);
}

Reply EventsResource::show(const Admission& admission) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  const auto event = store_.event(*id);
  if (!event) return store_problem(event.error(), Problem::kUnknownEvent);
  return json_reply(200, event_document(*event, pace_of(*event)));
}

Reply EventsResource::watch(const Admission& admission, Watchers& watchers) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  if (const auto event = store_.event(*id); !event) {
    return store_problem(event.error(), Problem::kUnknownEvent);
  }
  auto place = watchers.reserve();
  if (!place) return problem_reply(Problem::kOverloaded, "too many events are being watched");
  Reply reply{.status = 200, .content_type = "text/event-stream"};
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.take_over = [&watchers, place = std::move(place), event = *id](int socket) {
    watchers.add(place, socket, event);
  };
  return reply;
}

std::optional<Progress> EventsResource::progress(const store::EventId& id) {
  const auto event = store_.event(id);
  if (!event) return std::nullopt;
  const Pace pace = pace_of(*event);
  return Progress{.document = event_document(*event, pace).dump(), .over = is_over(event->state)};
}

}  // namespace carillon::api
