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
Notification notification_of(const FcmMessage& message, std::uint64_t device) {
  const std::string_view identity = message.has_notification ? message.tag : message.event;
  return Notification{
      .device = device,
      .platform = Platform::kFcm,
      .event = message.event,
      .title = message.title,
      .body = message.body,
      .identity = identity,
      .identity_hash = identity.empty() ? kNeverFolds : collapse_identity(identity)};
}

}  // namespace

FcmGateway::FcmGateway(const FcmAccount& account, LoopContext& context, GatewayCounters& counters,
                       std::uint64_t seed)
    : project_(account.project),
      send_path_(fmt::format("/v1/projects/{}/messages:send", account.project)),
      token_path_(path_of(account.service_account.token_uri)),
      service_account_(account.service_account),
      access_tokens_(account.access_token_key),
      context_(context),
      counters_(counters),
      random_state_(splitmix64(seed)) {}

ConnectionFate FcmGateway::answer(Request& request, Response& response) {
  if (without_query(request.get(Field::kPath)) == token_path_ &&
      request.get(Field::kMethod) == "POST") {
    answer_token_request(request, response);
    return ConnectionFate::kStays;
  }
  return answer_send(request, response);
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
  if (message_.validate_only) {
    counters_.validated_only.add();
    return {};
  }
  if (dice.is_throttled()) {
    return {FcmReason::kQuotaExceeded, "Quota exceeded for quota metric of this device.", ""};
  }
  if (!has_device) {
    counters_.without_device.add();
    return {};
  }
  if (message_.event.empty() || message_.event.size() > kEventIdBytesMax) {
    counters_.without_event.add();
  }
  context_.desk.accept(notification_of(message_, *device), standing.is_special,
                       context_.now.unix_ms);
  return {};
}

}  // namespace device_sim
