// `carillon serve`: the relay, in the foreground.
#pragma once

#include <filesystem>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// Prints what it serves and a line "ready" on stdout when requests are answered; logs to stderr.
// Returns after SIGTERM or SIGINT: kExitOk when everything was drained and checkpointed,
// kExitFailure, with the reasons on stderr, if it could not begin. Once a process: signals are the
// process's.
int run_serve(Terminal& terminal, const std::filesystem::path& config_file);

}  // namespace carillon::cli
