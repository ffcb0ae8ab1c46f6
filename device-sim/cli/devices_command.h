#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace device_sim {

// Adds `devices`: the population as NDJSON on standard output.
std::function<int()> add_devices_command(CLI::App& app);

}  // namespace device_sim
