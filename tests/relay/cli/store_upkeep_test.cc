#include "relay/cli/store_upkeep.h"

#include <gtest/gtest.h>

#include "tests/relay/import/memory_store.h"

namespace carillon::cli::store_upkeep_test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMib = 1024 * 1024;

class StoreUpkeepTest : public testing::Test {
 protected:
  StoreUpkeepTest() {
    store_.tell_stats = [this]() -> store::Result<store::StoreStats> {
      ++looks_;
      if (error_) return tl::unexpected(*error_);
      return stats_;
    };
    store_.compact_step = [this](const store::CompactionPlace& place,
                                 std::size_t bytes) -> store::Result<store::CompactionStep> {
      if (error_) return tl::unexpected(*error_);
      places_.push_back(place.next);
      EXPECT_GE(bytes, store::CompactionPace::kBytesLeast);
      now_ += step_takes_;
      return store::CompactionStep{.place = {.stage = 1, .next = place.next + 1},
                                   .end = place.next + 1 == steps_};
    };
    stats_.file_bytes = 100 * kMib;
    stats_.free_bytes = 25 * kMib;
    stats_.shrinks = true;
  }
  // As the relay does it: calls, and comes back when it is told to.
  void run_for(std::chrono::milliseconds time) {
    for (const auto end = now_ + time; now_ < end;) now_ += upkeep_.work();
  }

  import::MemoryStore store_;
  store::StoreStats stats_;
  std::optional<store::Error> error_;
  std::vector<std::uint64_t> places_;  // where each step began
  std::uint64_t steps_ = 3;
  std::chrono::milliseconds step_takes_ = 10ms;
  int looks_ = 0;
  StoreUpkeep::Clock::time_point now_{1h};
  StoreUpkeep upkeep_{store_, [this] { return now_; }};
};

TEST_F(StoreUpkeepTest, CompactsFromFrontToBackWhenAQuarterIsFree) {
  run_for(1min);
  EXPECT_EQ(places_, (std::vector<std::uint64_t>{0, 1, 2}));
  EXPECT_EQ(looks_, 1);
}

TEST_F(StoreUpkeepTest, LeavesAStoreAloneWithLessThanThatFree) {
  stats_.free_bytes = 25 * kMib - 1;
  run_for(1h);
  EXPECT_TRUE(places_.empty());
  EXPECT_EQ(looks_, 6);
}

TEST_F(StoreUpkeepTest, LeavesASmallStoreAlone) {
  stats_.file_bytes = stats_.free_bytes = StoreUpkeep::kFreeBytesLeast - 1;
  run_for(1h);
  EXPECT_TRUE(places_.empty());
  stats_.file_bytes = stats_.free_bytes = StoreUpkeep::kFreeBytesLeast;
  run_for(1h);
  EXPECT_FALSE(places_.empty());
}

TEST_F(StoreUpkeepTest, LeavesAStoreAloneThatCannotShrink) {
  stats_.shrinks = false;
  run_for(1h);
  EXPECT_TRUE(places_.empty());
}

TEST_F(StoreUpkeepTest, RestsNineTimesAsLongAsItWorks) {
  upkeep_.work();
  now_ += 1ms;
  EXPECT_EQ(upkeep_.work(), 90ms);
  now_ += 30ms;
  EXPECT_EQ(upkeep_.work(), 60ms) << "who comes early is told to come back";
  EXPECT_EQ(places_.size(), 1U);
}

TEST_F(StoreUpkeepTest, BeginsAnewLaterWhenAStepFails) {
  steps_ = 1'000'000;
  run_for(1s);
  const std::size_t done = places_.size();
  EXPECT_GT(done, 1U);
  error_ = store::Error{.kind = store::Error::Kind::kBusy, .message = "somebody else's"};
  EXPECT_EQ(upkeep_.work(), StoreUpkeep::kLookInterval);
  error_.reset();
  run_for(StoreUpkeep::kLookInterval + 1s);
  ASSERT_GT(places_.size(), done);
  EXPECT_EQ(places_[done], 0U);
}

}  // namespace
}  // namespace carillon::cli::store_upkeep_test
