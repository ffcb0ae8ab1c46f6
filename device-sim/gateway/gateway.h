#pragma once

#include "device-sim/faults/fault_dice.h"
#include "device-sim/gateway/loop_context.h"
#include "device-sim/gateway/request.h"

namespace device_sim {

// One service of a vendor: decides on complete requests. Each loop has its own; one thread.
class Gateway {
 public:
  virtual ~Gateway() = default;

  // Fills `response`, which is clear, and says what becomes of the connection. May enlarge the
  // capacity of the request's body, nothing else. Called within a batch that the context has begun.
  virtual ConnectionFate answer(Request& request, Response& response) = 0;

  virtual LoopContext& context() = 0;
  virtual GatewayCounters& counters() = 0;
};

}  // namespace device_sim
