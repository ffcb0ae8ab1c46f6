#pragma once

#include <string>

#include "device-sim/gateway/access_token.h"
#include "device-sim/gateway/fcm_check.h"
#include "device-sim/gateway/gateway.h"
#include "device-sim/gateway/iid_check.h"
#include "device-sim/gateway/oauth_check.h"
#include "device-sim/phones/topic_book.h"

namespace device_sim {

struct FcmAccount {
  std::string project;
  ServiceAccount service_account;
  AccessTokenKey access_token_key{};  // the same for every loop
};

// Google's FCM HTTP v1, and on the same port its OAuth token endpoint and its Instance ID service:
// POST /v1/projects/<project>/messages:send, POST <path of the token URI>, POST /iid/v1:batchAdd
// and :batchRemove.
class FcmGateway final : public Gateway {
 public:
  FcmGateway(const FcmAccount& account, TopicBook& topics, LoopContext& context,
             GatewayCounters& counters, std::uint64_t seed);

  ConnectionFate answer(Request& request, Response& response) override;
  LoopContext& context() override { return context_; }
  GatewayCounters& counters() override { return counters_; }

 private:
  void answer_token_request(const Request& request, Response& response);
  void answer_iid(const Request& request, Response& response);
  std::string_view change_subscription(const IidRequest& change, const std::string& token);
  FcmRefusal send_to_topics();
  ConnectionFate answer_send(Request& request, Response& response);
  FcmRefusal decide(Request& request);
  FcmRefusal check_access(const Request& request);
  void write_success(Response& response);

  std::string project_;
  std::string send_path_;
  std::string token_path_;
  ServiceAccount service_account_;
  AccessTokens access_tokens_;
  TopicBook& topics_;
  LoopContext& context_;
  GatewayCounters& counters_;
  std::uint64_t random_state_;
  FcmMessage message_;  // of the request being decided
};

}  // namespace device_sim
