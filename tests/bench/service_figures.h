// Measuring the store as the relay uses it: 64 clients that each wait for the commit of their own
// request, beside a broadcast that reads the whole audience.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/store.h"

namespace carillon::bench {

inline constexpr int kClients = 64;

struct Upserts {
  double per_second = 0;
  double group = 0;               // requests a commit
  double scan_alone = 0;          // devices/s while nobody writes
  double scan_beside = 0;         // devices/s meanwhile
  std::uint64_t next_device = 0;  // the first number that nobody has registered yet
};
// For `seconds`: by turns a new device and a known one with a new token.
Upserts upsert_beside_scan(store::Store& store, const store::JobKey& broadcast,
                           std::uint64_t devices, double seconds);

// Upserts from the first moment after a start, in windows of a tenth of a second.
struct ColdStart {
  double first_second = 0;  // upserts/s in the first second
  // Until the first of ten windows in a row that each reach 90 % of `full`; none: never did.
  std::optional<double> seconds_to_full;
};
// Ends when that is known, after `seconds_max` (more than a second) at the latest.
ColdStart upsert_cold(store::Store& store, std::uint64_t devices, std::uint64_t first_new,
                      double full, double seconds_max);

// Devices picked at random until `seconds` are over; none twice.
double erasures_per_second(store::Store& store, std::uint64_t devices, double seconds);

}  // namespace carillon::bench
