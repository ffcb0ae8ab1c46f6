#include "relay/api/steering_resource.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

#include "relay/api/event_document.h"
#include "relay/api/steering_form.h"
#include "relay/api/store_problem.h"
#include "relay/fanout/event_id.h"

namespace carillon::api {
namespace {

using SteeredJson = nlohmann::ordered_json;

Reply steering_reply(int status, const SteeredJson& document) {
  Reply reply{.status = status};
  reply.body = document.dump() + "\n";
  return reply;
}

Reply steering_problem(const fanout::SteeringRefusal& refusal) {
  using Kind = fanout::SteeringRefusal::Kind;
  switch (refusal.kind) {
    case Kind::kUnknownEvent:
      return problem_reply(Problem::kUnknownEvent, "");
    case Kind::kFinished:
      return problem_reply(Problem::kEventFinished, refusal.message);
    case Kind::kNotCompleted:
      return problem_reply(Problem::kEventNotCompleted, refusal.message);
    case Kind::kExpired:
      return problem_reply(Problem::kEventExpired, refusal.message);
    case Kind::kTooMany:
      return problem_reply(Problem::kTooManySteered, refusal.message);
    case Kind::kUnknownApp:
      return problem_reply(Problem::kUnknownApp, refusal.message);
    case Kind::kBusy:
      return problem_reply(Problem::kOverloaded, refusal.message);
    case Kind::kDraining:
      return problem_reply(Problem::kDraining, "");
    case Kind::kStoreFull:
      return problem_reply(Problem::kStoreFull,
                           "nothing was changed; try again when there is space");
    case Kind::kStoreFailed:
      break;
  }
  spdlog::error("steering an event failed: {}", refusal.message);
  return problem_reply(Problem::kStoreUnavailable, "the relay's log says why; ask again");
}

SteeredJson boundary_json(const fanout::Boundary& boundary, bool cancels) {
  SteeredJson out{{"targeted", boundary.targeted},
                  {"settled", boundary.settled},
                  {"unanswered", boundary.unanswered},
                  {"retrying", boundary.retrying},
                  {"not_handed_out", boundary.not_handed_out}};
  if (cancels) out["cancelled"] = boundary.retrying + boundary.not_handed_out;
  return out;
}

}  // namespace

Reply SteeringResource::ask(const Admission& admission, const fanout::Wish& wish) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  auto steered = publisher_.steer(*id, wish);
  if (!steered) return steering_problem(steered.error());
  const auto event = store_.event(*id);
  if (!event) return store_problem(event.error(), Problem::kUnknownEvent);
  // What had ended before is not the fan-out's any more: all of it is settled.
  for (const auto& job : event->jobs) {
    const bool told = std::any_of(steered->jobs.begin(), steered->jobs.end(),
                                  [&](const auto& one) { return one.platform == job.platform; });
    if (told) continue;
    steered->jobs.push_back({.platform = job.platform,
                             .targeted = job.counters.targeted,
                             .settled = job.counters.targeted});
  }
  std::sort(steered->jobs.begin(), steered->jobs.end(),
            [](const auto& a, const auto& b) { return a.platform < b.platform; });
  const std::string text = fanout::to_string(*id);
  SteeredJson document{{"id", text}, {"state", state_name(event->state)}};
  if (is_cancelling(*event)) document["cancelling"] = true;
  document["changed"] = steered->changed;
  document["rate_limit_per_second"] =
      event->rate_per_second == 0 ? SteeredJson(nullptr) : SteeredJson(event->rate_per_second);
  SteeredJson by_provider = SteeredJson::object();
  for (const fanout::Boundary& boundary : steered->jobs) {
    by_provider[std::string(platform_name(boundary.platform))] =
        boundary_json(boundary, wish.kind == fanout::Wish::Kind::kCancel);
  }
  document["boundary"] = {{"at", rfc3339(steered->at_ms)}, {"by_provider", std::move(by_provider)}};
  document["links"] = event_links(text);
  return steering_reply(200, document);
}

Reply SteeringResource::steer(const Admission& admission, fanout::Wish::Kind kind) {
  return ask(admission, {.kind = kind});
}

Reply SteeringResource::set_rate(const Admission& admission, std::string_view body) {
  const auto per_second = parse_rate(body);
  if (!per_second) return problem_reply(per_second.error().problem, "", per_second.error().errors);
  return ask(admission, {.kind = fanout::Wish::Kind::kSetRate, .per_second = *per_second});
}

Reply SteeringResource::replay(const Admission& admission, std::string_view body) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  const auto form = parse_replay(body);
  if (!form) return problem_reply(form.error().problem, "", form.error().errors);
  const auto replayed = publisher_.replay(*id, form->wish, form->ttl);
  if (!replayed) return steering_problem(replayed.error());
  const auto event = store_.event(*id);
  if (!event) return store_problem(event.error(), Problem::kUnknownEvent);
  const std::string text = fanout::to_string(*id);
  return steering_reply(200, SteeredJson{{"id", text},
                                         {"state", state_name(event->state)},
                                         {"taken", replayed->taken},
                                         {"counted_only", replayed->counted_only},
                                         {"token_dead", replayed->token_dead},
                                         {"expires_at", rfc3339(event->expires_ms)},
                                         {"links", event_links(text)}});
}

}  // namespace carillon::api
