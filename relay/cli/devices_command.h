// `carillon devices sweep`: what the relay does with stale devices once a day, by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/store.h"

namespace carillon::cli {

struct SweepOptions {
  std::string app;
  std::uint32_t unseen_days = 0;
  bool remove = false;                   // otherwise they are left out of audiences
  bool dry_run = false;                  // counts them; `store` may be one to read only
  std::function<std::int64_t()> now_ms;  // the calendar
  // Rests so long between two steps, so that a relay beside this can write; true: stop.
  std::function<bool(std::chrono::milliseconds)> rest;
};

// The counts on stdout. What was done before a stop or an error stays done, and is told.
int run_devices_sweep(Terminal& terminal, store::Store& store, const config::Config& config,
                      const SweepOptions& options);

}  // namespace carillon::cli
