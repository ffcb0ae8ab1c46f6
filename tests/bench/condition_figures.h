// What conditions over topics of very different size cost: scanned beside the scan of the smallest
// of the sets, and counted. Throws std::runtime_error as the other figures do.
#pragma once

#include <cstdint>
#include <string>

#include "storage/store.h"

namespace carillon::bench {

// One in a thousand of `devices`, picked at random, hears kTopicOfThousandth from now on. To be
// called before events are accepted: to later ones nobody in it is young.
void subscribe_thousandth(store::Store& store, std::uint64_t devices);

// A condition that the topic of a thousandth leads: its whole audience against that topic's.
// Both are in the page cache and take milliseconds: CPU time of the reading thread, of which what
// runs beside takes no part.
struct ConditionScan {
  std::string condition;
  std::uint64_t devices = 0;
  double cpu_seconds = 0, smallest_cpu_seconds = 0;
  double accept_seconds = 0;  // to freeze it, in the writer's transaction; by the wall's clock
  double ratio() const { return cpu_seconds / smallest_cpu_seconds; }
};
// The dearest of several over the topics of all, a tenth and a thousandth; each read as often as
// the topic alone, by turns, and the quickest of each taken. `event`: the first of the numbers of
// the events that this accepts, at most kConditionEventsMax.
inline constexpr std::uint64_t kConditionEventsMax = 16;
ConditionScan scan_conditions(store::Store& store, std::uint64_t event);

struct SlowestCount {
  std::string condition;
  double seconds = 0;
  int conditions = 0;  // how many were counted
};
// `count` of each way to ask of two topics, of all ordered pairs of topics of all, a tenth, a
// hundredth, a thousandth and a hundred-thousandth; the quickest of two of each.
SlowestCount count_conditions(store::Store& store);

}  // namespace carillon::bench
