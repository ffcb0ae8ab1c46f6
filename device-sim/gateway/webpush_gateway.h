#pragma once

#include <cstdint>
#include <string>

#include "device-sim/gateway/gateway.h"
#include "device-sim/gateway/message_opener.h"
#include "device-sim/gateway/vapid_check.h"
#include "device-sim/gateway/webpush_check.h"

namespace device_sim {

struct WebPushAccount {
  PublicKey vapid_key;  // the applicationServerKey that all subscriptions were made with
};

// A browser's push service, and the browsers behind it: POST /push/<token> (RFC 8030). A message is
// decrypted with the device's key before it is accepted.
class WebPushGateway final : public Gateway {
 public:
  WebPushGateway(const WebPushAccount& account, LoopContext& context, GatewayCounters& counters,
                 std::uint64_t seed);

  ConnectionFate answer(Request& request, Response& response) override;
  LoopContext& context() override { return context_; }
  GatewayCounters& counters() override { return counters_; }

 private:
  WebPushReason decide(const Request& request, Response& response);
  WebPushReason check_vapid(const Request& request);
  WebPushReason deliver(const Request& request, std::uint64_t device, bool is_special,
                        std::uint32_t ttl_s);

  VapidTokens vapid_tokens_;
  MessageOpener opener_;
  LoopContext& context_;
  GatewayCounters& counters_;
  std::uint64_t random_state_;
  std::string origin_;  // of the request being decided
};

}  // namespace device_sim
