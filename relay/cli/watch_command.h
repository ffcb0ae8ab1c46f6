// `carillon watch`: an event's progress until its end.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "relay/cli/api_client.h"
#include "relay/cli/terminal.h"

namespace carillon::cli {

struct WatchOptions {
  std::string event;  // its id
  bool json = false;  // one progress document a line instead of bar and summary
  // When the stream is lost the event is asked for once, and the stream again after a pause that
  // doubles from `retry_first` to `retry_max`; without any answer for `give_up_after` it is over.
  std::chrono::milliseconds retry_first{500};
  std::chrono::milliseconds retry_max{5'000};
  std::chrono::milliseconds give_up_after{120'000};
  std::function<void(std::chrono::milliseconds)> pause;  // empty: sleeps
};

// kExitOk if the event completed; kExitFailure if it was cancelled, is unknown, or nobody answers.
int run_watch(Terminal& terminal, ApiClient& api, const WatchOptions& options);

}  // namespace carillon::cli
