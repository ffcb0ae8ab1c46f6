#include "relay/cli/channels_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <utility>

#include "relay/cli/api_options.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/installation.h"

namespace carillon::cli {
namespace {

using ChannelsJson = nlohmann::ordered_json;

std::string channels_path(const ChannelsOptions& options) {
  return fmt::format("/v1/apps/{}/channels", path_segment(options.app));
}

std::string channel_path(const ChannelsOptions& options) {
  return fmt::format("{}/{}", channels_path(options), path_segment(options.channel));
}

// The document of a 2xx, empty if it has none; nothing: it was explained why there is none.
std::optional<ChannelsJson> channels_document(
    Terminal& terminal, const tl::expected<ApiClient::Answer, std::string>& got) {
  if (!got || !got->ok()) {
    explain(terminal, got ? problem_text(*got) : got.error());
    return std::nullopt;
  }
  if (got->body.empty()) return ChannelsJson::object();
  auto document = ChannelsJson::parse(got->body, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return document;
  explain(terminal, "the relay's answer is not a JSON object");
  return std::nullopt;
}

// One member, or the whole of it.
int print_channel_answer(Terminal& terminal, const std::optional<ChannelsJson>& document,
                         const char* member, bool json) {
  if (!document) return kExitFailure;
  terminal.out << (json ? document->dump() : document->value(member, "")) << "\n" << std::flush;
  return kExitOk;
}

}  // namespace

int run_channels_create(Terminal& terminal, ApiClient& api, const ChannelsOptions& options) {
  const ChannelsJson order{{"storage", options.storage}};
  return print_channel_answer(
      terminal, channels_document(terminal, api.post(channels_path(options), order.dump(), {})),
      "id", options.json);
}

int run_channels_list(Terminal& terminal, ApiClient& api, const ChannelsOptions& options) {
  const auto document = channels_document(terminal, api.get(channels_path(options)));
  if (!document) return kExitFailure;
  if (options.json) {
    terminal.out << document->dump() << "\n" << std::flush;
    return kExitOk;
  }
  for (const auto& id : document->value("channels", ChannelsJson::array())) {
    if (id.is_string()) terminal.out << id.get_ref<const std::string&>() << "\n";
  }
  terminal.out << std::flush;
  return kExitOk;
}

int run_channels_delete(Terminal& terminal, ApiClient& api, const ChannelsOptions& options) {
  if (!channels_document(terminal, api.erase(channel_path(options)))) return kExitFailure;
  const ChannelsJson document{{"deleted", options.channel}};
  terminal.out << (options.json ? document.dump() : "deleted " + options.channel) << "\n"
               << std::flush;
  return kExitOk;
}

int run_channels_send(Terminal& terminal, ApiClient& api, const ChannelsOptions& options) {
  auto payload = ChannelsJson::parse(options.apns, nullptr, /*allow_exceptions=*/false);
  if (payload.is_discarded()) {
    explain(terminal, "--apns is not JSON");
    return kExitUsage;
  }
  ChannelsJson broadcast{{"apns", std::move(payload)}, {"ttl", options.ttl_s}};
  if (!options.priority.empty()) broadcast["priority"] = options.priority;
  return print_channel_answer(
      terminal,
      channels_document(terminal,
                        api.post(channel_path(options) + "/broadcasts", broadcast.dump(), {})),
      "request_id", options.json);
}

void ChannelsCommands::declare(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* const channels =
      app.add_subcommand("channels", "Broadcast channels of APNs, for Live Activities");
  channels->require_subcommand(1);
  channels->footer(
      "Over the API of a running relay, with a key of scope admin (send: publish). Apple keeps\n"
      "channels and messages, the relay nothing: what is printed is Apple's answer.");
  const auto add = [&](const char* name, const char* what, const char* example, Run run) {
    CLI::App* const command = channels->add_subcommand(name, what);
    command->footer(std::string("Example:\n") + example);
    add_api_options(command, address_);
    command->add_option("--app", options_.app, "the app")->required()->type_name("APP");
    command->add_flag("--json", options_.json, "the relay's answer, a JSON object on one line");
    command->callback([this, &chosen, run] {
      chosen = [this, run] {
        auto api = ApiClient::connect_to(address_, terminal_);
        if (api) return run(terminal_, *api, options_);
        explain(terminal_, api.error());
        return kExitUsage;
      };
    });
    return command;
  };
  const auto add_channel = [&](CLI::App* command) {
    command->add_option("CHANNEL", options_.channel, "the channel's id")->required();
  };
  add("create", "Make a channel and print its id",
      "  carillon channels create --app video --storage latest", &run_channels_create)
      ->add_option("--storage", options_.storage,
                   "what Apple keeps for phones that are not there: nothing, or the latest message")
      ->default_val("none")
      ->check(CLI::IsMember({"none", "latest"}));
  add("list", "Print the ids of the app's channels", "  carillon channels list --app video",
      &run_channels_list);
  add_channel(
      add("delete", "Delete a channel: there is no way back",
          "  carillon channels delete --app video dHN0LXNyY2gtY2hubA==", &run_channels_delete));
  CLI::App* const send =
      add("send", "Send to all who follow a channel",
          "  carillon channels send --app video dHN0LXNyY2gtY2hubA== \\\n"
          "    --apns '{\"aps\": {\"event\": \"update\", \"timestamp\": 1767355200, "
          "\"content-state\": {}}}'",
          &run_channels_send);
  add_channel(send);
  send->add_option("--apns", options_.apns, "the payload, as Apple takes it")
      ->required()
      ->type_name("JSON");
  send->add_option("--ttl", options_.ttl_s, "seconds; a channel without storage takes 0 alone")
      ->type_name("SECONDS");
  send->add_option("--priority", options_.priority, "bulk spares the battery; normal otherwise")
      ->check(CLI::IsMember({"urgent", "normal", "bulk"}));
}

}  // namespace carillon::cli
