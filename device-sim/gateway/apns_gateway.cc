#include "device-sim/gateway/apns_gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "device-sim/gateway/apns_channel_check.h"
#include "device-sim/gateway/client_connection.h"

namespace device_sim {
namespace {

ApnsReason reason_of(ProviderTokenVerdict verdict) {
  switch (verdict) {
    case ProviderTokenVerdict::kValid:
      return ApnsReason::kNone;
    case ProviderTokenVerdict::kMissing:
      return ApnsReason::kMissingProviderToken;
    case ProviderTokenVerdict::kInvalid:
      return ApnsReason::kInvalidProviderToken;
    case ProviderTokenVerdict::kExpired:
      return ApnsReason::kExpiredProviderToken;
  }
  return ApnsReason::kInvalidProviderToken;
}

bool may_come_later(ApnsReason reason) {
  return reason == ApnsReason::kTooManyRequests || reason == ApnsReason::kServiceUnavailable;
}

// A random UUID (RFC 9562, version 4) for a request that brought none.
void write_uuid(std::uint64_t high, std::uint64_t low, char* out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
  for (const char kind : kShape) {
    const auto digit = static_cast<std::size_t>(high & 15);
    *out++ = kind == 'x' ? kDigits[digit] : kind == 'v' ? kDigits[8 | (digit & 3)] : kind;
    high = high >> 4 | low << 60;
    low >>= 4;
  }
}

// Apple keeps one notification for each app of a device: that of a topic with or without a suffix.
std::string_view app_of(std::string_view topic, const std::vector<std::string>& apps) {
  std::string_view longest;
  for (const std::string& app : apps) {
    if (topic.starts_with(app) && app.size() > longest.size()) longest = app;
  }
  return longest;
}

// Until when it is kept for a device that is offline: 0 is not at all, without a word 30 days.
std::int64_t kept_until_ms(const Request& request, std::int64_t now_ms) {
  if (!request.has(Field::kApnsExpiration)) return now_ms + kKeptMsMax;
  const std::string_view text = request.get(Field::kApnsExpiration);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const std::int64_t latest_s = (now_ms + kKeptMsMax) / 1'000;
  return (error != std::errc() ? latest_s : std::min(seconds, latest_s)) * 1'000;
}

}  // namespace

ApnsGateway::ApnsGateway(const ApnsAccount& account, ApnsChannels& channels, LoopContext& context,
                         GatewayCounters& counters, std::uint64_t seed)
    : topics_(account.topics),
      channels_(channels),
      provider_tokens_(account.keys),
      context_(context),
      counters_(counters),
      random_state_(splitmix64(seed)) {}

ConnectionFate ApnsGateway::answer(Request& request, Response& response) {
  if (is_about_channels(request.get(Field::kPath))) return answer_about_channels(request, response);
  const Decision decision = decide(request);
  counters_.answers[static_cast<std::size_t>(decision.reason)].add();
  write_id(request.get(Field::kApnsId), response);
  if (decision.reason != ApnsReason::kNone) {
    const ApnsReasonRow& row = apns_row(decision.reason);
    response.status = row.status;
    response.content_type = "application/json";
    if (decision.reason == ApnsReason::kUnregistered) {
      fmt::format_to(std::back_inserter(response.body), R"({{"reason":"{}","timestamp":{}}})",
                     row.reason, decision.timestamp_ms);
    } else {
      fmt::format_to(std::back_inserter(response.body), R"({{"reason":"{}"}})", row.reason);
    }
    if (may_come_later(decision.reason)) {
      response.retry_after_s = context_.dice.plan().retry_after_s;
    }
  }
  return fate_of(request, decision.reason);
}

// Apple closes connections that bring too many tokens which are none.
ConnectionFate ApnsGateway::fate_of(const Request& request, ApnsReason reason) {
  const ConnectionFate fate = context_.dice.next_fate();
  const std::uint64_t most = context_.dice.plan().bad_tokens_per_connection;
  if (reason != ApnsReason::kBadDeviceToken || most == 0 || request.connection == nullptr) {
    return fate;
  }
  const bool too_many = ++request.connection->bad_device_tokens >= most;
  return fate == ConnectionFate::kStays && too_many ? ConnectionFate::kGoesAway : fate;
}

ApnsReason ApnsGateway::check_credential(const Request& request) {
  using Certificate = ClientConnection::Certificate;
  const auto certificate =
      request.connection == nullptr ? Certificate::kNone : request.connection->certificate;
  // Whatever else the request says of who sends it is not looked at.
  if (certificate == Certificate::kTrusted) return ApnsReason::kNone;
  if (certificate == Certificate::kRefused) return ApnsReason::kBadCertificate;
  auto token = provider_tokens_.check(request.get(Field::kAuthorization), context_.now.unix_s());
  const std::string& revoked = context_.dice.plan().revoked_apns_key;
  if (!revoked.empty() && token == ProviderTokenVerdict::kValid &&
      provider_tokens_.key_id() == revoked) {
    token = ProviderTokenVerdict::kInvalid;
  }
  if (request.connection == nullptr) return reason_of(token);
  request.connection->is_authenticated = token == ProviderTokenVerdict::kValid;
  if (token != ProviderTokenVerdict::kValid) return reason_of(token);
  return check_renewal(*request.connection);
}

// Another token may come when the one before has been here for long enough.
ApnsReason ApnsGateway::check_renewal(ClientConnection& connection) {
  const std::uint64_t identity = provider_tokens_.identity();
  if (connection.provider_token == identity) return ApnsReason::kNone;
  const std::int64_t now_s = context_.now.unix_s();
  const std::int64_t kept_s = now_s - connection.provider_token_since_s;
  // A calendar that was set back says nothing about how long it was.
  if (connection.provider_token != 0 && kept_s >= 0 && kept_s < kProviderTokenKeptSecondsMin) {
    return ApnsReason::kTooManyProviderTokenUpdates;
  }
  connection.provider_token = identity;
  connection.provider_token_since_s = now_s;
  counters_.provider_tokens.add();
  return ApnsReason::kNone;
}

ApnsGateway::Decision ApnsGateway::decide(Request& request) {
  const ApnsHeadVerdict head = check_apns_head(request, topics_);
  if (head.reason != ApnsReason::kNone) return {head.reason};

  const ApnsReason credential = check_credential(request);
  if (credential != ApnsReason::kNone) return {credential};

  const auto device =
      context_.desk.population().tokens().number_of(Platform::kApns, head.device_token);
  if (!device) return {ApnsReason::kBadDeviceToken};
  const DeviceStanding standing = context_.desk.look_up(*device, Platform::kApns);
  if (standing.kind == DeviceStanding::Kind::kUnknown) return {ApnsReason::kBadDeviceToken};

  const ApnsPayload& payload = payload_of(request, head.is_voip);
  if (payload.reason != ApnsReason::kNone) return {payload.reason};

  FaultDice& dice = context_.dice;
  if (dice.is_unavailable()) return {ApnsReason::kServiceUnavailable};
  if (standing.kind == DeviceStanding::Kind::kUninstalled) {
    return {ApnsReason::kUnregistered, standing.uninstalled_ms};
  }
  if (dice.is_unregistered(*device)) {
    return {ApnsReason::kUnregistered,
            context_.now.unix_ms - std::int64_t{1'000} * dice.plan().unregistered_age_s};
  }
  if (dice.is_of_wrong_app(*device)) return {ApnsReason::kDeviceTokenNotForTopic};
  if (dice.is_throttled()) return {ApnsReason::kTooManyRequests};

  const std::string_view collapse_id = request.get(Field::kApnsCollapseId);
  if (payload.event.empty() || payload.event.size() > kEventIdBytesMax) {
    counters_.without_event.add();
  }
  Notification notification{
      .device = *device,
      .platform = Platform::kApns,
      .event = payload.event,
      .title = payload.title,
      .body = payload.body,
      .identity = collapse_id,
      .identity_hash = collapse_id.empty() ? kNeverFolds : collapse_identity(collapse_id)};
  if (standing.is_special) {  // others are never offline
    notification.keep_until_ms = kept_until_ms(request, context_.now.unix_ms);
    notification.slot = app_of(request.get(Field::kApnsTopic), topics_);
  }
  context_.desk.accept(notification, standing.is_special, context_.now.unix_ms);
  return {};
}

const ApnsPayload& ApnsGateway::payload_of(const Request& request, bool is_voip) {
  if (request.body != last_body_ || is_voip != last_is_voip_ || last_body_.empty()) {
    last_payload_ = check_apns_payload(request.body, is_voip);
    last_body_ = request.body;
    last_is_voip_ = is_voip;
  }
  return last_payload_;
}

ConnectionFate ApnsGateway::answer_about_channels(const Request& request, Response& response) {
  const ApnsReason reason = call_channels(request, response);
  counters_.answers[static_cast<std::size_t>(reason)].add();
  write_id(request.get(Field::kApnsRequestId), response);
  response.is_request_id = true;
  if (reason != ApnsReason::kNone) {
    const ApnsReasonRow& row = apns_row(reason);
    response.status = row.status;
    response.body = fmt::format(R"({{"reason":"{}"}})", row.reason);
    if (may_come_later(reason)) response.retry_after_s = context_.dice.plan().retry_after_s;
  }
  if (!response.body.empty()) response.content_type = "application/json";
  return context_.dice.next_fate();
}

// In the order of the README's table.
ApnsReason ApnsGateway::call_channels(const Request& request, Response& response) {
  if (request.has(Field::kApnsRequestId) && !is_uuid(request.get(Field::kApnsRequestId))) {
    return ApnsReason::kBadMessageId;
  }
  const ChannelPath path =
      read_channel_path(request.get(Field::kMethod), request.get(Field::kPath));
  if (path.call == ChannelCall::kNone) return path.reason;
  const std::string app(path.app);
  if (std::find(topics_.begin(), topics_.end(), app) == topics_.end()) {
    return ApnsReason::kTopicDisallowed;
  }
  if (const ApnsReason credential = check_credential(request); credential != ApnsReason::kNone) {
    return credential;
  }
  const auto& named = request.connection == nullptr ? topics_ : request.connection->topics;
  if (!named.empty() && std::find(named.begin(), named.end(), app) == named.end()) {
    return ApnsReason::kTopicMismatch;
  }
  if (context_.dice.is_unavailable()) return ApnsReason::kServiceUnavailable;
  if (path.call == ChannelCall::kCreate) {
    const ChannelOrder order = check_channel_order(request.body);
    if (order.reason != ApnsReason::kNone) return order.reason;
    auto made = channels_.create(app, order.storage_policy);
    if (!made) return ApnsReason::kCannotCreateChannelConfig;
    response.status = 201;
    response.apns_channel_id = std::move(*made);
    return ApnsReason::kNone;
  }
  if (path.call == ChannelCall::kList) {
    response.body = nlohmann::json{{"channels", channels_.list(app)}}.dump();
    return ApnsReason::kNone;
  }
  const std::string_view id = request.get(Field::kApnsChannelId);
  if (const ApnsReason reason = check_channel_id(id); reason != ApnsReason::kNone) return reason;
  const auto channel = channels_.find(app, id);
  if (!channel) return ApnsReason::kChannelNotRegistered;
  if (path.call == ChannelCall::kDelete) {
    channels_.remove(app, id);
    response.status = 204;
  } else if (path.call == ChannelCall::kRead) {
    response.body = nlohmann::json{{"message-storage-policy", channel->storage_policy},
                                   {"push-type", "LiveActivity"}}
                        .dump();
  } else {
    if (const ApnsReason reason = check_broadcast(request, *channel); reason != ApnsReason::kNone) {
      return reason;
    }
    const std::string_view expiration = request.get(Field::kApnsExpiration);
    ApnsBroadcast message{.payload = std::string(request.body),
                          .priority = std::string(request.get(Field::kApnsPriority))};
    std::from_chars(expiration.data(), expiration.data() + expiration.size(), message.expiration_s);
    channels_.note_broadcast(app, id, std::move(message));
  }
  return ApnsReason::kNone;
}

void ApnsGateway::write_id(std::string_view given, Response& response) {
  response.has_apns_id = true;
  if (is_uuid(given)) {
    std::memcpy(response.apns_id.data(), given.data(), response.apns_id.size());
    return;
  }
  const std::uint64_t high = splitmix64(++random_state_);
  const std::uint64_t low = splitmix64(++random_state_);
  write_uuid(high, low, response.apns_id.data());
}

}  // namespace device_sim
