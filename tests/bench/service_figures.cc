#include "tests/bench/service_figures.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/bench/population.h"
#include "tests/bench/store_figures.h"
#include "tests/bench/watches.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kNowMs = 1'800'000'000'000;

// 64 threads that call `request(number)`, numbers ascending, until it says no or `seconds` are
// over.
struct Crowd {
  std::uint64_t answered = 0;
  double seconds = 0;
};

Crowd run_clients(double seconds, const std::function<bool(std::uint64_t)>& request) {
  const Stopwatch watch;
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  std::string failure;
  Crowd crowd;
  const auto client = [&] {
    std::uint64_t answered = 0;
    try {
      while (watch.seconds() < seconds && request(next.fetch_add(1, std::memory_order_relaxed))) {
        ++answered;
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex);
      failure = error.what();
    }
    const std::lock_guard lock(mutex);
    crowd.answered += answered;
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(client);
  for (std::thread& thread : clients) thread.join();
  if (!failure.empty()) throw std::runtime_error(failure);
  crowd.seconds = watch.seconds();
  return crowd;
}

bool upsert(store::Store& store, std::uint64_t devices, std::uint64_t first_new,
            std::uint64_t number) {
  const bool known = number % 2 == 0;
  const std::uint64_t device = known ? mixed(first_new + number) % devices : first_new + number;
  const std::string name = device_name(device), subscriber = subscriber_name(device);
  std::string token;
  append_token(device, known ? first_new + number : 0, token);
  const std::string_view topic = kTopicOfAll;
  const auto put = store.put_device({.app = kApp,
                                     .device = name,
                                     .platform = store::Platform::kApns,
                                     .token = token,
                                     .subscriber = subscriber,
                                     .locale = {},
                                     .timezone = {},
                                     .topics = std::span(&topic, 1)},
                                    kNowMs);
  if (!put) throw std::runtime_error(put.error().message);
  return true;
}

}  // namespace

Upserts upsert_beside_scan(store::Store& store, const store::JobKey& broadcast,
                           std::uint64_t devices, double seconds) {
  Upserts figures;
  figures.scan_alone = scan_audience(store, broadcast).per_second();
  const auto before = store.stats();
  std::atomic<bool> over{false};
  Scan scanned;
  std::string failure;
  std::thread broadcast_thread([&] {
    try {
      while (!over.load()) {
        const Scan scan = scan_audience(store, broadcast);
        scanned.devices += scan.devices;
        scanned.seconds += scan.seconds;
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
  });
  Crowd crowd;
  try {
    crowd = run_clients(
        seconds, [&](std::uint64_t number) { return upsert(store, devices, devices, number); });
  } catch (const std::exception& error) {
    failure = error.what();
  }
  over.store(true);
  broadcast_thread.join();
  if (!failure.empty()) throw std::runtime_error(failure);
  const auto after = store.stats();
  figures.per_second = static_cast<double>(crowd.answered) / crowd.seconds;
  figures.scan_beside = scanned.per_second();
  figures.next_device = devices + crowd.answered + kClients + 1;
  if (before && after) {
    figures.group = static_cast<double>(after->committed_requests - before->committed_requests) /
                    static_cast<double>(after->commits - before->commits);
  }
  return figures;
}

ColdStart upsert_cold(store::Store& store, std::uint64_t devices, std::uint64_t first_new,
                      double full, double seconds_max) {
  constexpr double kWindow = 0.1;      // seconds
  constexpr std::size_t kInARow = 10;  // windows
  std::vector<std::atomic<std::uint32_t>> windows(
      std::max(kInARow, static_cast<std::size_t>(seconds_max / kWindow) + 1));
  // A second as a whole: of ten windows one always falls into a checkpoint.
  const auto is_full_from = [&](std::size_t first) {
    double upserts = 0;
    for (std::size_t i = 0; i < kInARow; ++i) upserts += windows[first + i].load();
    return upserts / (kInARow * kWindow) >= 0.9 * full;
  };
  const Stopwatch watch;
  run_clients(seconds_max, [&](std::uint64_t number) {
    upsert(store, devices, first_new, number);
    const auto now = static_cast<std::size_t>(watch.seconds() / kWindow);
    if (now >= windows.size()) return false;
    ++windows[now];
    // The window under way is not over: those before it are looked at.
    return now < kInARow || !is_full_from(now - kInARow);
  });
  ColdStart cold;
  for (std::size_t i = 0; i < kInARow; ++i) cold.first_second += windows[i].load();
  for (std::size_t first = 0; first + kInARow <= windows.size(); ++first) {
    if (!is_full_from(first)) continue;
    cold.seconds_to_full = static_cast<double>(first) * kWindow;
    break;
  }
  return cold;
}

double erasures_per_second(store::Store& store, std::uint64_t devices, double seconds) {
  const Shuffle shuffle(devices, 7);
  const Crowd crowd = run_clients(seconds, [&](std::uint64_t number) {
    if (number >= devices) return false;
    const auto erased = store.erase_device(kApp, device_name(shuffle(number)));
    if (!erased) throw std::runtime_error(erased.error().message);
    return true;
  });
  return static_cast<double>(crowd.answered) / crowd.seconds;
}

}  // namespace carillon::bench
