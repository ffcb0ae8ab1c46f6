#include "relay/api/report_resource.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "relay/api/event_document.h"
#include "relay/api/store_problem.h"
#include "relay/fanout/event_id.h"

namespace carillon::api {
namespace {

using ReportJson = nlohmann::ordered_json;
using FateKind = store::DeviceFate::Kind;

Reply report_reply(const ReportJson& document) {
  Reply reply{.status = 200};
  // A name comes from the path, and need not be UTF-8.
  reply.body = document.dump(-1, ' ', false, ReportJson::error_handler_t::replace) + "\n";
  return reply;
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "fcm-1234": where a page ended. Clients take it as it is.
std::string cursor_text(const store::FailurePlace& place) {
  return fmt::format("{}-{}", platform_name(place.platform), place.position);
}

std::optional<store::FailurePlace> cursor_from(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto platform = platform_by_name(text.substr(0, dash));
  const auto position = whole_number<std::uint64_t>(text.substr(dash + 1));
  // SQLite's integers are signed.
  if (!platform || !position || *position >> 63 != 0) return std::nullopt;
  return store::FailurePlace{*platform, *position};
}

std::optional<store::Failure::Outcome> outcome_named(std::string_view name) {
  using Outcome = store::Failure::Outcome;
  for (const auto outcome : {Outcome::kRejected, Outcome::kExpired, Outcome::kDeadLettered}) {
    if (outcome_name(outcome) == name) return outcome;
  }
  return std::nullopt;
}

// The first parameter that cannot be taken, as a sentence.
std::optional<std::string> read_query(const Target& target, store::FailureQuery& query) {
  query.limit = kFailuresPageDefault;
  for (const auto& [name, value] : target.query) {
    if (name == "limit") {
      const auto limit = whole_number<std::size_t>(value);
      if (!limit || *limit < 1 || *limit > store::kFailuresPageMax) {
        return fmt::format("`limit` must be an integer from 1 to {}", store::kFailuresPageMax);
      }
      query.limit = *limit;
    } else if (name == "after") {
      query.after = cursor_from(value);
      if (!query.after) return "`after` must be what a page has as `next`";
    } else if (name == "provider") {
      query.platform = platform_by_name(value);
      if (!query.platform) return "`provider` must be apns, fcm or webpush";
    } else if (name == "outcome") {
      query.outcome = outcome_named(value);
      if (!query.outcome) return "`outcome` must be rejected, expired or dead_lettered";
    }
  }
  return std::nullopt;
}

ReportJson failure_json(const store::FailureRecord& record) {
  const store::Failure& failure = record.failure;
  ReportJson out{
      {"device", record.device.empty() ? ReportJson(nullptr) : ReportJson(record.device)},
      {"provider", platform_name(record.platform)},
      {"outcome", outcome_name(failure.outcome)},
      {"reason", failure.reason},
      {"attempts", failure.attempts},
      {"at", rfc3339(failure.at_ms)}};
  if (record.device.empty()) out["gone"] = true;
  if (failure.token_dead) out["token_dead"] = true;
  return out;
}

std::string_view fate_name(FateKind kind) {
  switch (kind) {
    case FateKind::kAccepted:
      return "accepted";
    case FateKind::kPending:
      return "pending";
    case FateKind::kRejected:
      return "rejected";
    case FateKind::kExpired:
      return "expired";
    case FateKind::kDeadLettered:
      return "dead_lettered";
    case FateKind::kCancelled:
      return "cancelled";
    case FateKind::kNotInAudience:
      return "not_in_audience";
    case FateKind::kCameLater:
      return "came_later";
    case FateKind::kStale:
      return "stale";
    case FateKind::kQuarantined:
      return "quarantined";
    case FateKind::kRemoved:
      return "removed";
    case FateKind::kNotKnown:
      return "not_known";
    case FateKind::kSuppressed:
      return "suppressed";
    case FateKind::kUnknownDevice:
      break;
  }
  return "unknown_device";
}

std::string sentence_of(const store::DeviceFate& fate) {
  switch (fate.kind) {
    case FateKind::kAccepted:
      if (fate.counted_only > 0) {
        return fmt::format(
            "Its turn has passed and no failure of it is stored, so the provider took it; or it is "
            "one of {} failures of this event that were only counted.",
            fate.counted_only);
      }
      return "Its turn has passed and it is not among the failures, all of which are stored: the "
             "provider took it.";
    case FateKind::kPending:
      if (fate.next_attempt_ms != 0) return "It was tried, and is to be tried again.";
      return "Its turn has not come, or its answer has not.";
    case FateKind::kRejected:
      return "The provider refused it for good.";
    case FateKind::kExpired:
      return "The event's time had passed before the provider took it.";
    case FateKind::kDeadLettered:
      return "It was given up after as many attempts as are made.";
    case FateKind::kCancelled:
      return "The event was cancelled before its turn was over.";
    case FateKind::kNotInAudience:
      return fate.exact
                 ? "The event went to no device of its platform."
                 : "It is not in the event's audience as it is now: it never was, or it left "
                   "it, before its turn perhaps, and was then counted as suppressed.";
    case FateKind::kCameLater:
      return fate.exact ? "It was registered, or came to its user, after the event was published: "
                          "as it is registered now, it was not in the audience."
                        : "It was registered, or subscribed, after the event was published.";
    case FateKind::kSuppressed:
      return "Nothing was sent to it: its platform had no provider.";
    case FateKind::kNotKnown:
      if (fate.without_provider > 0) {
        return fmt::format(
            "Its turn has passed and no failure of it is stored: the provider took it, or it is "
            "one "
            "of {} devices that were suppressed as their platform had no provider.",
            fate.without_provider);
      }
      return "It is in the audience as it is now, and no failure of it is stored. What audiences "
             "ask of its user (a device, a topic, an attribute) changed after the event was "
             "published, or may have: whether it was in the audience then is not kept.";
    case FateKind::kStale:
      return "It is left out of audiences, as its app was not heard of for long, and no failure of "
             "it is stored: it was left out, or the provider took it before.";
    case FateKind::kQuarantined:
      return "It is in quarantine, as a provider called its token dead when it said so of many, "
             "and "
             "no failure of it is stored: it was left out, or the provider took it before.";
    case FateKind::kRemoved:
      return fate.removed_before
                 ? "A provider had called its token dead, and it was removed before the event was "
                   "published."
                 : "A provider called its token dead, and it was removed after the event was "
                   "published: perhaps at this event's answer, perhaps at a later one's.";
    case FateKind::kUnknownDevice:
      break;
  }
  return "The app has no device of this name: it was never registered, or it was erased since, or "
         "removed so long ago that nothing tells of it.";
}

}  // namespace

Reply ReportResource::failures(const Admission& admission) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  store::FailureQuery query;
  if (const auto fault = read_query(admission.target, query)) {
    return problem_reply(Problem::kInvalidParameter, *fault);
  }
  const auto page = store_.failures(*id, query);
  if (!page) return store_problem(page.error(), Problem::kUnknownEvent);
  ReportJson document{
      {"failures", ReportJson::array()}, {"counted_only", page->counted_only}, {"next", nullptr}};
  for (const store::FailureRecord& record : page->failures) {
    document["failures"].push_back(failure_json(record));
  }
  if (page->next) document["next"] = cursor_text(*page->next);
  return report_reply(document);
}

Reply ReportResource::explain(const Admission& admission) {
  const auto id = fanout::parse_event_id(admission.match.captures[0]);
  if (!id) return problem_reply(Problem::kUnknownEvent, "an event's id is a UUID");
  const std::string& device = admission.match.captures[1];
  const auto fate = store_.explain(*id, device);
  if (!fate) return store_problem(fate.error(), Problem::kUnknownEvent);
  ReportJson document{{"event", fanout::to_string(*id)},
                      {"device", device},
                      {"outcome", fate_name(fate->kind)},
                      {"basis", fate->exact ? "exact" : "derived"},
                      {"explanation", sentence_of(*fate)}};
  if (fate->platform) document["provider"] = platform_name(*fate->platform);
  if (!fate->reason.empty()) document["reason"] = fate->reason;
  if (fate->attempts != 0) document["attempts"] = fate->attempts;
  if (fate->at_ms != 0) document["at"] = rfc3339(fate->at_ms);
  if (fate->next_attempt_ms != 0) document["next_attempt_at"] = rfc3339(fate->next_attempt_ms);
  return report_reply(document);
}

}  // namespace carillon::api
