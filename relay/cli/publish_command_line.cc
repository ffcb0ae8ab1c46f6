#include "relay/cli/publish_command_line.h"

#include <CLI/CLI.hpp>

#include "relay/cli/api_options.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"

namespace carillon::cli {

void PublishCommandLine::declare(CLI::App& app) {
  CLI::App* const command =
      app.add_subcommand("publish", "Send one event over the relay's API; prints its id");
  command->footer(
      "Example:\n"
      "  carillon publish --app video --topic channel-42 --title 'New upload' \\\n"
      "    --body 'Bells of Bruges' --data video=bruges-3 --ttl 1h --watch\n"
      "  carillon publish --file event.json --watch   # all that the API takes: languages, APNs' "
      "words");
  add_api_options(command, address_);
  CLI::Option* const file =
      command
          ->add_option("--file", options_.file,
                       "the whole event, as POST /v1/events takes it; - is stdin")
          ->type_name("JSON-FILE");
  CLI::Option* const name = command->add_option("--app", options_.app, "the app (without --file)");
  name->type_name("APP");
  CLI::Option_group* const audience =
      command->add_option_group("audience", "who gets it, each device once");
  std::vector<CLI::Option*> words{
      name,
      audience->add_option("--topic", options_.topics, "everyone who follows it; may be repeated"),
      audience->add_option("--condition", options_.condition,
                           "every device of which it is true: \"'sports' in topics && ...\""),
      audience->add_option("--subscriber", options_.subscribers, "all devices of these users"),
      audience->add_option("--device", options_.devices, "these devices"),
      command->add_option("--title", options_.title, ""),
      command->add_option("--body", options_.body, ""),
      command->add_option("--image", options_.image, "")->type_name("URL"),
      command->add_option("--data", options_.data, "a pair for the app; may be repeated")
          ->type_name("NAME=VALUE"),
      command->add_option("--ttl", ttl_, "how long it is worth sending: 90s, 15m, 1h, 2d")
          ->check([](const std::string& text) {
            const auto ttl = parse_duration(text);
            return ttl ? std::string() : ttl.error();
          }),
      command->add_option("--priority", options_.priority, "urgent, normal or bulk")
          ->check(CLI::IsMember({"urgent", "normal", "bulk"})),
      command->add_option("--collapse-key", options_.collapse_key,
                          "replaces an earlier notification with the same key")};
  command->add_option("--idempotency-key", options_.idempotency_key,
                      "a repeated call with the same key sends nothing new");
  command->add_flag("--watch", options_.watch, "then show its progress to the end");
  // Not by CLI11's own `excludes`, which writes all the names behind each option of the help.
  command->callback([this, file, words] {
    for (const CLI::Option* const word : words) {
      if (file->count() > 0 && word->count() > 0)
        throw CLI::ExcludesError("--file", word->get_name());
    }
    chosen_([this] { return run(); });
  });
}

int PublishCommandLine::run() {
  if (!ttl_.empty()) options_.ttl = *parse_duration(ttl_);
  auto api = ApiClient::connect_to(address_, terminal_);
  if (api) return run_publish(terminal_, *api, options_);
  explain(terminal_, api.error());
  return kExitUsage;
}

}  // namespace carillon::cli
