#include "device-sim/gateway/webpush_gateway.h"

#include <fmt/format.h>

#include <optional>

namespace device_sim {
namespace {

bool may_be_sent_later(WebPushReason reason) {
  return reason == WebPushReason::kTooManyRequests || reason == WebPushReason::kUnavailable;
}

WebPushReason reason_of(VapidVerdict verdict) {
  switch (verdict) {
    case VapidVerdict::kValid:
      return WebPushReason::kNone;
    case VapidVerdict::kMissing:
      return WebPushReason::kMissingVapid;
    case VapidVerdict::kInvalid:
      return WebPushReason::kBadVapid;
    case VapidVerdict::kOtherKey:
      return WebPushReason::kOtherVapidKey;
  }
  return WebPushReason::kBadVapid;
}

}  // namespace

WebPushGateway::WebPushGateway(const WebPushAccount& account, LoopContext& context,
                               GatewayCounters& counters, std::uint64_t seed)
    : vapid_tokens_(account.vapid_key),
      context_(context),
      counters_(counters),
      random_state_(splitmix64(seed)) {}

ConnectionFate WebPushGateway::answer(Request& request, Response& response) {
  const WebPushReason reason = decide(request, response);
  counters_.answers[static_cast<std::size_t>(reason)].add();
  response.status = webpush_row(reason).status;
  if (reason == WebPushReason::kNone) {
    fmt::format_to_n(response.location.data(), response.location.size(), "/m/{:016x}",
                     splitmix64(++random_state_));
    response.has_location = true;
  } else {
    response.content_type = "application/json";
    response.body = webpush_error_body(reason);
    if (may_be_sent_later(reason)) {
      response.retry_after_s = context_.dice.plan().retry_after_s;
    }
  }
  return context_.dice.next_fate();
}

WebPushReason WebPushGateway::decide(const Request& request, Response& response) {
  const std::string_view path = request.get(Field::kPath);
  if (!path.starts_with(kWebPushPathPrefix)) return WebPushReason::kUnknownSubscription;
  const auto device = context_.desk.population().tokens().number_of(
      Platform::kWebPush, path.substr(kWebPushPathPrefix.size()));
  if (!device) return WebPushReason::kUnknownSubscription;
  const DeviceStanding standing = context_.desk.look_up(*device, Platform::kWebPush);
  if (standing.kind == DeviceStanding::Kind::kUnknown) return WebPushReason::kUnknownSubscription;

  const WebPushHeadVerdict head = check_webpush_head(request);
  if (head.reason != WebPushReason::kNone) return head.reason;
  response.ttl_s = head.ttl_s;
  if (const auto reason = check_vapid(request); reason != WebPushReason::kNone) return reason;
  if (const auto reason = check_webpush_body(request); reason != WebPushReason::kNone) {
    return reason;
  }

  FaultDice& dice = context_.dice;
  if (dice.is_unavailable()) return WebPushReason::kUnavailable;
  if (standing.kind == DeviceStanding::Kind::kUninstalled || dice.is_unregistered(*device)) {
    return WebPushReason::kGone;
  }
  if (dice.is_of_wrong_app(*device)) return WebPushReason::kOtherVapidKey;
  if (dice.is_throttled()) return WebPushReason::kTooManyRequests;
  return deliver(request, *device, standing.is_special, head.ttl_s);
}

WebPushReason WebPushGateway::check_vapid(const Request& request) {
  std::string_view authority = request.get(Field::kAuthority);
  if (authority.empty()) authority = request.get(Field::kHost);
  if (authority.ends_with(":443")) authority.remove_suffix(4);
  origin_.assign("https://").append(authority);
  return reason_of(
      vapid_tokens_.check(request.get(Field::kAuthorization), origin_, context_.now.unix_s()));
}

WebPushReason WebPushGateway::deliver(const Request& request, std::uint64_t device, bool is_special,
                                      std::uint32_t ttl_s) {
  WebPushPayload payload;
  if (!request.body.empty()) {
    const auto text = opener_.open(context_.desk.population().browser_keys(), device, request.body);
    if (!text) return WebPushReason::kCannotDecrypt;
    payload = read_webpush_payload(*text);
  }
  if (payload.event.empty() || payload.event.size() > kEventIdBytesMax) {
    counters_.without_event.add();
  }
  const std::string_view topic = request.get(Field::kTopic);
  const std::string_view identity = topic.empty() ? std::string_view(payload.tag) : topic;
  context_.desk.accept(
      Notification{.device = device,
                   .platform = Platform::kWebPush,
                   .event = payload.event,
                   .title = payload.title,
                   .body = payload.body,
                   .identity = identity,
                   .identity_hash = identity.empty() ? kNeverFolds : collapse_identity(identity),
                   .keep_until_ms = context_.now.unix_ms + std::int64_t{1'000} * ttl_s,
                   .slot = topic.empty() ? std::nullopt : std::optional(topic)},
      is_special, context_.now.unix_ms);
  return WebPushReason::kNone;
}

}  // namespace device_sim
