// The limits of the fan-out engine. Every default has its reason beside it in
// deploy/carillon.example.toml.
#pragma once

#include <cstdint>

namespace carillon::config {

struct Fanout {
  std::uint32_t repeat_bound = 16'384;        // notifications that a crash may repeat, at most
  std::uint32_t batch_devices = 512;          // devices handed to a provider at once
  std::uint32_t checkpoint_interval_ms = 50;  // between two checkpoints, when not forced earlier
  std::uint32_t attempts_max = 8;             // per device and event, then dead-lettered
  std::uint32_t retry_first_ms = 1'000;       // backoff starts here and doubles
  std::uint32_t retry_max_ms = 3'600'000;     // and ends here; the event's TTL ends it, too
  // The same after a 5xx without a Retry-After: what the vendor asks for.
  std::uint32_t apns_unavailable_ms = 900'000;
  std::uint32_t fcm_unavailable_ms = 10'000;
  std::uint32_t retries_per_job_max = 65'536;  // recorded retries; beyond, the scan waits
  // When words against tokens are not believed, of one app's way to one platform.
  std::uint32_t dead_percent_max = 20;   // of the answers about tokens, 0 to 100
  std::uint32_t dead_answers_min = 100;  // answers to judge by
  std::uint32_t drain_ms = 10'000;       // SIGTERM: how long answers are waited for
  friend bool operator==(const Fanout&, const Fanout&) = default;
};

}  // namespace carillon::config
