#include "relay/api/api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "relay/api/export_resource.h"
#include "relay/api/import_resource.h"
#include "relay/api/openapi.h"
#include "relay/api/quarantine_resource.h"
#include "relay/config/scopes.h"

namespace carillon::api {
namespace {

std::optional<Reply> parameter_objection(const Route& route, const Target& target) {
  for (auto it = target.query.begin(); it != target.query.end(); ++it) {
    const auto& name = it->first;
    const bool known =
        !name.empty() && name.find(',') == std::string::npos &&
        ("," + std::string(route.parameters) + ",").find("," + name + ",") != std::string::npos;
    const bool twice = std::any_of(target.query.begin(), it,
                                   [&](const auto& earlier) { return earlier.first == name; });
    // Not ignored: a parameter that a later version knows may mean "do not really do it".
    if (!known)
      return problem_reply(Problem::kInvalidParameter, "`" + name + "` is not a parameter here");
    if (twice)
      return problem_reply(Problem::kInvalidParameter, "`" + name + "` comes more than once");
  }
  return std::nullopt;
}

// The type and subtype, without parameters, in lower case.
std::string media_type(const RequestHead& head) {
  std::string_view value = head.field("content-type");
  value = value.substr(0, value.find(';'));
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  std::string out(value);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Nothing: one that is not understood.
std::optional<coding::Coding> body_coding(const RequestHead& head) {
  const std::string_view name = head.field("content-encoding");
  if (name.empty() || name == "identity") return coding::Coding::kNone;
  if (name == "x-gzip") return coding::Coding::kGzip;  // RFC 9110, section 8.4.1.3
  const auto coding = coding::coding_named(name);
  return coding == coding::Coding::kNone ? std::nullopt : coding;
}

std::optional<Reply> body_objection(const Route& route, const RequestHead& head) {
  if (route.body == BodyPlan::kNone) {
    if (!head.has_body()) return std::nullopt;
    return problem_reply(Problem::kMalformedRequest, "this takes no body");
  }
  if (!head.chunked && !head.content_length) {
    return problem_reply(Problem::kLengthRequired, "send Content-Length, or a chunked body");
  }
  const std::string type = media_type(head);
  const bool json = route.body == BodyPlan::kJson;
  if (json ? type != "application/json" : !import_format(type)) {
    return problem_reply(Problem::kUnsupportedMediaType,
                         json ? "send Content-Type: application/json"
                              : "send Content-Type: application/x-ndjson or text/csv");
  }
  if (json && body_coding(head) != coding::Coding::kNone) {
    return problem_reply(Problem::kUnsupportedMediaType, "send the body without Content-Encoding");
  }
  if (!body_coding(head)) {
    return problem_reply(Problem::kUnsupportedMediaType,
                         "send the body with Content-Encoding gzip or zstd, or without");
  }
  return std::nullopt;
}

Reply with_challenge(Problem problem, std::string_view detail, std::string challenge) {
  Reply reply = problem_reply(problem, detail);
  reply.headers.emplace_back("WWW-Authenticate",
                             "Bearer realm=\"carillon\"" + std::move(challenge));
  return reply;
}

Reply text_reply(std::string body, std::string content_type) {
  return Reply{.status = 200,
               .content_type = std::move(content_type),
               .body = std::move(body),
               .headers = {},
               .take_over = {}};
}

}  // namespace

Api::Api(Parts parts)
    : parts_(std::move(parts)),
      keys_(parts_.store, parts_.clocks.monotonic),
      events_(parts_.publisher, parts_.store, parts_.clocks, counts_),
      steering_(parts_.publisher, parts_.store),
      reports_(parts_.store),
      outcomes_(parts_.store, parts_.outcomes_waiting_max),
      audience_(parts_.store, parts_.clocks, parts_.push_origins, counts_),
      channels_(parts_.publisher, parts_.clocks),
      readiness_(parts_.publisher, parts_.store, parts_.clocks),
      watchers_(parts_.watchers, [this](const store::EventId& id) { return events_.progress(id); }),
      downloads_(parts_.downloads),
      metrics_({.publisher = parts_.publisher,
                .store = parts_.store,
                .http = counters_,
                .clocks = parts_.clocks,
                .gate = parts_.gate_stats,
                .watchers = [this] { return watchers_.count(); },
                .exports = [this] { return downloads_.count(); },
                .stale = parts_.stale_totals}) {}

std::optional<Reply> Api::key_objection(const Route& route, const RequestHead& head) {
  if (route.scope == 0) return std::nullopt;
  const auto identity = keys_.identify(head.field("authorization"));
  if (identity) {
    if (allows(*identity, route.scope)) return std::nullopt;
    const std::string scope = config::scopes_text(route.scope);
    return with_challenge(Problem::kForbidden, "this needs the scope " + scope,
                          ", error=\"insufficient_scope\", scope=\"" + scope + "\"");
  }
  switch (identity.error()) {
    case KeyFault::kStore:
      return problem_reply(Problem::kStoreUnavailable, "the API keys cannot be read");
    case KeyFault::kMissing:
      return with_challenge(Problem::kUnauthenticated, "send Authorization: Bearer <API key>", "");
    case KeyFault::kMalformed:
      return with_challenge(Problem::kUnauthenticated,
                            "the Authorization header is not: Bearer <API key>",
                            ", error=\"invalid_request\"");
    case KeyFault::kUnknown:
      break;
  }
  return with_challenge(Problem::kUnauthenticated, "the API key is unknown or revoked",
                        ", error=\"invalid_token\"");
}

std::optional<Reply> Api::app_objection(const RouteMatch& match) const {
  if (!match.route->pattern.starts_with("/v1/apps/{app}/")) return std::nullopt;
  const auto& apps = parts_.apps;
  if (std::find(apps.begin(), apps.end(), match.captures[0]) != apps.end()) return std::nullopt;
  return problem_reply(Problem::kUnknownApp, "");
}

tl::expected<Admission, Reply> Api::admit(const RequestHead& head) {
  auto target = parse_target(head.target);
  if (!target) {
    return tl::unexpected(
        problem_reply(Problem::kMalformedRequest, "the request's target: " + target.error()));
  }
  RouteMatch match = match_route(head.method, target->segments);
  if (match.route == nullptr) {
    if (match.allow.empty()) return tl::unexpected(problem_reply(Problem::kUnknownRoute, ""));
    Reply reply = problem_reply(Problem::kMethodNotAllowed, "it takes " + match.allow);
    reply.headers.emplace_back("Allow", match.allow);
    return tl::unexpected(std::move(reply));
  }
  const Route& route = *match.route;
  if (auto objection = key_objection(route, head)) return tl::unexpected(std::move(*objection));
  if (auto objection = parameter_objection(route, *target))
    return tl::unexpected(std::move(*objection));
  if (auto objection = app_objection(match)) return tl::unexpected(std::move(*objection));
  if (auto objection = body_objection(route, head)) return tl::unexpected(std::move(*objection));
  return Admission{
      .match = std::move(match),
      .target = std::move(*target),
      .body_bytes_max = route.body == BodyPlan::kLines ? kImportBytesMax : parts_.body_bytes_max};
}

std::optional<Reply> Api::answer(const RequestHead& head, const Admission& admission,
                                 std::string_view body, Later later) {
  switch (admission.match.route->endpoint) {
    case Endpoint::kPublish:
      if (!admission.target.query.empty()) return events_.plan(admission, body);
      return events_.publish(head, body, std::move(later));
    case Endpoint::kListEvents:
      return events_.list(admission);
    case Endpoint::kShowEvent:
      return events_.show(admission);
    case Endpoint::kWatchEvent:
      return events_.watch(admission, watchers_);
    case Endpoint::kPauseEvent:
      return steering_.steer(admission, fanout::Wish::Kind::kPause);
    case Endpoint::kResumeEvent:
      return steering_.steer(admission, fanout::Wish::Kind::kResume);
    case Endpoint::kCancelEvent:
      return steering_.steer(admission, fanout::Wish::Kind::kCancel);
    case Endpoint::kSetEventRate:
      return steering_.set_rate(admission, body);
    case Endpoint::kReplayEvent:
      return steering_.replay(admission, body);
    case Endpoint::kListFailures:
      return reports_.failures(admission);
    case Endpoint::kExplainDevice:
      return reports_.explain(admission);
    case Endpoint::kListOutcomes:
      return outcomes_.list(admission);
    case Endpoint::kPutDevice:
      return audience_.put_device(admission, body);
    case Endpoint::kShowDevice:
      return audience_.show_device(admission);
    case Endpoint::kEraseDevice:
      return audience_.erase_device(admission);
    case Endpoint::kSubscribe:
      return audience_.subscribe(admission);
    case Endpoint::kUnsubscribe:
      return audience_.unsubscribe(admission);
    case Endpoint::kSubscribeDevice:
      return audience_.subscribe_device(admission);
    case Endpoint::kUnsubscribeDevice:
      return audience_.unsubscribe_device(admission);
    case Endpoint::kShowTopic:
      return audience_.show_topic(admission);
    case Endpoint::kEraseSubscriber:
      return audience_.erase_subscriber(admission);
    case Endpoint::kCountAudience:
      return audience_.count(admission, body);
    case Endpoint::kExport:
      return export_devices(parts_.store, downloads_, head, admission);
    case Endpoint::kCreateChannel:
      return channels_.create(admission, body, std::move(later));
    case Endpoint::kListChannels:
      return channels_.list(admission, std::move(later));
    case Endpoint::kShowChannel:
      return channels_.ask_of_one(admission, push::ChannelRequest::Kind::kShow, std::move(later));
    case Endpoint::kDeleteChannel:
      return channels_.ask_of_one(admission, push::ChannelRequest::Kind::kDelete, std::move(later));
    case Endpoint::kBroadcast:
      return channels_.broadcast(admission, body, std::move(later));
    case Endpoint::kListQuarantine:
      return list_quarantine(parts_.store, admission);
    case Endpoint::kRestoreQuarantine:
      return decide_quarantine(parts_.store, store::QuarantineAction::kRestore, admission, body);
    case Endpoint::kConfirmQuarantine:
      return decide_quarantine(parts_.store, store::QuarantineAction::kConfirm, admission, body);
    case Endpoint::kHealth:
      return health();
    case Endpoint::kReadiness:
      return readiness_.check();
    case Endpoint::kMetrics:
      return text_reply(metrics_.text(), "text/plain; version=0.0.4; charset=utf-8");
    case Endpoint::kOpenApi:
      return text_reply(std::string(openapi_document()), "application/json");
    case Endpoint::kImport:
      break;  // comes as a stream
  }
  return problem_reply(Problem::kInternal, "");
}

Reply Api::answer(const RequestHead& head, const Admission& admission, BodySource& body) {
  // Both were looked at when the request was admitted.
  const ImportBody said{.format = import_format(media_type(head)).value(),
                        .coding = body_coding(head).value()};
  return import_body(parts_.store, parts_.clocks, parts_.push_origins, admission, said, body);
}

void Api::on_answered(const RequestHead& head, const Route* route, int status,
                      std::chrono::nanoseconds took) {
  counters_.count(route, status, took);
  spdlog::debug("http {} {} {} {:.1f} ms", head.method.empty() ? "-" : head.method,
                route == nullptr ? "-" : route->pattern, status,
                std::chrono::duration<double, std::milli>(took).count());
}

}  // namespace carillon::api
