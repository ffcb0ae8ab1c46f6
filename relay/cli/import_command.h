// `carillon import`: devices and subscriptions from NDJSON into the store.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/bulk_load.h"
#include "storage/store.h"

namespace carillon::cli {

struct ImportOptions {
  std::filesystem::path file = "-";  // "-": standard input
  std::string app;                   // for lines without `app`; lines with another one are bad
  std::size_t batch_lines = 2'000;   // lines that are written at once
  // How long another process that holds the store is waited for, and how often it is tried.
  std::chrono::milliseconds busy_wait_max{60'000};
  std::chrono::milliseconds busy_pause{200};
  std::function<void(std::chrono::milliseconds)> pause;  // empty: sleeps; any thread
};

// Every bad line goes to stderr with its number; the summary to stdout. kExitBadLines if there were
// bad ones, kExitFailure if the file or the store failed.
int run_import(Terminal& terminal, store::Store& store, const config::Config& config,
               const ImportOptions& options);
// The same into an empty store, in one piece: with kExitFailure nothing is in it.
int run_import(Terminal& terminal, store::BulkLoad& load, const config::Config& config,
               const ImportOptions& options);

}  // namespace carillon::cli
