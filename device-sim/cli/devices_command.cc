#include "device-sim/cli/devices_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "device-sim/population/population.h"
#include "device-sim/simulator.h"

namespace device_sim {
namespace {

constexpr std::size_t kWriteBytes = 1 << 20;

struct DevicesArguments {
  std::uint64_t count = 0;
  std::uint64_t seed = 1;
  std::string mix = Mix{}.to_string();
  bool shuffle = false;
  DeviceLineFormat format;
};

// False with errno set.
bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t length = ::write(STDOUT_FILENO, text.data(), text.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

int print_devices(const DevicesArguments& arguments) {
  const auto mix = Mix::parse(arguments.mix);
  if (!mix) {
    fmt::print(stderr, "device-sim: --mix: {}\n", mix.error());
    return 1;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const Population population(arguments.seed, *mix, arguments.count);
  const DeviceLines lines(population, arguments.format);
  std::string out;
  out.reserve(kWriteBytes + 4'096);
  for (std::uint64_t i = 0; i < arguments.count; ++i) {
    lines.append(arguments.shuffle ? population.shuffled(i) : i + 1, out);
    if (out.size() < kWriteBytes && i + 1 < arguments.count) continue;
    if (!write_all(out)) {
      if (errno == EPIPE) return 0;  // the reader has enough, as `head` does
      fmt::print(stderr, "device-sim: cannot write to standard output: {}\n", std::strerror(errno));
      return 1;
    }
    out.clear();
  }
  return 0;
}

}  // namespace

std::function<int()> add_devices_command(CLI::App& app) {
  auto given = std::make_shared<DevicesArguments>();
  CLI::App* command =
      app.add_subcommand("devices", "The simulated population as NDJSON for `carillon import`");
  command->add_option("--count", given->count, "How many devices, from number 1")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, kDevicesMax));
  command->add_option("--seed", given->seed, "The seed that `serve` has")->capture_default_str();
  command->add_option("--mix", given->mix, "The mix that `serve` has")->capture_default_str();
  command
      ->add_option("--webpush-origin", given->format.webpush_origin,
                   "Where the simulated push service of browsers is")
      ->capture_default_str();
  command->add_option("--app", given->format.app, "The relay's name for the app")
      ->capture_default_str();
  command->add_option("--topic", given->format.topics,
                      "A topic that every device follows; may be "
                      "given several times");
  command
      ->add_option("--devices-per-subscriber", given->format.devices_per_subscriber,
                   "Consecutive devices that share a subscriber")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000}));
  command->add_flag("--shuffle", given->shuffle, "In a random order that the seed decides");
  return [given] { return print_devices(*given); };
}

}  // namespace device_sim
