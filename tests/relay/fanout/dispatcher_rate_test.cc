// How a provider's budget and its throttles bound what is handed out.
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_rate_test {
namespace {

using push::VerdictKind;

class DispatcherRate : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    limits_.repeat_bound = 16'384;
    limits_.batch_devices = 512;
    now_.monotonic_ms = 2 * RateGovernor::kColdAfterMs;  // as on a machine that runs for a while
    provider_here_.window_size = 10'000;
  }
  // Everybody saying yes, for so long; how many were handed out.
  std::size_t run_for(std::int64_t ms) {
    const std::uint64_t before = totals_.submitted;
    for (const std::int64_t end = now_.monotonic_ms + ms; now_.monotonic_ms < end;) {
      turn();
      answer_all();
      record();
      pass(std::clamp<std::int64_t>(wish_ - now_.monotonic_ms, 1, 50));
    }
    return totals_.submitted - before;
  }

  ScriptedProvider provider_here_;
};

TEST_F(DispatcherRate, ABudgetBoundsWhatIsHandedOutAndSmallEventsDoNotWait) {
  lane_options_.rate = {.per_minute = 60'000, .ramp_up_ms = 1'000};
  subscribe(0, 4'000);
  publish();
  start(&provider_here_);
  turn();
  EXPECT_EQ(provider_here_.open.size(), 512u) << "at once, whatever the rate";
  const std::size_t ramp = run_for(1'000);
  EXPECT_NEAR(static_cast<double>(ramp), 1'000, 150);
  EXPECT_NEAR(static_cast<double>(run_for(1'000)), 1'000, 150);
  EXPECT_TRUE(totals_.governed);
  EXPECT_NEAR(totals_.per_second, 1'000, 1);
  run_to_the_end();
}

TEST_F(DispatcherRate, AnUrgentEventDoesNotWaitForTheBudgetThatABulkSendHasSpent) {
  lane_options_.rate = {.per_minute = 60'000, .ramp_up_ms = 1'000};
  subscribe(0, 4'000);
  subscribe(4'000, 4'001, "code");
  publish();
  start(&provider_here_);
  run_for(500);
  turn();
  answer_all();
  const auto urgent = publish("code", 60'000, 1);
  dispatcher_->take_up(0, {.job = job(urgent), .notification = {.title = "code"}});
  turn();
  ASSERT_FALSE(provider_here_.open.empty());
  EXPECT_TRUE(provider_here_.times_sent.contains(token(4'000)));
}

TEST_F(DispatcherRate, AThrottleThatIsNotOneDevicesHalvesTheRateAndADevicesDoesNot) {
  subscribe(0, 3'000);
  publish();
  start(&provider_here_);
  turn();
  answer({.kind = VerdictKind::kThrottled, .scope = push::ThrottleScope::kDevice});
  turn();
  EXPECT_FALSE(totals_.governed);
  answer({.kind = VerdictKind::kThrottled, .retry_after = std::chrono::seconds(1)});
  turn();
  EXPECT_TRUE(totals_.governed);
  EXPECT_GE(totals_.per_second, RateGovernor::kRateLeast);
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_rate_test
