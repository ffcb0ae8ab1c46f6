// `carillon events …`: what became of events, and who is in charge of them, over the HTTP API.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "relay/cli/api_client.h"
#include "relay/cli/terminal.h"

namespace carillon::cli {

struct EventsOptions {
  std::string event;  // its id
  bool json = false;  // the relay's document as it is, on one line
  // list
  std::size_t limit = 0;  // 0: the relay's own
  std::string before;     // an event's id
  // rate: devices a second; none: no limit
  std::optional<std::uint32_t> per_second;
  // replay; failures takes one outcome, and list's limit
  std::vector<std::string> outcomes, reasons;
  std::string provider;
  std::optional<std::chrono::seconds> ttl;
  std::string after;   // failures: where a page ended
  std::string device;  // explain
};

// Each prints what the relay answers; kExitFailure with its problem if it refuses, kExitUsage if
// the event's id is none.
int run_events_list(Terminal& terminal, ApiClient& api, const EventsOptions& options);
int run_events_show(Terminal& terminal, ApiClient& api, const EventsOptions& options);
// `action`: pause, resume, cancel or rate.
int run_events_steer(Terminal& terminal, ApiClient& api, const EventsOptions& options,
                     const std::string& action);
int run_events_replay(Terminal& terminal, ApiClient& api, const EventsOptions& options);
// A page of them; says how to go on.
int run_events_failures(Terminal& terminal, ApiClient& api, const EventsOptions& options);
// Why a device did or did not get it.
int run_events_explain(Terminal& terminal, ApiClient& api, const EventsOptions& options);

}  // namespace carillon::cli
