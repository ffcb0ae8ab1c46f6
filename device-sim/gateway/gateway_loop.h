#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "device-sim/gateway/apns_gateway.h"
#include "device-sim/gateway/fcm_gateway.h"
#include "device-sim/gateway/http2_limits.h"
#include "device-sim/gateway/listen_address.h"
#include "device-sim/gateway/loop_context.h"
#include "device-sim/gateway/tls_channel.h"
#include "device-sim/gateway/webpush_gateway.h"

namespace device_sim {

enum class Service : std::uint8_t { kApns, kFcm, kWebPush };
inline constexpr std::size_t kServiceCount = 3;
std::string_view service_name(Service service);

struct ServiceOptions {
  ListenAddress listen;
  std::shared_ptr<ssl_ctx_st> tls;
  PortProtocols protocols = PortProtocols::kHttp2;
  Http2Limits limits;
};

// What a loop is built from. The references outlive it.
struct LoopParts {
  const Population& population;
  Journal& journal;
  DeviceBook& book;
  TopicBook& topics;
  FaultBoard& faults;
  const ApnsAccount& apns;
  ApnsChannels& apns_channels;
  const FcmAccount& fcm;
  const WebPushAccount& webpush;
  std::function<std::int64_t()> unix_ms;  // the calendar clock, read once a batch; any thread
  std::uint64_t seed = 0;                 // of this loop's random numbers
};

// One thread with its connections and its own gateways. A connection belongs to one loop for life.
class GatewayLoop {
 public:
  explicit GatewayLoop(const LoopParts& parts);
  ~GatewayLoop();  // stops
  GatewayLoop(const GatewayLoop&) = delete;
  GatewayLoop& operator=(const GatewayLoop&) = delete;

  // Before start(): accepts for a service, and hands the connections to `loops` in turn. Returns
  // the bound port; the error is one sentence.
  tl::expected<std::uint16_t, std::string> listen(Service service, const ServiceOptions& options,
                                                  const std::vector<GatewayLoop*>& loops);
  void start();
  // Closes all connections and joins the thread. Stop the loop that listens first.
  void stop();

  // Any thread.
  const GatewayCounters& counters(Service service) const;
  // Any thread but the loop's own; waits for the loop. Empty once it has stopped.
  std::vector<RecentSend> recent_of(std::uint64_t device);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace device_sim
