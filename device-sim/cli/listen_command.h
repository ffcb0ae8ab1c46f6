#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace device_sim {

// Adds `listen`: a handful of phones in the terminal.
std::function<int()> add_listen_command(CLI::App& app);

}  // namespace device_sim
