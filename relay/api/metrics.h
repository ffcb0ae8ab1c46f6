// /metrics: everything that is counted, in Prometheus' text format.
#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <string>
#include <vector>

#include "relay/api/gate.h"
#include "relay/api/http_counters.h"
#include "relay/api/publisher.h"
#include "relay/api/recent.h"
#include "relay/api/stale_totals.h"
#include "storage/store.h"

namespace carillon::api {

// Reads counters that others keep: nothing is observed per push. Any thread.
class Metrics : public prometheus::Collectable {
 public:
  struct Sources {
    Publisher& publisher;
    store::Store& store;
    const HttpCounters& http;
    const fanout::Clocks& clocks;
    std::function<GateStats()> gate;
    std::function<std::size_t()> watchers;
    std::function<std::size_t()> exports;
    std::function<std::vector<StaleTotals>()> stale;  // may be empty
  };
  explicit Metrics(Sources sources);

  std::vector<prometheus::MetricFamily> Collect() const override;
  std::string text() const;

 private:
  Sources sources_;
  // Counting what is in a store may read more of it than a scrape is worth.
  mutable Recent<store::Result<store::StoreStats>> store_stats_;
};

}  // namespace carillon::api
