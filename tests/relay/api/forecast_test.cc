#include "relay/api/forecast.h"

#include <gtest/gtest.h>

namespace carillon::api::forecast_test {
namespace {

using store::EventState;
using store::Platform;

constexpr std::int64_t kNow = 1'000'000;

store::EventRecord event_of(std::uint64_t apns, std::uint64_t fcm,
                            EventState state = EventState::kRunning) {
  store::EventRecord event{.app = "video", .state = state};
  event.jobs = {{.platform = Platform::kApns, .counters = {.targeted = apns}},
                {.platform = Platform::kFcm, .counters = {.targeted = fcm}}};
  return event;
}

std::vector<fanout::LaneStats> lanes() {
  fanout::LaneStats apns{.app = "video", .platform = push::Platform::kApns};
  fanout::LaneStats fcm{.app = "video", .platform = push::Platform::kFcm};
  fcm.pace = {.governed = true,
              .tokens = 0,
              .per_second = 10'000,
              .per_second_gained = 0,
              .per_second_most = 10'000};
  fanout::LaneStats mail{.app = "mail", .platform = push::Platform::kApns};
  mail.pace = fcm.pace;
  return {apns, fcm, mail};
}

TEST(Forecast, IsWhatAGovernedRateAllowsWhereThatIsLaterThanWhatWasMeasured) {
  EXPECT_EQ(forecast(event_of(50, 600'000), lanes(), kNow + 5'000, kNow), kNow + 60'000);
  EXPECT_EQ(forecast(event_of(50, 600'000), lanes(), kNow + 90'000, kNow), kNow + 90'000);
  EXPECT_EQ(forecast(event_of(50, 600'000), lanes(), std::nullopt, kNow), kNow + 60'000)
      << "before anything was measured";
}

TEST(Forecast, HeedsTheEventsOwnRateOverAllItsPlatforms) {
  store::EventRecord slowed = event_of(60'000, 60'000);
  slowed.rate_per_second = 1'000;
  EXPECT_EQ(forecast(slowed, lanes(), std::nullopt, kNow), kNow + 120'000);
  EXPECT_EQ(forecast(slowed, lanes(), kNow + 500'000, kNow), kNow + 500'000);
  slowed.rate_per_second = 100'000;
  EXPECT_EQ(forecast(slowed, lanes(), std::nullopt, kNow), kNow + 6'000) << "the provider's";
  slowed.rate_per_second = 1;
  slowed.jobs[0].counters.targeted = 31ull * 24 * 3600;
  EXPECT_EQ(forecast(slowed, lanes(), std::nullopt, kNow), std::nullopt) << "months";
  store::EventRecord done = event_of(0, 0);
  done.rate_per_second = 10;
  EXPECT_EQ(forecast(done, lanes(), std::nullopt, kNow), std::nullopt);
}

TEST(Forecast, IsWhatWasMeasuredWhereNothingGoverns) {
  EXPECT_EQ(forecast(event_of(600'000, 0), lanes(), kNow + 5'000, kNow), kNow + 5'000);
  EXPECT_EQ(forecast(event_of(600'000, 0), lanes(), std::nullopt, kNow), std::nullopt);
}

TEST(Forecast, SaysNothingOfItsOwnOfAnEventThatDoesNotRunOrRunsForMonths) {
  for (const auto state : {EventState::kPaused, EventState::kCompleted, EventState::kCancelled}) {
    EXPECT_EQ(forecast(event_of(0, 600'000, state), lanes(), std::nullopt, kNow), std::nullopt);
  }
  EXPECT_EQ(forecast(event_of(0, 100'000'000'000), lanes(), std::nullopt, kNow), std::nullopt);
}

}  // namespace
}  // namespace carillon::api::forecast_test
