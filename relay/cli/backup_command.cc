#include "relay/cli/backup_command.h"

#include <fmt/format.h>

#include <chrono>
#include <ostream>

#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"
#include "relay/cli/progress_bar.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::cli {
namespace {

double mib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1024 * 1024);
}

}  // namespace

int run_backup(Terminal& terminal, const BackupOptions& options) {
  const auto config = load_config_or_explain(terminal, options.config_file);
  if (!config) return kExitFailure;
  const auto begun = std::chrono::steady_clock::now();
  ProgressBar bar(terminal.err, {.terminal = terminal.err_is_terminal,
                                 .colour = terminal.colour,
                                 .columns = terminal.columns});
  const auto bytes = store::backup_sqlite_store(
      config->store.path.string(), options.target.string(),
      [&bar](std::uint64_t done, std::uint64_t total) {
        if (!bar.due()) return;
        bar.show(
            {.what = "backup",
             .fraction = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total),
             .figures = fmt::format("{:.1f} of {:.1f} MiB", mib(done), mib(total))});
      });
  bar.clear();
  if (!bytes) {
    explain(terminal, bytes.error().message);
    return kExitFailure;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  terminal.out << fmt::format("backup: {:.1f} MiB in {}, checked: {}\n", mib(*bytes),
                              duration_text(took), options.target.string())
               << std::flush;
  return kExitOk;
}

}  // namespace carillon::cli
