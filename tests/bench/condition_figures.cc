#include "tests/bench/condition_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "relay/audience/condition_parser.h"
#include "tests/bench/population.h"
#include "tests/bench/store_figures.h"
#include "tests/bench/watches.h"

namespace carillon::bench {
namespace {

constexpr std::size_t kPutDevices = 10'000;  // a batch
constexpr std::uint64_t kThousandthSeed = 1'000;
constexpr int kScans = 5, kCounts = 2;  // what the machine does beside only ever slows them

// What has to be scanned is the thousandth.
constexpr std::array kScanned = {
    "'all' in topics && 'tenth' in topics && 'thousandth' in topics",
    "'all' in topics && !('tenth' in topics) && 'thousandth' in topics",
    "('all' in topics || 'tenth' in topics) && 'thousandth' in topics",
    "'thousandth' in topics && !('all' in topics && 'tenth' in topics)",
};
constexpr std::array kCountedTopics = {kTopicOfAll, kTopicOfTenth, kTopicOfHundredth,
                                       kTopicOfThousandth, kSmallTopic};
constexpr std::array kCountedForms = {
    "'{0}' in topics && '{1}' in topics",    "'{0}' in topics || '{1}' in topics",
    "'{0}' in topics && !('{1}' in topics)", "'{0}' in topics || !('{1}' in topics)",
    "!('{0}' in topics || '{1}' in topics)",
};

store::Audience audience_of(const std::string& condition) {
  auto parsed = audience::parse_condition(condition);
  if (!parsed) throw std::runtime_error(condition + ": " + parsed.error().message);
  store::Audience audience;
  audience.condition = *std::move(parsed);
  return audience;
}

std::uint64_t devices_in(store::Store& store, const store::Audience& audience) {
  const auto count = store.count(kApp, audience);
  if (!count) throw std::runtime_error(count.error().message);
  return std::accumulate(count->devices.begin(), count->devices.end(), std::uint64_t{0});
}

}  // namespace

void subscribe_thousandth(store::Store& store, std::uint64_t devices) {
  const Shuffle shuffle(devices, kThousandthSeed);
  const std::string_view topic = kTopicOfThousandth;
  const std::uint64_t count = devices / 1'000;
  for (std::uint64_t begin = 0; begin < count; begin += kPutDevices) {
    const std::uint64_t end = std::min(count, begin + kPutDevices);
    std::vector<std::array<std::string, 3>> texts;  // device, token, subscriber
    std::vector<store::DeviceRegistration> lines;
    texts.reserve(end - begin);
    for (std::uint64_t i = begin; i < end; ++i) {
      const std::uint64_t number = shuffle(i);
      auto& [device, token, subscriber] = texts.emplace_back();
      device = device_name(number);
      append_token(number, 0, token);
      subscriber = subscriber_name(number);
      lines.push_back({.app = kApp,
                       .device = device,
                       .platform = store::Platform::kApns,
                       .token = token,
                       .subscriber = subscriber,
                       .locale = {},
                       .timezone = {},
                       .topics = std::span(&topic, 1)});
    }
    const auto put = store.put_devices(lines, now_ms());
    if (!put) throw std::runtime_error(put.error().message);
    for (const auto& line : *put) {
      if (!line) throw std::runtime_error(line.error().message);
    }
  }
}

ConditionScan scan_conditions(store::Store& store, std::uint64_t event) {
  static_assert(kScanned.size() < kConditionEventsMax);
  const store::JobKey smallest = accept_event(store, kTopicOfThousandth, event++);
  ConditionScan dearest;
  for (const char* const text : kScanned) {
    const store::Audience audience = audience_of(text);
    ConditionScan scan{.condition = text, .devices = devices_in(store, audience)};
    const Stopwatch accepting;
    const store::JobKey job = accept_event(store, audience, event++);
    scan.accept_seconds = accepting.seconds();
    scan.cpu_seconds = scan.smallest_cpu_seconds = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kScans; ++i) {
      scan.smallest_cpu_seconds =
          std::min(scan.smallest_cpu_seconds, scan_audience(store, smallest).cpu_seconds);
      // Nobody in it: the event was over when it was accepted, and there is nothing to scan.
      const Scan read = scan.devices == 0 ? Scan{} : scan_audience(store, job);
      if (read.devices != scan.devices) {
        throw std::runtime_error(fmt::format("{}: {} devices are counted, {} are scanned", text,
                                             scan.devices, read.devices));
      }
      scan.cpu_seconds = std::min(scan.cpu_seconds, read.cpu_seconds);
    }
    if (dearest.condition.empty() || scan.ratio() > dearest.ratio()) dearest = scan;
  }
  return dearest;
}

SlowestCount count_conditions(store::Store& store) {
  SlowestCount slowest;
  for (const std::string_view first : kCountedTopics) {
    for (const std::string_view second : kCountedTopics) {
      if (first == second) continue;
      for (const char* const form : kCountedForms) {
        const std::string text = fmt::format(fmt::runtime(form), first, second);
        const store::Audience audience = audience_of(text);
        double quickest = std::numeric_limits<double>::infinity();
        for (int i = 0; i < kCounts; ++i) {
          const Stopwatch watch;
          devices_in(store, audience);
          quickest = std::min(quickest, watch.seconds());
        }
        ++slowest.conditions;
        if (quickest <= slowest.seconds) continue;
        slowest.condition = text;
        slowest.seconds = quickest;
      }
    }
  }
  return slowest;
}

}  // namespace carillon::bench
