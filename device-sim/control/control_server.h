#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "device-sim/faults/fault_dice.h"
#include "device-sim/gateway/apns_channels.h"
#include "device-sim/gateway/gateway_loop.h"
#include "device-sim/gateway/listen_address.h"
#include "device-sim/journal/journal.h"
#include "device-sim/phones/device_book.h"
#include "device-sim/phones/topic_book.h"
#include "device-sim/population/population.h"

namespace device_sim {

// What the control API shows and steers. The references outlive it.
struct ControlParts {
  const Population& population;
  Journal& journal;
  DeviceBook& book;
  TopicBook& topics;
  const ApnsChannels& channels;
  FaultBoard& faults;
  std::vector<GatewayLoop*> loops;
  std::string webpush_origin;
  std::function<std::int64_t()> unix_ms;
};

// The control API and the phones' page over plain HTTP, on threads of their own. Has no
// authentication: it belongs on the loopback interface.
class ControlServer {
 public:
  explicit ControlServer(ControlParts parts);
  ~ControlServer();  // stops
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Returns the bound port; the error is one sentence.
  tl::expected<std::uint16_t, std::string> bind(const ListenAddress& address);
  void start();
  // Streams that are open end at once if DeviceBook::stop_waiting was called before.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace device_sim
