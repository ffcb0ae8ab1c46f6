#include "device-sim/cli/serve_command.h"

#include <fmt/format.h>

#include <csignal>
#include <memory>

#include "device-sim/config/serve_config.h"
#include "device-sim/simulator.h"

namespace device_sim {
namespace {

int report(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) fmt::print(stderr, "device-sim: {}\n", problem);
  return 1;
}

int serve(const ServeOverrides& overrides) {
  auto options = load_serve_options(overrides);
  if (!options) return report(options.error());

  // Blocked before any thread starts, so that only the wait below gets them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  const std::uint64_t devices = options->devices;
  const std::uint64_t seed = options->seed;
  const std::string mix = options->mix.to_string();
  auto simulator = Simulator::start(std::move(*options));
  if (!simulator) return report(simulator.error());
  const auto webpush = (*simulator)->webpush_address();
  fmt::print(
      "apns listening on {}\nfcm listening on {}\n{}control listening on {}\n"
      "devices {} seed {} mix {}\nready\n",
      (*simulator)->apns_address().to_string(), (*simulator)->fcm_address().to_string(),
      webpush ? fmt::format("webpush listening on {}\n", webpush->to_string()) : "",
      (*simulator)->control_address().to_string(), devices, seed, mix);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ends, &signal);
  (*simulator)->stop();
  return 0;
}

}  // namespace

std::function<int()> add_serve_command(CLI::App& app) {
  auto given = std::make_shared<ServeOverrides>();
  CLI::App* command =
      app.add_subcommand("serve", "The platforms and the phones, in the foreground");
  command->add_option("--config", given->config_path, "TOML file with certificate, keys, ports");
  command->add_option("--devices", given->devices, "How many devices the population has");
  command->add_option("--seed", given->seed, "What the devices' tokens are made from");
  command->add_option("--mix", given->mix,
                      "Shares of the platforms, e.g. apns:50,fcm:40,webpush:10");
  command->add_option("--apns", given->apns, "Address of the APNs gateway");
  command->add_option("--fcm", given->fcm, "Address of the FCM and OAuth gateway");
  command->add_option("--webpush", given->webpush, "Address of the browsers' push service");
  command->add_option("--control", given->control, "Address of the control API and the page");
  command->add_option("--faults", given->faults_path, "TOML file with a fault plan");
  command->add_option("--threads", given->threads, "Gateway loops");
  return [given] { return serve(*given); };
}

}  // namespace device_sim
