// A credential that is refused, and another one in its place.
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_credential_test {
namespace {

using push::ThrottleScope;
using push::VerdictKind;

class DispatcherCredential : public DispatcherTest {
 protected:
  ScriptedProvider provider_here_;
};

TEST_F(DispatcherCredential, AnotherOneOpensTheWayThatARefusedOneHadClosed) {
  subscribe(0, 40);
  const auto id = publish();
  start(&provider_here_);
  turn();
  const std::size_t first = provider_here_.open.size();
  ASSERT_GT(first, 0u);
  answer_all(VerdictKind::kCredentialRefused);
  EXPECT_TRUE(totals_.credential_refused);
  pass(kNotSentPauseMs);
  record();
  for (std::int64_t waited = kNotSentPauseMs; waited + 1'000 < kCredentialPauseMs;
       waited += 1'000) {
    pass(1'000);
    EXPECT_TRUE(provider_here_.open.empty()) << waited;
  }
  dispatcher_->renew_credential(0);
  EXPECT_FALSE(totals_.credential_refused);
  turn();
  EXPECT_GE(provider_here_.open.size(), first) << "those who were refused, too";
  run_to_the_end();
  EXPECT_EQ(counters(id).accepted, 40u);
}

TEST_F(DispatcherCredential, WhoWasThrottledForSomethingElseIsThrottledStill) {
  subscribe(0, 40);
  publish();
  start(&provider_here_);
  turn();
  answer({.kind = VerdictKind::kCredentialRefused});
  answer({.kind = VerdictKind::kThrottled,
          .scope = ThrottleScope::kProject,
          .retry_after = std::chrono::seconds(60)});
  answer_all();
  dispatcher_->renew_credential(0);
  pass(1'000);
  EXPECT_TRUE(provider_here_.open.empty());
  pass(60'000);
  EXPECT_FALSE(provider_here_.open.empty());
}

TEST_F(DispatcherCredential, AnAcceptedNotificationEndsTheAlarm) {
  subscribe(0, 2);
  publish();
  start(&provider_here_);
  turn();
  answer({.kind = VerdictKind::kCredentialRefused});
  EXPECT_TRUE(totals_.credential_refused);
  answer({.kind = VerdictKind::kAccepted});
  EXPECT_FALSE(totals_.credential_refused);
}

TEST_F(DispatcherCredential, WordsAgainstTokensAreJudgedAnewUnderAnotherOne) {
  limits_.dead_answers_min = 10;
  subscribe(0, 20);
  publish();
  start(&provider_here_);
  run_to_the_end();
  ASSERT_EQ(totals_.guard, TokenGuard::State::kCalm);
  dispatcher_->renew_credential(0);
  EXPECT_EQ(totals_.guard, TokenGuard::State::kLearning);
  publish();
  auto jobs = store_->unfinished_jobs();
  ASSERT_TRUE(jobs);
  for (store::Job& job : *jobs) {
    dispatcher_->take_up(0, {.job = std::move(job), .notification = {.title = title_}});
  }
  turn();
  for (int i = 0; i < 5; ++i) answer({.kind = VerdictKind::kTokenDead, .reason = "Unregistered"});
  EXPECT_EQ(totals_.tokens_removed, 0u);
  record_all();
  EXPECT_EQ(totals_.tokens_removed, 0u) << "it may be the key's environment";
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_credential_test
