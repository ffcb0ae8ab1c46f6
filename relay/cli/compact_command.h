// `carillon compact`: the store's file made as small as what it holds, also while the relay runs.
#pragma once

#include <chrono>
#include <functional>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"

namespace carillon::cli {

struct CompactOptions {
  // Rests so long between two steps; true: to stop now. What was done stays done.
  std::function<bool(std::chrono::milliseconds)> rest;
};

// A progress bar on stderr, one line on stdout at the end: bytes before and after. A store that
// cannot shrink, of an earlier Carillon, is converted first, for which nobody may have it open.
// kExitOk or kExitFailure.
int run_compact(Terminal& terminal, const config::Store& config, const CompactOptions& options);

}  // namespace carillon::cli
