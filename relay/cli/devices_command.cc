#include "relay/cli/devices_command.h"

#include <fmt/format.h>

#include <ostream>

#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"
#include "relay/cli/progress_bar.h"
#include "relay/cli/stale_upkeep.h"
#include "storage/device_export.h"

namespace carillon::cli {
namespace {

// A step works some 10 ms; the relay's writer asks for its turn every millisecond.
constexpr std::chrono::milliseconds kSweepRest{5};

int count_unseen(Terminal& terminal, store::Store& store, const SweepOptions& options,
                 std::int64_t before_ms) {
  auto exporting = store.export_devices(options.app);
  store::Result<void> begun = exporting ? (*exporting)->begin() : tl::unexpected(exporting.error());
  std::uint64_t devices = 0, unseen = 0;
  while (begun) {
    const auto next = (*exporting)->next();
    if (!next) {
      begun = tl::unexpected(next.error());
    } else if (*next == nullptr) {
      break;
    } else {
      ++devices;
      // As the sweep has it: the whole of the day lies before.
      const std::int64_t day = (*next)->last_seen_ms / store::kLastSeenStepMs;
      if ((day + 1) * store::kLastSeenStepMs <= before_ms) ++unseen;
    }
  }
  if (!begun) {
    explain(terminal, begun.error().message);
    return kExitFailure;
  }
  terminal.out << fmt::format("{} of {} not seen for {} days; nothing was changed\n",
                              grouped(unseen), counted(devices, "device"), options.unseen_days)
               << std::flush;
  return kExitOk;
}

}  // namespace

int run_devices_sweep(Terminal& terminal, store::Store& store, const config::Config& config,
                      const SweepOptions& options) {
  if (!config.apps.contains(options.app)) {
    explain(terminal, fmt::format("--app {}: there is no such app in the config", options.app));
    return kExitUsage;
  }
  const std::int64_t before_ms = options.now_ms() - options.unseen_days * store::kLastSeenStepMs;
  if (options.dry_run) return count_unseen(terminal, store, options, before_ms);

  const auto action = options.remove ? store::StaleAction::kRemove : store::StaleAction::kLeaveOut;
  ProgressBar bar(terminal.err, {.terminal = terminal.err_is_terminal,
                                 .colour = terminal.colour,
                                 .columns = terminal.columns,
                                 .plain_interval = std::chrono::seconds(5)});
  SweepPace pace;
  std::uint64_t devices = 0;
  store::DevicePosition after = 0;
  std::string broken_off;
  for (bool end = false; !end && broken_off.empty();) {
    const auto begun = std::chrono::steady_clock::now();
    const auto swept = store.sweep_stale(options.app, action, before_ms, after, pace.subscribers());
    if (!swept) {
      broken_off = swept.error().message;
      break;
    }
    pace.took(std::chrono::steady_clock::now() - begun);
    devices += swept->devices;
    after = swept->through;
    end = swept->end;
    if (bar.due()) {
      bar.show({.what = "sweep", .fraction = {}, .figures = grouped(devices) + " devices"});
    }
    if (!end && options.rest && options.rest(kSweepRest)) broken_off = "stopped";
  }
  bar.clear();
  terminal.out << fmt::format("{} not seen for {} days: {}\n", counted(devices, "device"),
                              options.unseen_days,
                              options.remove ? "removed" : "left out of audiences")
               << std::flush;
  if (broken_off.empty()) return kExitOk;
  explain(terminal,
          fmt::format("{}; what was done stays, and the same command goes on", broken_off));
  return kExitFailure;
}

}  // namespace carillon::cli
