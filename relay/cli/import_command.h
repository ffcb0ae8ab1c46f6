// `carillon import`: devices and subscriptions from NDJSON or CSV into the store.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "relay/import/importer.h"
#include "storage/bulk_load.h"
#include "storage/store.h"

namespace carillon::cli {

struct ImportOptions {
  std::filesystem::path file = "-";      // "-": standard input
  std::optional<import::Format> format;  // nothing: by the file's ending, otherwise NDJSON
  std::string app;                       // for lines without `app`; lines with another one are bad
  std::uint64_t first_line = 1;          // those before it are passed over
  std::size_t batch_lines = 2'000;       // lines that are written at once
  // Asked between two blocks and while nothing comes: true ends the import after what was read.
  std::function<bool()> stop_asked;
  // How long another process that holds the store is waited for, and how often it is tried.
  std::chrono::milliseconds busy_wait_max{60'000};
  std::chrono::milliseconds busy_pause{200};
  std::function<void(std::chrono::milliseconds)> pause;  // empty: sleeps; any thread
};

// "devices.csv.gz" is CSV. Pure.
import::Format format_of_file(const std::filesystem::path& file);

// Every bad line goes to stderr with its number; the summary to stdout, with the line to go on
// from. Compressed input is known by its first bytes. `store`: nullptr judges every line and stores
// nothing. kExitBadLines if there were bad ones, kExitFailure if the file or the store failed or it
// was stopped.
int run_import(Terminal& terminal, store::Store* store, const config::Config& config,
               const ImportOptions& options);
// The same into an empty store, in one piece: with kExitFailure nothing is in it.
int run_import(Terminal& terminal, store::BulkLoad& load, const config::Config& config,
               const ImportOptions& options);

}  // namespace carillon::cli
