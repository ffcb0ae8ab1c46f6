// The options of every command that talks to a relay's HTTP API.
#pragma once

#include "relay/cli/api_client.h"

namespace CLI {
class App;
}

namespace carillon::cli {

// --url, --key and --ca-file, into `address`, which must outlive the command.
void add_api_options(CLI::App* command, ApiAddress& address);

}  // namespace carillon::cli
