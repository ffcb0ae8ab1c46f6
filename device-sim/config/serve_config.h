#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "device-sim/simulator.h"

namespace device_sim {

// What the command line says; it wins over the file. Texts are checked together with the file.
struct ServeOverrides {
  std::string config_path;  // empty: no file
  std::optional<std::uint64_t> devices;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> mix;
  std::optional<std::string> apns;
  std::optional<std::string> fcm;
  std::optional<std::string> webpush;
  std::optional<std::string> control;
  std::optional<std::string> faults_path;
  std::optional<unsigned> threads;
};

// Reads the file, the keys and certificates that it names (relative to its folder) and the fault
// plan. All problems at once, each one line: "FILE:LINE: sentence" where a line is at fault.
tl::expected<SimulatorOptions, std::vector<std::string>> load_serve_options(
    const ServeOverrides& overrides);

}  // namespace device_sim
