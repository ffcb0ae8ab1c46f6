#include "providers/http2/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace carillon::push::http2 {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, BeginsSoonThenDoublesFromASecondToAMinute) {
  constexpr std::chrono::milliseconds kSteps[] = {50ms, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(seed);
    for (const auto step : kSteps) {
      const auto wait = backoff.on_failure();
      EXPECT_GE(wait, step / 2) << "seed " << seed;
      EXPECT_LE(wait, step) << "seed " << seed;
    }
  }
}

TEST(Backoff, BeginsAnewAfterASuccess) {
  Backoff backoff(1);
  for (int i = 0; i < 5; ++i) backoff.on_failure();
  backoff.on_success();
  EXPECT_LE(backoff.on_failure(), 50ms);
}

TEST(Backoff, DiffersFromRelayToRelay) {
  std::set<std::chrono::milliseconds> waits;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(seed * 7919);
    backoff.on_failure();
    backoff.on_failure();
    waits.insert(backoff.on_failure());
  }
  EXPECT_GT(waits.size(), 25u);
}

}  // namespace
}  // namespace carillon::push::http2
