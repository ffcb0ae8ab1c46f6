#include "relay/cli/stop_signals.h"

#include <pthread.h>
#include <signal.h>

namespace carillon::cli {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopSignals::Heard StopSignals::wait(std::chrono::milliseconds timeout) {
  const sigset_t set = set_of({SIGTERM, SIGINT, SIGHUP});
  const timespec patience{.tv_sec = timeout.count() / 1'000,
                          .tv_nsec = timeout.count() % 1'000 * 1'000'000};
  switch (sigtimedwait(&set, nullptr, &patience)) {
    case SIGTERM:
    case SIGINT:
      return Heard::kStop;
    case SIGHUP:
      return Heard::kHangUp;
    default:
      return Heard::kNothing;  // the time is up, or another signal was handled meanwhile
  }
}

void StopSignals::release() {
  const sigset_t set = set_of({SIGTERM, SIGINT});
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace carillon::cli
