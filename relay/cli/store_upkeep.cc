#include "relay/cli/store_upkeep.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "relay/cli/figures.h"

namespace carillon::cli {

using std::chrono::milliseconds;

milliseconds StoreUpkeep::work() {
  const auto now = now_();
  if (due_ && now < *due_) return std::chrono::ceil<milliseconds>(*due_ - now);
  const milliseconds pause = std::max(place_ ? step() : look(), milliseconds(1));
  due_ = now_() + pause;
  return pause;
}

// Whether there is enough to gain.
milliseconds StoreUpkeep::look() {
  const auto stats = store_.stats();
  if (!stats) {
    spdlog::warn("the store's free space is not known: {}", stats.error().message);
    return kLookInterval;
  }
  if (stats->free_bytes < kFreeBytesLeast || stats->free_bytes * kFreeShare < stats->file_bytes) {
    return kLookInterval;
  }
  if (!stats->shrinks) {
    if (!said_that_it_cannot_) {
      spdlog::info(
          "{} of the store's {} are free, but an earlier Carillon made the file and it "
          "cannot shrink: run `carillon compact` once while the relay is stopped",
          size_text(stats->free_bytes), size_text(stats->file_bytes));
    }
    said_that_it_cannot_ = true;
    return kLookInterval;
  }
  spdlog::info("compaction begins: {} of the store's {} are free", size_text(stats->free_bytes),
               size_text(stats->file_bytes));
  bytes_before_ = stats->file_bytes;
  place_.emplace();
  pace_ = store::CompactionPace(kRest);
  return milliseconds(0);
}

milliseconds StoreUpkeep::step() {
  const auto begun = now_();
  const auto step = store_.compact(*place_, pace_.bytes());
  if (!step) {
    spdlog::warn("the compaction is broken off and begins anew later: {}", step.error().message);
    place_.reset();
    return kLookInterval;
  }
  if (step->end) {
    spdlog::info("compaction ends: the store has {} instead of {}", size_text(step->file_bytes),
                 size_text(bytes_before_));
    place_.reset();
    return kLookInterval;
  }
  place_ = step->place;
  return pace_.took(now_() - begun);
}

}  // namespace carillon::cli
