#include "relay/api/http_counters.h"

#include <algorithm>

#include "relay/api/problem.h"

namespace carillon::api {
namespace {

std::vector<int> known_statuses() {
  std::vector<int> statuses = {200, 201, 202, 204};
  for (const ProblemRow& row : problem_rows()) statuses.push_back(row.status);
  std::sort(statuses.begin(), statuses.end());
  statuses.erase(std::unique(statuses.begin(), statuses.end()), statuses.end());
  return statuses;
}

}  // namespace

HttpCounters::HttpCounters()
    : statuses_(known_statuses()), counts_((routes().size() + 1) * (statuses_.size() + 1)) {}

std::size_t HttpCounters::slot(const Route* route, int status) const {
  const std::size_t row =
      route == nullptr ? routes().size() : static_cast<std::size_t>(route - routes().data());
  const auto found = std::find(statuses_.begin(), statuses_.end(), status);
  return row * (statuses_.size() + 1) + static_cast<std::size_t>(found - statuses_.begin());
}

void HttpCounters::count(const Route* route, int status, std::chrono::nanoseconds took) {
  counts_[slot(route, status)].fetch_add(1, std::memory_order_relaxed);
  const double seconds = std::chrono::duration<double>(took).count();
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  durations_[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(
      1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
}

std::vector<HttpCounters::Answered> HttpCounters::answered() const {
  std::vector<Answered> out;
  const std::size_t width = statuses_.size() + 1;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const std::uint64_t count = counts_[i].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const std::size_t row = i / width;
    out.push_back({.route = row < routes().size() ? &routes()[row] : nullptr,
                   .status = i % width < statuses_.size() ? statuses_[i % width] : 0,
                   .count = count});
  }
  return out;
}

std::array<std::uint64_t, HttpCounters::kBounds.size() + 1> HttpCounters::durations() const {
  std::array<std::uint64_t, kBounds.size() + 1> out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = durations_[i].load(std::memory_order_relaxed);
  return out;
}

double HttpCounters::seconds() const {
  return static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
}

}  // namespace carillon::api
