#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "device-sim/faults/fault_plan.h"
#include "device-sim/gateway/apns_gateway.h"
#include "device-sim/gateway/fcm_gateway.h"
#include "device-sim/gateway/http2_limits.h"
#include "device-sim/gateway/listen_address.h"
#include "device-sim/gateway/webpush_gateway.h"
#include "device-sim/population/mix.h"

namespace device_sim {

struct SimulatorOptions {
  std::string certificate_pem;  // chain, leaf first
  std::string private_key_pem;

  ListenAddress apns_listen{.host = "127.0.0.1", .port = 8443};
  ApnsAccount apns;
  // Whose certificates authenticate a connection, PEM; empty: none, tokens only.
  std::string apns_client_ca_pem;
  Http2Limits apns_limits{.max_concurrent_streams = 1'000};

  ListenAddress fcm_listen{.host = "127.0.0.1", .port = 8444};
  FcmAccount fcm;  // its access_token_key is drawn at start
  Http2Limits fcm_limits{.max_concurrent_streams = 100};

  // The browsers' push service is there if it has a key.
  ListenAddress webpush_listen{.host = "127.0.0.1", .port = 8446};
  std::optional<WebPushAccount> webpush;
  Http2Limits webpush_limits{.max_concurrent_streams = 100};
  // Of the endpoints that `listen`'s phones register; empty: https:// and the address.
  std::string webpush_origin;

  ListenAddress control_listen{.host = "127.0.0.1", .port = 8445};

  std::uint64_t devices = 100'000;
  std::uint64_t seed = 1;
  Mix mix;
  unsigned threads = 1;
  FaultPlan faults;
  std::size_t events_max = 1'000;
  std::size_t journal_mib_max = 512;

  // The calendar clock in Unix milliseconds; called by any thread.
  std::function<std::int64_t()> unix_ms;
};

inline constexpr std::uint64_t kDevicesMax = 1'000'000'000;
inline constexpr unsigned kThreadsMax = 64;

std::int64_t system_unix_ms();

// The whole of `device-sim serve`: gateway loops and control API, running from start() to stop().
class Simulator {
 public:
  // Every problem is one sentence that says what to do.
  static tl::expected<std::unique_ptr<Simulator>, std::vector<std::string>> start(
      SimulatorOptions options);
  ~Simulator();  // stops

  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  // As bound.
  const ListenAddress& apns_address() const;
  const ListenAddress& fcm_address() const;
  // Nothing if there is no such service.
  std::optional<ListenAddress> webpush_address() const;
  const ListenAddress& control_address() const;

  // Ends all connections and joins all threads.
  void stop();

 private:
  class Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace device_sim
