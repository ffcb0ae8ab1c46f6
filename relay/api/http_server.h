// The relay's HTTP API: what main starts and stops.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "relay/api/downloads.h"
#include "relay/api/publisher.h"
#include "relay/api/stale_totals.h"
#include "relay/config/config.h"
#include "relay/fanout/engine.h"
#include "storage/store.h"

namespace carillon::api {

class HttpServer {
 public:
  struct Parts {
    Publisher& publisher;  // these two outlive the server
    store::Store& store;
    std::vector<std::string> apps;  // those of the config
    fanout::Clocks clocks;
    std::size_t watchers_max = 256;  // clients that watch progress at once
    Downloads::Limits exports = {};
    std::function<std::vector<StaleTotals>()> stale_totals = {};  // any thread
    import::PushOrigins push_origins = {};  // where browsers of an app may be subscribed
  };
  HttpServer(const config::Http& http, Parts parts);
  ~HttpServer();  // as stop with no grace

  // Binds and answers from then on. Once. The error is one sentence for the operator.
  tl::expected<void, std::string> start();

  std::uint16_t port() const;  // 0 before `start`

  // No new requests; those that have begun may end until `grace`, then they are cut. Progress
  // streams end at once: who watches connects again. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::api
