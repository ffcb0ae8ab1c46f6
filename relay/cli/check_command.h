// `carillon check`: is everything in order, before it matters?
#pragma once

#include <filesystem>

#include "relay/cli/terminal.h"

namespace carillon::cli {

struct CheckOptions {
  std::filesystem::path config_file;
  bool deep = false;  // walk the whole store: minutes for a large one
};

// All problems of config, credentials, CA files and store at once, each on a line of stderr; what
// is in order on stdout. Connects to nobody, creates nothing. kExitOk or kExitFailure.
int run_check(Terminal& terminal, const CheckOptions& options);

}  // namespace carillon::cli
