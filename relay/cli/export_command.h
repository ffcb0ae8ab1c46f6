// `carillon export`: every device as NDJSON or CSV, in a file or a pipe.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "relay/cli/terminal.h"
#include "relay/coding/coding.h"
#include "relay/config/config.h"
#include "relay/import/importer.h"
#include "storage/store.h"

namespace carillon::cli {

struct ExportOptions {
  std::filesystem::path file = "-";        // "-": standard output
  std::optional<import::Format> format;    // nothing: by the file's ending, otherwise NDJSON
  std::optional<coding::Coding> compress;  // nothing: by the file's ending, otherwise none
  std::string app;                         // empty: all
  // Asked between two pieces and while nobody takes anything: true ends the export.
  std::function<bool()> stop_asked;
};

// Progress and the summary go to stderr. With kExitFailure a file is as it was, or not there.
int run_export(Terminal& terminal, store::Store& store, const config::Config& config,
               const ExportOptions& options);

}  // namespace carillon::cli
