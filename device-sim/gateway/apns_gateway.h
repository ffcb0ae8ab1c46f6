#pragma once

#include <string>
#include <vector>

#include "device-sim/gateway/apns_channels.h"
#include "device-sim/gateway/apns_check.h"
#include "device-sim/gateway/apns_provider_token.h"
#include "device-sim/gateway/gateway.h"

namespace device_sim {

struct ApnsAccount {
  std::vector<std::string> topics;  // bundle ids
  std::vector<ApnsKey> keys;
};

// Apple's push service, POST /3/device/<token>: authenticated by a token, or by the connection's
// certificate. Its broadcast channels, too: Apple manages them on a host of their own, here the one
// port plays both.
class ApnsGateway final : public Gateway {
 public:
  // `channels` are those of all loops and outlive it.
  ApnsGateway(const ApnsAccount& account, ApnsChannels& channels, LoopContext& context,
              GatewayCounters& counters, std::uint64_t seed);

  ConnectionFate answer(Request& request, Response& response) override;
  LoopContext& context() override { return context_; }
  GatewayCounters& counters() override { return counters_; }

 private:
  struct Decision {
    ApnsReason reason = ApnsReason::kNone;
    std::int64_t timestamp_ms = 0;  // of a 410
  };

  Decision decide(Request& request);
  ConnectionFate answer_about_channels(const Request& request, Response& response);
  ApnsReason call_channels(const Request& request, Response& response);
  ApnsReason check_credential(const Request& request);
  ApnsReason check_renewal(ClientConnection& connection);
  ConnectionFate fate_of(const Request& request, ApnsReason reason);
  const ApnsPayload& payload_of(const Request& request, bool is_voip);
  // `given` is the request's own, if it is good.
  void write_id(std::string_view given, Response& response);

  std::vector<std::string> topics_;
  ApnsChannels& channels_;
  ApnsProviderTokens provider_tokens_;
  LoopContext& context_;
  GatewayCounters& counters_;
  std::uint64_t random_state_;
  // An event's pushes are alike but for the token: the last body is not parsed again.
  std::string last_body_;
  bool last_is_voip_ = false;
  ApnsPayload last_payload_;
};

}  // namespace device_sim
