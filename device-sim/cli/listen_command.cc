#include "device-sim/cli/listen_command.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "device-sim/cli/phone_listener.h"
#include "device-sim/phones/device_book.h"

namespace device_sim {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

struct ListenArguments {
  ListenPlan plan;
  std::string control = "127.0.0.1:8445";
  std::string relay = "http://127.0.0.1:8080";
  std::int64_t seconds = 0;
  std::size_t events = 0;
};

std::string as_url(const std::string& address) {
  return address.find("://") == std::string::npos ? "http://" + address : address;
}

void stop_on(int signal) {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = true; };
  sigaction(signal, &action, nullptr);
}

int fail(const std::string& sentence) {
  fmt::print(stderr, "device-sim: {}\n", sentence);
  return 1;
}

int listen(const ListenArguments& arguments) {
  ListenPlan plan = arguments.plan;
  plan.control_url = as_url(arguments.control);
  plan.relay_url = as_url(arguments.relay);
  const char* key = std::getenv("CARILLON_API_KEY");
  if (key == nullptr || *key == '\0') {
    return fail("set CARILLON_API_KEY to a key of the relay with the scope subscribe");
  }
  plan.api_key = key;
  if (arguments.seconds > 0) plan.duration = std::chrono::seconds(arguments.seconds);
  if (arguments.events > 0) plan.events = arguments.events;

  stop_on(SIGINT);
  stop_on(SIGTERM);
  PhoneListener listener(std::move(plan), [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  if (const auto enrolled = listener.enrol(); !enrolled) return fail(enrolled.error());
  const auto followed = listener.follow(stop_requested);
  listener.print_summary();
  if (!followed) return fail(followed.error());
  if (!*followed) return fail("the time is over and not every phone has shown its events");
  return 0;
}

}  // namespace

std::function<int()> add_listen_command(CLI::App& app) {
  auto given = std::make_shared<ListenArguments>();
  CLI::App* command = app.add_subcommand(
      "listen", "A handful of phones in the terminal, enrolled with the relay (CARILLON_API_KEY)");
  command->add_option("--count", given->plan.count, "How many phones")
      ->required()
      ->check(CLI::Range(std::size_t{1}, kPhonesMax));
  command->add_option("--topic", given->plan.topic, "The topic that they follow")->required();
  command->add_option("--app", given->plan.app, "The relay's name for the app")
      ->capture_default_str();
  command->add_option("--control", given->control, "The simulator's control address or URL")
      ->capture_default_str();
  command->add_option("--relay", given->relay, "The relay's URL")
      ->envname("CARILLON_URL")
      ->capture_default_str();
  command->add_option("--for", given->seconds, "Seconds to listen; without it, until stopped")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  command->add_option("--events", given->events, "Ends when every phone has shown so many events")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
  return [given] { return listen(*given); };
}

}  // namespace device_sim
