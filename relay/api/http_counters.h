// What the HTTP API counts of itself.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "relay/api/routes.h"

namespace carillon::api {

// Any thread; counting takes no lock.
class HttpCounters {
 public:
  // Seconds; the last bucket has no bound.
  static constexpr std::array<double, 7> kBounds = {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10};

  HttpCounters();
  void count(const Route* route, int status, std::chrono::nanoseconds took);

  struct Answered {
    const Route* route = nullptr;  // nullptr: none matched, or the head could not be read
    int status = 0;
    std::uint64_t count = 0;
  };
  std::vector<Answered> answered() const;  // those above 0
  // How many answers took at most kBounds[i], not cumulative; the last: longer.
  std::array<std::uint64_t, kBounds.size() + 1> durations() const;
  double seconds() const;

 private:
  std::size_t slot(const Route* route, int status) const;

  std::vector<int> statuses_;  // ascending; one more slot for what is not among them
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> durations_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

}  // namespace carillon::api
