#include "relay/cli/events_command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <utility>

#include "relay/cli/api_options.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"

namespace carillon::cli {
namespace {

constexpr const char* kAnEvent = "0190a5c8-7f3b-7c52-9d1e-3f1d2c4b5a69";

std::string example(const std::string& command, const std::string& rest = "") {
  return "  carillon events " + command + " " + kAnEvent + (rest.empty() ? "" : " " + rest);
}

// "none" or a number of devices.
bool read_rate(const std::string& text, std::optional<std::uint32_t>& out) {
  out.reset();
  if (text == "none") return true;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return false;
  out = number;
  return true;
}

}  // namespace

CLI::App* EventsCommandLine::add(CLI::App& events, const std::string& name, const std::string& what,
                                 const std::string& examples, Command command) {
  CLI::App* const added = events.add_subcommand(name, what);
  added->footer("Example:\n" + examples);
  add_api_options(added, address_);
  added->add_flag("--json", options_.json, "the relay's answer, one JSON object a line");
  added->callback([this, command = std::move(command)] {
    chosen_([this, command] {
      auto api = ApiClient::connect_to(address_, terminal_);
      if (api) return command(*api);
      explain(terminal_, api.error());
      return kExitUsage;
    });
  });
  return added;
}

CLI::App* EventsCommandLine::add_of_event(CLI::App& events, const std::string& name,
                                          const std::string& what, const std::string& examples,
                                          Command command) {
  CLI::App* const added = add(events, name, what, examples, std::move(command));
  added->add_option("EVENT", options_.event, "the event's id")->required();
  return added;
}

void EventsCommandLine::declare(CLI::App& app) {
  CLI::App* const events =
      app.add_subcommand("events", "Look at events, and take charge of those that run");
  events->require_subcommand(1);
  events->footer(
      "Over the API of a running relay. What is asked for is on the relay's disk when the command\n"
      "returns, and outlives a restart. To follow an event: carillon watch EVENT.");
  CLI::App* const list =
      add(*events, "list", "List events, newest first", "  carillon events list --limit 10",
          [this](ApiClient& api) { return run_events_list(terminal_, api, options_); });
  list->add_option("--limit", options_.limit, "how many; 50 otherwise")->check(CLI::Range(1, 200));
  list->add_option("--before", options_.before, "those published before this one")
      ->type_name("EVENT");
  add_of_event(*events, "show", "Show what became of an event", example("show"),
               [this](ApiClient& api) { return run_events_show(terminal_, api, options_); });
  add_steering(*events);
  add_replay(*events);
  add_reports(*events);
}

void EventsCommandLine::add_reports(CLI::App& events) {
  CLI::App* const failures = add_of_event(
      events, "failures", "List the failures of an event, device by device",
      example("failures") + "\n" + example("failures", "--outcome dead_lettered --limit 1000"),
      [this](ApiClient& api) { return run_events_failures(terminal_, api, options_); });
  failures->add_option("--limit", options_.limit, "how many; 100 otherwise")
      ->check(CLI::Range(1, 1'000));
  failures->add_option("--after", options_.after, "go on where a page ended")->type_name("PLACE");
  failures->add_option("--provider", options_.provider, "only this one")
      ->check(CLI::IsMember({"apns", "fcm", "webpush"}));
  failures->add_option("--outcome", options_.outcomes, "only this one")
      ->expected(1)
      ->check(CLI::IsMember({"dead_lettered", "expired", "rejected"}));
  CLI::App* const why = add_of_event(
      events, "explain", "Say why a device did or did not get an event",
      example("explain", "d-1") +
          "\nWhat a provider took is not stored device by device: it is derived, and told so.",
      [this](ApiClient& api) { return run_events_explain(terminal_, api, options_); });
  why->add_option("DEVICE", options_.device, "the app's own name of it")->required();
}

void EventsCommandLine::add_steering(CLI::App& events) {
  const auto steers = [this](const char* action) {
    return [this, action](ApiClient& api) {
      return run_events_steer(terminal_, api, options_, action);
    };
  };
  add_of_event(events, "pause", "Hand nothing more out until the event is resumed",
               example("pause") +
                   "\nWhat was handed out gets its answers. The event's time goes on: what expires "
                   "while it is\npaused is settled as expired.",
               steers("pause"));
  add_of_event(events, "resume", "Let a paused event go on", example("resume"), steers("resume"));
  add_of_event(events, "cancel", "End an event: who was not handed out yet is not sent to",
               example("cancel") + "\nThere is no way back.", steers("cancel"));
  CLI::App* const rate = add_of_event(
      events, "rate", "Limit how many devices of an event are sent to in a second",
      example("rate", "500") + "\n" + example("rate", "none") + "\nOver all platforms together.",
      steers("rate"));
  rate->add_option("DEVICES", per_second_, "devices a second, or none")
      ->required()
      ->check([this](const std::string& text) {
        return read_rate(text, options_.per_second) ? std::string()
                                                    : "must be a number of devices, or none";
      });
}

void EventsCommandLine::add_replay(CLI::App& events) {
  CLI::App* const replay = add_of_event(
      events, "replay", "Send a completed event again to devices that failed",
      example("replay") + "\n" + example("replay", "--outcome dead_lettered --provider fcm") +
          "\n" + example("replay", "--outcome expired --ttl 2h") +
          "\nNever to tokens that a provider called dead. A phone that has it already shows it "
          "once.",
      [this](ApiClient& api) {
        if (!ttl_.empty()) options_.ttl = *parse_duration(ttl_);
        return run_events_replay(terminal_, api, options_);
      });
  replay
      ->add_option("--outcome", options_.outcomes,
                   "dead_lettered, expired, rejected; may be repeated; otherwise the first two")
      ->check(CLI::IsMember({"dead_lettered", "expired", "rejected"}));
  replay->add_option("--reason", options_.reasons, "only these reasons; may be repeated");
  replay->add_option("--provider", options_.provider, "only this one")
      ->check(CLI::IsMember({"apns", "fcm", "webpush"}));
  replay
      ->add_option("--ttl", ttl_,
                   "how long it is worth sending from now on: 90s, 15m, 1h, 2d; needed if its time "
                   "has passed")
      ->check([](const std::string& text) {
        const auto ttl = parse_duration(text);
        return ttl ? std::string() : ttl.error();
      });
}

}  // namespace carillon::cli
