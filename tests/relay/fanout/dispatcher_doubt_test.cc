// A send whose tokens are refused goes apart from the others, and gets no more of the window.
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_doubt_test {
namespace {

class DispatcherDoubt : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    limits_.repeat_bound = 4'000;
    limits_.batch_devices = 50;
    limits_.dead_answers_min = 10'000;  // what the guard makes of it is its own test's
    provider_here_.window_size = 400;
  }
  push::Verdict refused() const {
    return {.kind = push::VerdictKind::kTokenUnusable, .status = 400, .reason = "BadDeviceToken"};
  }
  // As many answers, `bad` of each hundred of them against the token.
  void answer_hundreds(int hundreds, int bad) {
    for (int i = 0; i < hundreds * 100; ++i) {
      ASSERT_FALSE(provider_here_.open.empty());
      answer(i % 100 < bad ? refused() : push::Verdict{.kind = push::VerdictKind::kAccepted});
    }
  }

  ScriptedProvider provider_here_;
};

TEST_F(DispatcherDoubt, GoesApartOnceAFifthOfItsTokensIsRefused) {
  subscribe(0, 3'000);
  publish();
  start(&provider_here_);
  turn();
  answer_hundreds(4, 19);
  turn();
  ASSERT_FALSE(provider_here_.open.empty());
  EXPECT_EQ(provider_here_.doubtful_devices, 0U);
  answer_hundreds(4, 40);
  while (!provider_here_.open.empty()) answer(refused());
  turn();
  EXPECT_GT(provider_here_.doubtful_devices, 0U);
}

TEST_F(DispatcherDoubt, HasAFourthOfTheWindow) {
  subscribe(0, 3'000);
  publish();
  start(&provider_here_);
  turn();
  answer_hundreds(2, 100);
  while (!provider_here_.open.empty()) answer(refused());
  turn();
  EXPECT_EQ(provider_here_.open.size(), 100U) << "of a window of 400";
  EXPECT_EQ(provider_here_.doubtful_devices, 100U);
}

TEST_F(DispatcherDoubt, IsNotMadeOfTokensThatHaveDied) {
  subscribe(0, 3'000);
  publish();
  start(&provider_here_);
  turn();
  for (int i = 0; i < 300; ++i) {
    answer({.kind = push::VerdictKind::kTokenUnusable, .status = 410, .reason = "Status410"});
  }
  turn();
  EXPECT_EQ(provider_here_.doubtful_devices, 0U);
}

TEST_F(DispatcherDoubt, EndsWhenItsTokensAreTakenAgain) {
  subscribe(0, 5'000);
  publish();
  start(&provider_here_);
  turn();
  answer_hundreds(1, 50);
  while (!provider_here_.open.empty()) answer({.kind = push::VerdictKind::kAccepted});
  turn();
  provider_here_.doubtful_devices = 0;
  while (!provider_here_.open.empty()) answer({.kind = push::VerdictKind::kAccepted});
  turn();
  EXPECT_GT(provider_here_.open.size(), 100U);
  EXPECT_EQ(provider_here_.doubtful_devices, 0U);
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_doubt_test
