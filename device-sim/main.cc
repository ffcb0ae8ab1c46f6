#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "device-sim/cli/devices_command.h"
#include "device-sim/cli/listen_command.h"
#include "device-sim/cli/serve_command.h"

int main(int argc, char** argv) {
  CLI::App app("Plays Apple's and Google's push services and the phones behind them", "device-sim");
  app.require_subcommand(1);
  const auto serve = device_sim::add_serve_command(app);
  const auto devices = device_sim::add_devices_command(app);
  const auto listen = device_sim::add_listen_command(app);
  CLI11_PARSE(app, argc, argv);
  try {
    if (app.got_subcommand("serve")) return serve();
    if (app.got_subcommand("devices")) return devices();
    return listen();
  } catch (const std::exception& error) {
    fmt::print(stderr, "device-sim: {}\n", error.what());
    return 1;
  }
}
