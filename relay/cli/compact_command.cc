#include "relay/cli/compact_command.h"

#include <fmt/format.h>

#include <ostream>

#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"
#include "relay/cli/progress_bar.h"
#include "storage/compaction_pace.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Beside a relay half of the time is the relay's.
constexpr int kRestBesideARelay = 1;

// The store, able to shrink, and what its file takes. Null: stderr says why.
std::unique_ptr<store::Store> open_shrinking_store(Terminal& terminal, const config::Store& config,
                                                   std::uint64_t& bytes_before) {
  auto opened = open_store_or_explain(terminal, config, StoreUse::kUpkeep);
  if (!opened) return nullptr;
  const auto stats = opened->stats();
  if (!stats) {
    explain(terminal, stats.error().message);
    return nullptr;
  }
  bytes_before = stats->file_bytes;
  if (stats->shrinks) return opened;
  opened.reset();
  terminal.err << "compact: an earlier Carillon made this store, whose file cannot shrink: it is "
                  "converted, once\n"
               << std::flush;
  if (const auto converted = convert_store(config); !converted) {
    explain(terminal, converted.error().message);
    return nullptr;
  }
  return open_store_or_explain(terminal, config, StoreUse::kUpkeep);
}

}  // namespace

int run_compact(Terminal& terminal, const config::Store& config, const CompactOptions& options) {
  const auto begun = steady_clock::now();
  std::uint64_t before = 0;
  const auto store = open_shrinking_store(terminal, config, before);
  if (!store) return kExitFailure;
  store::CompactionPace pace(nobody_serves(config) ? 0 : kRestBesideARelay);
  ProgressBar bar(terminal.err, {.terminal = terminal.err_is_terminal,
                                 .colour = terminal.colour,
                                 .columns = terminal.columns});
  store::CompactionStep step;
  bool stopped = false;
  while (!step.end && !stopped) {
    const auto step_begun = steady_clock::now();
    const auto next = store->compact(step.place, pace.bytes());
    if (!next) {
      bar.clear();
      explain(terminal, next.error().message);
      return kExitFailure;
    }
    step = *next;
    if (bar.due()) {
      bar.show({.what = "compact",
                .fraction = step.done,
                .figures = fmt::format("{}, {} of them free", size_text(step.file_bytes),
                                       size_text(step.free_bytes))});
    }
    const milliseconds rest = pace.took(steady_clock::now() - step_begun);
    stopped = !step.end && options.rest && options.rest(rest);
  }
  bar.clear();
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
  terminal.out << fmt::format("compact: {} before, {} after, {}{}\n", size_text(before),
                              size_text(step.file_bytes), duration_text(took),
                              stopped ? "; stopped, run it again to go on" : "")
               << std::flush;
  return stopped ? kExitFailure : kExitOk;
}

}  // namespace carillon::cli
