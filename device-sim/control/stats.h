#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "device-sim/control/control_server.h"

namespace device_sim {

// The JSON of the control API. Any thread.
nlohmann::json event_json(const EventCounts& counts);
nlohmann::json message_json(const PhoneMessage& message);
nlohmann::json stats_json(const ControlParts& parts);
nlohmann::json fault_counts_json(const FaultBoard& faults);

// The same numbers in Prometheus' text format.
std::string metrics_text(const ControlParts& parts);

}  // namespace device_sim
