#include "relay/fanout/send_rate.h"

#include <gtest/gtest.h>

namespace carillon::fanout::send_rate_test {
namespace {

// As the dispatcher asks: when something may go, it goes. Returns how many in `for_ms`.
std::uint64_t sent(SendRate& rate, std::int64_t from_ms, std::int64_t for_ms) {
  std::uint64_t total = 0;
  for (std::int64_t now = from_ms; now < from_ms + for_ms;) {
    const std::size_t available = rate.available(now);
    rate.take(available);
    total += available;
    now = std::max(now + 1, rate.next_ms(now));
  }
  return total;
}

TEST(SendRate, GivesOutItsRateAndNoMore) {
  for (const std::uint32_t per_second : {1u, 3u, 10u, 99u, 1'000u, 12'345u, 1'000'000u}) {
    SendRate rate(per_second, 5'000);
    const std::uint64_t in_ten_seconds = sent(rate, 5'000, 10'000);
    EXPECT_LE(in_ten_seconds, 10u * per_second) << per_second;
    EXPECT_GE(in_ten_seconds, 10u * per_second - std::max(1u, per_second / 10)) << per_second;
  }
}

TEST(SendRate, SavesUpATenthOfASecondAndNoMore) {
  SendRate rate(1'000, 0);
  EXPECT_EQ(rate.available(0), 0u);
  EXPECT_EQ(rate.available(3'600'000), 100u);
  rate.take(100);
  EXPECT_EQ(rate.available(3'600'000), 0u);
}

TEST(SendRate, GivesOutByTheBatchAndSaysWhen) {
  SendRate rate(1'000, 0);
  EXPECT_EQ(rate.next_ms(0), 25) << "a quarter of what may go at once";
  EXPECT_EQ(rate.available(24), 0u);
  EXPECT_EQ(rate.available(25), 25u);
}

TEST(SendRate, AClockThatStandsStillGivesNothing) {
  SendRate rate(1, 100);
  EXPECT_EQ(rate.available(100), 0u);
  EXPECT_EQ(rate.available(50), 0u);
  EXPECT_EQ(rate.next_ms(100), 1'100);
  EXPECT_EQ(rate.available(1'100), 1u);
}

}  // namespace
}  // namespace carillon::fanout::send_rate_test
