// Seeds, one after the other. A failure says which, and the command that repeats it.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

#include "tests/simulation/world.h"

namespace carillon::simulation {
namespace {

constexpr std::uint64_t kSeeds = 200;
constexpr std::uint64_t kShares = 4;  // of the seeds: the shares of one program run side by side

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Simulation : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, KeepsItsPromisesWhateverGoesWrong) {
  spdlog::set_level(spdlog::level::off);
  const std::uint64_t only = number_from("CARILLON_SIMULATION_SEED", 0);
  const std::uint64_t seeds = number_from("CARILLON_SIMULATION_SEEDS", kSeeds);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    if (only != 0 ? seed != 1 || GetParam() != 0 : seed % kShares != GetParam()) continue;
    const std::uint64_t chosen = only != 0 ? only : seed;
    SCOPED_TRACE(testing::Message() << "seed " << chosen);
    World(chosen).run();
    if (HasFailure()) {
      std::printf("repeat with: CARILLON_SIMULATION_SEED=%llu build/release/bin/simulation_tests\n",
                  static_cast<unsigned long long>(chosen));
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Share, Simulation, testing::Range<std::uint64_t>(0, kShares));

}  // namespace
}  // namespace carillon::simulation
