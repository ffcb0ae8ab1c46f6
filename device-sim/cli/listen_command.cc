#include "device-sim/cli/listen_command.h"
namespace device_sim {
std::function<int()> add_listen_command(CLI::App& app) {
  app.add_subcommand("listen", "phones");
  return [] { return 1; };
}
}  // namespace device_sim
