#include "relay/fanout/rate_governor.h"

#include <gtest/gtest.h>

namespace carillon::fanout::rate_governor_test {
namespace {

constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
constexpr RateGovernor::Limits kFcm{.per_minute = 600'000, .ramp_up_ms = 60'000};
constexpr std::size_t kBurst = static_cast<std::size_t>(RateGovernor::kBurst);

// Sends as much as it may from `from_ms` on, looking every 10 ms; how much that was.
std::size_t send_for(RateGovernor& governor, std::int64_t from_ms, std::int64_t ms) {
  std::size_t sent = 0;
  for (std::int64_t now = from_ms; now < from_ms + ms; now += 10) {
    const std::size_t devices = std::min<std::size_t>(governor.allowance(false, now), 100'000);
    if (devices == 0) continue;
    governor.spent(devices, now);
    sent += devices;
  }
  return sent;
}

TEST(RateGovernor, DoesNotGovernWithoutABudgetUntilItIsThrottled) {
  RateGovernor governor({}, 0);
  EXPECT_EQ(governor.allowance(false, 0), kAny);
  governor.spent(1'000'000, 0);
  EXPECT_EQ(governor.allowance(false, 0), kAny);
  EXPECT_FALSE(governor.pace().governed);
  EXPECT_EQ(governor.pace().seconds_for(1e9), 0);
}

TEST(RateGovernor, RisesFromColdToTheBudgetWithinTheRampAndStaysThere) {
  RateGovernor governor(kFcm, 0);
  EXPECT_EQ(governor.allowance(false, 0), kBurst) << "a small event does not wait";
  const std::size_t ramp = send_for(governor, 0, 60'000);
  EXPECT_NEAR(static_cast<double>(ramp), 300'000, 15'000);
  const std::size_t minute = send_for(governor, 60'000, 60'000);
  EXPECT_LE(minute, 610'000u);
  EXPECT_GE(minute, 590'000u);
}

TEST(RateGovernor, BeginsLowAgainAfterAMinuteWithoutUse) {
  RateGovernor governor(kFcm, 0);
  send_for(governor, 0, 90'000);
  EXPECT_NEAR(governor.pace().per_second, 10'000, 1);
  const std::int64_t last = 89'990;
  governor.allowance(false, last + RateGovernor::kColdAfterMs - 100);
  EXPECT_NEAR(governor.pace().per_second, 10'000, 1);
  governor.allowance(false, last + RateGovernor::kColdAfterMs);
  EXPECT_NEAR(governor.pace().per_second, 10'000 / 60.0, 1);
}

TEST(RateGovernor, HalvesOnceASecondHoweverManyThrottlesComeAndRisesSteadily) {
  RateGovernor governor(kFcm, 0);
  send_for(governor, 0, 90'000);
  for (int i = 0; i < 1'000; ++i) governor.on_throttled(90'000);
  EXPECT_NEAR(governor.pace().per_second, 5'000, 1);
  EXPECT_EQ(governor.allowance(false, 90'000), 0u) << "nothing is left over from before";
  governor.on_throttled(90'999);
  EXPECT_NEAR(governor.pace().per_second, 5'000, 1) << "within the second";
  send_for(governor, 90'999, 2'000);
  EXPECT_NEAR(governor.pace().per_second, 5'000 + 3 * 166.7, 20);
  for (int i = 0; i < 100; ++i) governor.on_throttled(93'000 + i * 1'000);
  EXPECT_GE(governor.pace().per_second, RateGovernor::kRateLeast);
}

TEST(RateGovernor, AThrottleWithoutABudgetIsAboutTheRateThatWasSeenAndIsForgottenInTime) {
  RateGovernor governor({.per_minute = 0, .ramp_up_ms = 60'000}, 0);
  for (std::int64_t now = 0; now < 5'000; now += 10) governor.spent(1'000, now);  // 100,000/s
  governor.on_throttled(5'000);
  EXPECT_TRUE(governor.pace().governed);
  EXPECT_NEAR(governor.pace().per_second, 50'000, 2'000);
  std::int64_t now = 5'000;
  while (governor.pace().governed && now < 1'000'000) {
    send_for(governor, now, 1'000);
    now += 1'000;
  }
  EXPECT_NEAR(static_cast<double>(now - 5'000), 210'000, 20'000) << "four times the rate of before";
  EXPECT_EQ(governor.allowance(false, now), kAny);
}

TEST(RateGovernor, UrgentDevicesRunIntoDebtAndTheOthersPayIt) {
  RateGovernor governor({.per_minute = 60'000, .ramp_up_ms = 1'000}, 0);
  send_for(governor, 0, 3'000);
  while (governor.allowance(false, 3'000) > 0) {
    governor.spent(governor.allowance(false, 3'000), 3'000);
  }
  ASSERT_GE(governor.allowance(true, 3'000), 500u);
  governor.spent(500, 3'000);
  EXPECT_EQ(governor.allowance(false, 3'400), 0u);
  EXPECT_GT(governor.allowance(false, 3'700), 0u);
  governor.spent(governor.allowance(true, 3'700), 3'700);
  EXPECT_EQ(governor.allowance(true, 3'700), 0u) << "a second's worth, not more";
}

TEST(RateGovernor, SaysWhenThereIsABatchAgain) {
  RateGovernor governor({.per_minute = 60'000, .ramp_up_ms = 1'000}, 0);
  send_for(governor, 0, 5'000);
  while (governor.allowance(false, 5'000) > 0) {
    governor.spent(governor.allowance(false, 5'000), 5'000);
  }
  const std::int64_t next = governor.next_ms(5'000);
  EXPECT_GT(next, 5'000);
  EXPECT_LE(next, 5'051) << "twenty hand-outs a second";
  EXPECT_EQ(governor.allowance(false, next - 1), 0u);
  EXPECT_GT(governor.allowance(false, next), 0u);
}

TEST(RateGovernor, ForecastsWhatItThenDoes) {
  for (const std::size_t devices : {1'000u, 100'000u, 300'000u, 900'000u}) {
    RateGovernor governor(kFcm, 0);
    const double expected = governor.pace().seconds_for(static_cast<double>(devices));
    std::size_t sent = 0;
    std::int64_t now = 0;
    for (; sent < devices; now += 10) {
      const std::size_t allowed = governor.allowance(false, now);
      const std::size_t some = std::min(allowed, devices - sent);
      if (some == 0) continue;
      governor.spent(some, now);
      sent += some;
    }
    EXPECT_NEAR(expected, static_cast<double>(now) / 1'000, 1.0) << devices;
  }
}

TEST(RateGovernor, AClockThatStandsStillGivesNothing) {
  RateGovernor governor(kFcm, 1'000);
  governor.spent(governor.allowance(false, 1'000), 1'000);
  EXPECT_EQ(governor.allowance(false, 1'000), 0u);
  EXPECT_EQ(governor.allowance(false, 500), 0u);
}

}  // namespace
}  // namespace carillon::fanout::rate_governor_test
