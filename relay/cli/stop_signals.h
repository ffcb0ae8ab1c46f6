// SIGTERM, SIGINT and SIGHUP as something to wait for.
#pragma once

#include <chrono>

namespace carillon::cli {

// From its construction on these signals are kept from all threads that are started afterwards, so
// it comes before any thread. SIGPIPE is ignored: a peer that goes away is an error of its socket.
// For the main thread, once a process.
class StopSignals {
 public:
  StopSignals();

  enum class Heard { kStop, kHangUp, kNothing };
  // kNothing: `timeout` has passed.
  Heard wait(std::chrono::milliseconds timeout);

  // From now on SIGTERM and SIGINT end the process at once: for who does not want to wait for the
  // drain.
  void release();
};

}  // namespace carillon::cli
