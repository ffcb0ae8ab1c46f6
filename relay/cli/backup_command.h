// `carillon backup`: the store as it is at one moment, in another file.
#pragma once

#include <filesystem>

#include "relay/cli/terminal.h"

namespace carillon::cli {

struct BackupOptions {
  std::filesystem::path config_file;
  std::filesystem::path target;  // must not be there
};

// A progress bar on stderr, one line on stdout at the end. kExitOk or kExitFailure.
int run_backup(Terminal& terminal, const BackupOptions& options);

}  // namespace carillon::cli
