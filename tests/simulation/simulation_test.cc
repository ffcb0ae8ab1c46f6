// Seeds, one after the other. A failure says which, and the command that repeats it.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/seeds.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {
namespace {

constexpr std::uint32_t kSeeds = 200;
constexpr std::uint32_t kShares = 4;  // of the seeds: the shares of one program run side by side

class Simulation : public testing::TestWithParam<std::uint32_t> {};

TEST_P(Simulation, KeepsItsPromisesWhateverGoesWrong) {
  spdlog::set_level(spdlog::level::off);
  Seeds("SIMULATION", kSeeds)
      .each([](std::uint32_t seed) { World(seed).run(); }, GetParam(), kShares);
}

INSTANTIATE_TEST_SUITE_P(Share, Simulation, testing::Range<std::uint32_t>(0, kShares));

}  // namespace
}  // namespace carillon::simulation
