#include "relay/cli/api_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace carillon::cli {

void add_api_options(CLI::App* command, ApiAddress& address) {
  command
      ->add_option("--url", address.url,
                   fmt::format("the relay; otherwise {}, otherwise {}", kUrlVariable, kUrlDefault))
      ->type_name("URL");
  command
      ->add_option("--key", address.key,
                   fmt::format("the API key; better in {}, where a process list does not show it",
                               kKeyVariable))
      ->type_name("KEY");
  command
      ->add_option("--ca-file", address.ca_file,
                   "PEM file with the authorities to trust, for an https relay")
      ->type_name("FILE");
}

}  // namespace carillon::cli
