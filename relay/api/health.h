// /healthz and /readyz: is the process there, and can it do its work.
#pragma once

#include "relay/api/publisher.h"
#include "relay/api/recent.h"
#include "relay/api/reply.h"
#include "storage/store.h"

namespace carillon::api {

// A readiness check writes to the disk and is open to everyone: at most one a second is real.
inline constexpr std::chrono::milliseconds kReadinessAge{1'000};

Reply health();

// Any thread.
class Readiness {
 public:
  Readiness(Publisher& publisher, store::Store& store, const fanout::Clocks& clocks)
      : publisher_(publisher), store_(store), clocks_(clocks), latest_(kReadinessAge) {}

  // 200, or 503 with what is not ready. The store is ready when a write has gone to the disk and
  // back; a provider unless its last attempt failed and it has no connection.
  Reply check();

 private:
  Reply check_now();

  Publisher& publisher_;
  store::Store& store_;
  const fanout::Clocks& clocks_;
  Recent<Reply> latest_;
};

}  // namespace carillon::api
