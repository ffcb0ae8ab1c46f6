#include "relay/cli/quarantine_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>
#include <span>

#include "relay/api/event_document.h"
#include "relay/api/quarantine_resource.h"
#include "relay/cli/api_options.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"

namespace carillon::cli {
namespace {

constexpr std::size_t kListedAtOnce = 1'000;  // devices of one read

bool knows_quarantined_app(Terminal& terminal, const config::Config& config,
                           const std::string& app) {
  if (config.apps.contains(app)) return true;
  explain(terminal, fmt::format("--app {}: there is no such app in the config", app));
  return false;
}

using QuarantineJson = nlohmann::ordered_json;

// As the API's list has it.
QuarantineJson quarantined_json(const store::QuarantinedDevice& device) {
  return {{"device", device.device},
          {"platform", api::platform_name(device.platform)},
          {"reason", device.reason},
          {"dead_since", api::rfc3339(device.dead_since_ms)},
          {"quarantined_at", api::rfc3339(device.at_ms)}};
}

std::string quarantined_line(const QuarantineJson& device, bool as_json) {
  if (as_json) return device.dump() + "\n";
  return fmt::format("{}  {:<7}  {:<24}  {}\n", device.value("quarantined_at", ""),
                     device.value("platform", ""), device.value("reason", ""),
                     device.value("device", ""));
}

void tell_counts(Terminal& terminal, const store::PlatformCounts& counts) {
  terminal.err << fmt::format(
      "carillon: {} in quarantine: {} apns, {} fcm, {} webpush\n",
      counted(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), "device"),
      grouped(counts[0]), grouped(counts[1]), grouped(counts[2]));
  terminal.out << std::flush;
}

bool says_who_is_meant(Terminal& terminal, const QuarantineOptions& options) {
  if (int(options.all) + int(options.platform.has_value()) + int(!options.devices.empty()) == 1) {
    return true;
  }
  explain(terminal, "say who is meant: --all, --platform or --device, one of them");
  return false;
}

std::string decided_text(std::uint64_t devices, store::QuarantineAction action) {
  const bool restore = action == store::QuarantineAction::kRestore;
  return fmt::format("{} {}\n", counted(devices, "device"), restore ? "restored" : "removed");
}

// The document of a 2xx; nothing: it was explained why there is none.
std::optional<QuarantineJson> document_of(Terminal& terminal,
                                          const tl::expected<ApiClient::Answer, std::string>& got) {
  if (!got || !got->ok()) {
    explain(terminal, got ? problem_text(*got) : got.error());
    return std::nullopt;
  }
  auto document = QuarantineJson::parse(got->body, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return document;
  explain(terminal, "the relay's answer is not a JSON object");
  return std::nullopt;
}

std::uint64_t whole(const QuarantineJson& object, const std::string& name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace

int run_quarantine_list(Terminal& terminal, store::Store& store, const config::Config& config,
                        const QuarantineOptions& options) {
  if (!knows_quarantined_app(terminal, config, options.app)) return kExitUsage;
  store::DevicePosition after = 0;
  for (bool end = false; !end;) {
    const auto devices = store.quarantine(options.app, after, kListedAtOnce);
    if (!devices) {
      explain(terminal, devices.error().message);
      return kExitFailure;
    }
    end = devices->size() < kListedAtOnce;
    for (const store::QuarantinedDevice& device : *devices) {
      after = device.position;
      if (options.platform && device.platform != *options.platform) continue;
      terminal.out << quarantined_line(quarantined_json(device), options.json);
    }
  }
  const auto counts = store.count_quarantine(options.app);
  if (!counts) {
    explain(terminal, counts.error().message);
    return kExitFailure;
  }
  tell_counts(terminal, *counts);
  return kExitOk;
}

int run_quarantine_decision(Terminal& terminal, store::Store& store, const config::Config& config,
                            store::QuarantineAction action, const QuarantineOptions& options) {
  if (!knows_quarantined_app(terminal, config, options.app)) return kExitUsage;
  if (!says_who_is_meant(terminal, options)) return kExitUsage;
  std::uint64_t devices = 0;
  std::string broken_off;
  if (!options.devices.empty()) {
    const auto step = store.decide_quarantine(options.app, action, options.devices);
    if (step) {
      devices = step->devices;
    } else {
      broken_off = step.error().message;
    }
  } else {
    // Batches, so that a relay's commits get in between.
    store::QuarantineStep step;
    do {
      const auto next = store.decide_quarantine(options.app, action, options.platform, step.through,
                                                store::kQuarantineBatchMax);
      if (!next) {
        broken_off = next.error().message;
        break;
      }
      step = *next;
      devices += step.devices;
    } while (!step.end);
  }
  terminal.out << decided_text(devices, action) << std::flush;
  if (broken_off.empty()) return kExitOk;
  explain(terminal,
          fmt::format("{}; what was done stays, and the same command goes on", broken_off));
  return kExitFailure;
}

int run_quarantine_list(Terminal& terminal, ApiClient& api, const QuarantineOptions& options) {
  std::string next = fmt::format("/v1/apps/{}/quarantine?limit={}", path_segment(options.app),
                                 api::kQuarantinePageMax);
  store::PlatformCounts counts{};
  while (!next.empty()) {
    const auto page = document_of(terminal, api.get(next));
    if (!page) return kExitFailure;
    for (const QuarantineJson& device : page->value("devices", QuarantineJson::array())) {
      const std::string platform = device.value("platform", "");
      if (options.platform && platform != api::platform_name(*options.platform)) continue;
      terminal.out << quarantined_line(device, options.json);
    }
    const QuarantineJson by_platform = page->value("by_platform", QuarantineJson::object());
    counts = {whole(by_platform, "apns"), whole(by_platform, "fcm"), whole(by_platform, "webpush")};
    const auto found = page->find("next");
    next = found != page->end() && found->is_string() ? found->get<std::string>() : "";
  }
  tell_counts(terminal, counts);
  return kExitOk;
}

int run_quarantine_decision(Terminal& terminal, ApiClient& api, store::QuarantineAction action,
                            const QuarantineOptions& options) {
  if (!says_who_is_meant(terminal, options)) return kExitUsage;
  QuarantineJson whom = QuarantineJson::object();
  if (options.platform) whom["platform"] = api::platform_name(*options.platform);
  if (!options.devices.empty()) whom["devices"] = options.devices;
  const bool restore = action == store::QuarantineAction::kRestore;
  const auto answer = document_of(
      terminal, api.post(fmt::format("/v1/apps/{}/quarantine/{}", path_segment(options.app),
                                     restore ? "restore" : "confirm"),
                         whom.dump(), {}));
  if (!answer) return kExitFailure;
  terminal.out << decided_text(whole(*answer, restore ? "restored" : "removed"), action)
               << std::flush;
  return kExitOk;
}

void QuarantineCommands::declare(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* const tokens = app.add_subcommand("tokens", "Look after device tokens");
  tokens->require_subcommand(1);
  CLI::App* const quarantine = tokens->add_subcommand(
      "quarantine", "Devices that a provider called dead when that was suspicious");
  quarantine->require_subcommand(1);
  quarantine->footer(
      "When suddenly many tokens are called dead, key, topic or environment is wrong more often\n"
      "than the devices are gone. The relay then keeps them and does not send to them, says so in\n"
      "its log, in /readyz and in /metrics (carillon_tokens_suspicious), and waits for a "
      "decision.\n"
      "A device that its app registers again leaves by itself. All of this works beside a running\n"
      "relay: with --config at the store's file, otherwise through the relay's HTTP API, with a "
      "key\n"
      "of scope admin.");
  using Action = store::QuarantineAction;
  const auto add = [&](const char* name, const char* what, const char* example,
                       std::optional<Action> action) {
    CLI::App* const command = quarantine->add_subcommand(name, what);
    command->footer(std::string("Example:\n") + example);
    command->callback([this, &chosen, action] { chosen = [this, action] { return run(action); }; });
    add_api_options(command, api_);
    command->add_option("--config", config_file_, "the relay's configuration: at its store's file")
        ->type_name("FILE")
        ->excludes("--url");
    command->add_option("--app", options_.app, "the app")->required()->type_name("APP");
    command->add_option("--platform", platform_, "those of this platform")
        ->check(CLI::IsMember({"apns", "fcm", "webpush"}));
    if (!action) {
      command->add_flag("--json", options_.json, "one JSON object a line");
      return;
    }
    command->add_option("--device", options_.devices, "this device; may be repeated")
        ->type_name("DEVICE");
    command->add_flag("--all", options_.all, "every device of the app that is there");
  };
  add("list", "Which devices, since when, and the provider's word",
      "  carillon tokens quarantine list --config carillon.toml --app video", std::nullopt);
  add("restore", "Put them back: the provider was asked the wrong way",
      "  carillon tokens quarantine restore --config carillon.toml --app video --platform apns",
      Action::kRestore);
  add("confirm", "Remove them: the provider was right",
      "  carillon tokens quarantine confirm --config carillon.toml --app video --all",
      Action::kConfirm);
}

int QuarantineCommands::run(std::optional<store::QuarantineAction> action) {
  if (platform_ == "apns") options_.platform = store::Platform::kApns;
  if (platform_ == "fcm") options_.platform = store::Platform::kFcm;
  if (platform_ == "webpush") options_.platform = store::Platform::kWebPush;
  if (config_file_.empty()) return run_over_http(action);
  const auto config = load_config_or_explain(terminal_, config_file_);
  if (!config) return kExitFailure;
  const auto store =
      open_store_or_explain(terminal_, config->store, action ? StoreUse::kUpkeep : StoreUse::kRead);
  if (!store) return kExitFailure;
  return action ? run_quarantine_decision(terminal_, *store, *config, *action, options_)
                : run_quarantine_list(terminal_, *store, *config, options_);
}

int QuarantineCommands::run_over_http(std::optional<store::QuarantineAction> action) {
  auto api = ApiClient::connect_to(api_, terminal_);
  if (!api) {
    explain(terminal_, api.error());
    return kExitUsage;
  }
  return action ? run_quarantine_decision(terminal_, *api, *action, options_)
                : run_quarantine_list(terminal_, *api, options_);
}

}  // namespace carillon::cli
