// The same population in PostgreSQL, with the schema that comes to mind: what the packed file is
// measured against. A private cluster in `folder`, on a unix socket, with nothing set but
// shared_buffers; started and stopped here, driven through `psql` and `pgbench`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace carillon::bench {

struct PostgresFigures {
  std::string version;
  std::uint64_t devices = 0;
  double bytes_per_device = 0, bytes_per_subscription = 0;
  double import_per_second = 0;       // lines of a COPY into the indexed tables, random order
  double incremental_per_second = 0;  // in batches of 100,000 through a staging table
  double scan_per_second = 0;         // ids and tokens of the topic of all, in order, to /dev/null
  double upserts_per_second = 0;      // 64 clients, a transaction each, no scan beside it
  double erasures_per_second = 0;
};

inline constexpr int kSharedBuffersMib = 128;

// Nothing if PostgreSQL is not installed (deploy/install-deps --bench). Throws std::runtime_error
// with a sentence and the last line of the log when it is and does not work.
std::optional<PostgresFigures> measure_postgres(const std::string& folder, std::uint64_t devices,
                                                double seconds);

}  // namespace carillon::bench
