#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace device_sim {

// Adds `serve` to the command line. Each of these functions returns what runs the command when it
// was chosen: the exit code.
std::function<int()> add_serve_command(CLI::App& app);

}  // namespace device_sim
