#include "device-sim/gateway/fcm_gateway.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "device-sim/gateway/bearer.h"

namespace device_sim {
namespace {

constexpr std::string_view kJson = "application/json; charset=UTF-8";

// "/token" of "https://localhost:8444/token".
std::string path_of(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  const std::size_t from = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t slash = uri.find('/', from);
  return slash == std::string_view::npos ? "/" : std::string(uri.substr(slash));
}

std::string_view without_query(std::string_view path) {
  return path.substr(0, path.find('?'));
}

// A notification without a tag is shown for itself; a data-only message names its event to the app,
// which can compare.
// While its device is offline a notification takes the place of the one before, whatever its key
// (Firebase, "Collapsible message types"); of data messages only those with the same key do.
Notification notification_of(const FcmMessage& message, std::uint64_t device, std::int64_t now_ms) {
  constexpr std::string_view kEveryNotification;
  std::optional<std::string_view> slot;
  if (message.has_notification) {
    slot = kEveryNotification;
  } else if (!message.collapse_key.empty()) {
    slot = message.collapse_key;
  }
  const std::string_view identity = message.has_notification ? message.tag : message.event;
  return Notification{.device = device,
                      .platform = Platform::kFcm,
                      .event = message.event,
                      .title = message.title,
                      .body = message.body,
                      .identity = identity,
                      .identity_hash = identity.empty() ? kNeverFolds : collapse_identity(identity),
                      .keep_until_ms = now_ms + std::int64_t{1'000} * message.ttl_s,
                      .slot = slot};
}

}  // namespace

FcmGateway::FcmGateway(const FcmAccount& account, TopicBook& topics, LoopContext& context,
                       GatewayCounters& counters, std::uint64_t seed)
    : project_(account.project),
      send_path_(fmt::format("/v1/projects/{}/messages:send", account.project)),
      token_path_(path_of(account.service_account.token_uri)),
      service_account_(account.service_account),
      access_tokens_(account.access_token_key),
      topics_(topics),
      context_(context),
      counters_(counters),
      random_state_(splitmix64(seed)) {}

ConnectionFate FcmGateway::answer(Request& request, Response& response) {
  if (without_query(request.get(Field::kPath)) == token_path_ &&
      request.get(Field::kMethod) == "POST") {
    answer_token_request(request, response);
    return ConnectionFate::kStays;
  }
  if (is_iid_path(without_query(request.get(Field::kPath)))) {
    answer_iid(request, response);
    return ConnectionFate::kStays;
  }
  return answer_send(request, response);
}

void FcmGateway::answer_iid(const Request& request, Response& response) {
  using nlohmann::json;
  response.content_type = kJson;
  IidRequest change = check_iid_request(request);
  if (change.status == 200 && check_access(request).reason != FcmReason::kNone) {
    change.status = 401;
    change.error = "UNAUTHENTICATED";
  }
  response.status = change.status;
  if (change.status != 200) {
    response.body = json{{"error", change.error}}.dump();
    return;
  }
  json results = json::array();
  for (const std::string& token : change.tokens) {
    const std::string_view error = change_subscription(change, token);
    results.push_back(error.empty() ? json::object() : json{{"error", error}});
  }
  response.body = json{{"results", std::move(results)}}.dump();
}

// Google's word for why a token was not subscribed; empty: it was.
std::string_view FcmGateway::change_subscription(const IidRequest& change,
                                                 const std::string& token) {
  const auto device = context_.desk.population().tokens().number_of(Platform::kFcm, token);
  if (!device) return "INVALID_ARGUMENT";
  const DeviceStanding standing = context_.desk.look_up(*device, Platform::kFcm);
  if (standing.kind != DeviceStanding::Kind::kInstalled || context_.dice.is_unregistered(*device)) {
    return "NOT_FOUND";
  }
  if (!change.subscribes) {
    topics_.unsubscribe(*device, change.topic);
    return {};
  }
  switch (topics_.subscribe(*device, change.topic)) {
    case Subscribing::kDone:
      return {};
    case Subscribing::kTooManyTopics:
      return "TOO_MANY_TOPICS";
    case Subscribing::kFull:
      break;
  }
  return "RESOURCE_EXHAUSTED";
}

// Google answers before it has sent to anybody: faults of single devices are nobody's news.
FcmRefusal FcmGateway::send_to_topics() {
  auto condition = message_.topic.empty() ? TopicCondition::parse(message_.condition)
                                          : TopicCondition::of_topic(message_.topic);
  if (!condition) {
    return {FcmReason::kInvalidArgument,
            fmt::format("Invalid condition expression provided: {}", condition.error()),
            "message.condition"};
  }
  if (message_.validate_only) {
    counters_.validated_only.add();
    return {};
  }
  if (context_.dice.is_throttled()) {
    return {FcmReason::kQuotaExceeded, "Quota exceeded for quota metric of this topic.", ""};
  }
  counters_.without_device.add();
  for (const std::uint64_t device : topics_.audience(*condition)) {
    const DeviceStanding standing = context_.desk.look_up(device, Platform::kFcm);
    if (standing.kind != DeviceStanding::Kind::kInstalled ||
        context_.dice.is_unregistered(device)) {
      topics_.forget(device);
      continue;
    }
    context_.desk.accept(notification_of(message_, device, context_.now.unix_ms),
                         standing.is_special, context_.now.unix_ms);
  }
  return {};
}

void FcmGateway::answer_token_request(const Request& request, Response& response) {
  const std::int64_t now_s = context_.now.unix_s();
  const OauthVerdict verdict = check_token_request(request.body, service_account_, now_s);
  response.status = verdict.status;
  response.content_type = kJson;
  if (!verdict.error.empty()) {
    counters_.tokens_refused.add();
    response.body =
        nlohmann::json{{"error", verdict.error}, {"error_description", verdict.description}}.dump();
    return;
  }
  counters_.tokens_issued.add();
  response.body = fmt::format(R"({{"access_token":"{}","expires_in":{},"token_type":"Bearer"}})",
                              access_tokens_.issue(now_s), kAccessTokenSeconds);
}

ConnectionFate FcmGateway::answer_send(Request& request, Response& response) {
  const FcmRefusal refusal = decide(request);
  counters_.answers[static_cast<std::size_t>(refusal.reason)].add();
  response.content_type = kJson;
  if (refusal.reason == FcmReason::kNone) {
    write_success(response);
  } else {
    response.status = fcm_row(refusal.reason).status;
    response.body = fcm_error_body(refusal);
    if (refusal.reason == FcmReason::kQuotaExceeded || refusal.reason == FcmReason::kUnavailable) {
      response.retry_after_s = context_.dice.plan().retry_after_s;
    }
  }
  return context_.dice.next_fate();
}

void FcmGateway::write_success(Response& response) {
  if (message_.validate_only) {
    response.body = fmt::format(R"({{"name":"projects/{}/messages/fake_message_id"}})", project_);
    return;
  }
  fmt::format_to(std::back_inserter(response.body),
                 R"({{"name":"projects/{}/messages/0:{}%{:016x}"}})", project_,
                 context_.now.unix_ms * 1'000, splitmix64(++random_state_));
}

FcmRefusal FcmGateway::check_access(const Request& request) {
  const std::string_view token = bearer_credential(request.get(Field::kAuthorization));
  if (access_tokens_.check(token, context_.now.unix_s()) == AccessTokenVerdict::kValid) return {};
  return {FcmReason::kUnauthenticated,
          "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
          "cookie or other valid authentication credential.",
          ""};
}

FcmRefusal FcmGateway::decide(Request& request) {
  message_ = {};
  if (request.get(Field::kMethod) != "POST" ||
      without_query(request.get(Field::kPath)) != send_path_) {
    return {FcmReason::kBadPath, "Requested entity was not found.", ""};
  }
  if (auto refusal = check_access(request); refusal.reason != FcmReason::kNone) return refusal;
  if (request.body_is_cut) {
    return {FcmReason::kPayloadTooLarge, "Request payload size exceeds the limit.", ""};
  }
  if (auto refusal = parse_fcm_message(request.body, message_);
      refusal.reason != FcmReason::kNone) {
    return refusal;
  }

  const bool has_device = !message_.token.empty() || !message_.fid.empty();
  const TokenCodec& tokens = context_.desk.population().tokens();
  const auto device = !message_.token.empty() ? tokens.number_of(Platform::kFcm, message_.token)
                                              : tokens.number_of_installation(message_.fid);
  const DeviceStanding standing =
      device ? context_.desk.look_up(*device, Platform::kFcm) : DeviceStanding{};
  if (has_device && standing.kind == DeviceStanding::Kind::kUnknown) {
    return {FcmReason::kInvalidArgument,
            "The registration token is not a valid FCM registration token",
            message_.token.empty() ? "message.fid" : "message.token"};
  }

  FaultDice& dice = context_.dice;
  if (dice.is_unavailable()) {
    return {FcmReason::kUnavailable, "The service is currently unavailable.", ""};
  }
  if (has_device) {
    if (standing.kind == DeviceStanding::Kind::kUninstalled || dice.is_unregistered(*device)) {
      return {FcmReason::kUnregistered, "Requested entity was not found.", ""};
    }
    if (dice.is_of_wrong_app(*device)) {
      return {FcmReason::kSenderIdMismatch, "SenderId mismatch", ""};
    }
  }
  if (!has_device) return send_to_topics();
  if (message_.validate_only) {
    counters_.validated_only.add();
    return {};
  }
  if (dice.is_throttled()) {
    return {FcmReason::kQuotaExceeded, "Quota exceeded for quota metric of this device.", ""};
  }
  if (message_.event.empty() || message_.event.size() > kEventIdBytesMax) {
    counters_.without_event.add();
  }
  context_.desk.accept(notification_of(message_, *device, context_.now.unix_ms),
                       standing.is_special, context_.now.unix_ms);
  return {};
}

}  // namespace device_sim
