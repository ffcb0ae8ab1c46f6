#include "relay/fanout/policy.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::fanout {
namespace {

using push::ThrottleScope;
using push::Verdict;
using push::VerdictKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Outcome::Kind;

constexpr std::int64_t kNow = 1'000'000;
constexpr std::int64_t kRead = 990'000;
constexpr std::int64_t kFar = kNow + 3'600'000;

config::Fanout limits() {
  return {.attempts_max = 4, .retry_first_ms = 1'000, .retry_max_ms = 60'000};
}

struct Row {
  std::string what;
  Attempt attempt;
  Verdict verdict;
  Outcome expected;  // with a jitter of 0: half of each backoff step
};

TEST(DeliveryPolicy, TurnsEveryVerdictIntoItsOutcome) {
  const Attempt first{.expires_ms = kFar, .token_read_ms = kRead};
  const Attempt third{.made_before = 2, .expires_ms = kFar, .token_read_ms = kRead};
  const Attempt last{.made_before = 3, .expires_ms = kFar, .token_read_ms = kRead};
  const Attempt ending{.expires_ms = kNow + 100, .token_read_ms = kRead};
  const Attempt once{.expires_ms = kFar, .now_or_never = true, .token_read_ms = kRead};
  const Row rows[] = {
      {"accepted",
       first,
       {.kind = VerdictKind::kAccepted},
       {.kind = Kind::kAccepted, .attempts = 1}},
      {"dead since a time before we read the token",
       first,
       {.kind = VerdictKind::kTokenDead, .since_ms = milliseconds(500'000)},
       {.kind = Kind::kRejected, .attempts = 1, .remove_token = true, .dead_since_ms = 500'000}},
      {"dead since later: whoever registered after our reading has another token",
       first,
       {.kind = VerdictKind::kTokenDead, .since_ms = milliseconds(995'000)},
       {.kind = Kind::kRejected, .attempts = 1, .remove_token = true, .dead_since_ms = kRead}},
      {"dead without a time",
       first,
       {.kind = VerdictKind::kTokenDead},
       {.kind = Kind::kRejected, .attempts = 1, .remove_token = true, .dead_since_ms = kRead}},
      {"unusable: perhaps our mistake, so the token stays",
       first,
       {.kind = VerdictKind::kTokenUnusable},
       {.kind = Kind::kRejected, .attempts = 1}},
      {"refused",
       third,
       {.kind = VerdictKind::kNotificationRefused},
       {.kind = Kind::kRejected, .attempts = 3}},
      {"this device is throttled, the others are not",
       first,
       {.kind = VerdictKind::kThrottled,
        .scope = ThrottleScope::kDevice,
        .retry_after = seconds(7)},
       {.kind = Kind::kRetry, .due_ms = kNow + 7'000, .attempts = 1}},
      {"the project is throttled: the way closes",
       first,
       {.kind = VerdictKind::kThrottled,
        .scope = ThrottleScope::kProject,
        .retry_after = seconds(7)},
       {.kind = Kind::kRetry,
        .due_ms = kNow + 7'000,
        .attempts = 1,
        .pause_until_ms = kNow + 7'000}},
      {"the project is throttled, nobody says for how long",
       first,
       {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kProject},
       {.kind = Kind::kRetry,
        .due_ms = kNow + kProjectThrottleMs,
        .attempts = 1,
        .pause_until_ms = kNow + kProjectThrottleMs}},
      {"unavailable, first time",
       first,
       {.kind = VerdictKind::kUnavailable},
       {.kind = Kind::kRetry, .due_ms = kNow + 500, .attempts = 1}},
      {"unavailable, third time: the backoff has doubled twice",
       third,
       {.kind = VerdictKind::kUnavailable},
       {.kind = Kind::kRetry, .due_ms = kNow + 2'000, .attempts = 3}},
      {"unavailable with a longer Retry-After",
       third,
       {.kind = VerdictKind::kUnavailable, .retry_after = seconds(30)},
       {.kind = Kind::kRetry, .due_ms = kNow + 30'000, .attempts = 3}},
      {"unavailable with a shorter Retry-After: our backoff is the floor",
       third,
       {.kind = VerdictKind::kUnavailable, .retry_after = seconds(1)},
       {.kind = Kind::kRetry, .due_ms = kNow + 2'000, .attempts = 3}},
      {"unavailable at the last attempt",
       last,
       {.kind = VerdictKind::kUnavailable},
       {.kind = Kind::kDeadLettered, .attempts = 4}},
      {"unavailable, and the event ends before the next attempt",
       ending,
       {.kind = VerdictKind::kUnavailable},
       {.kind = Kind::kExpired, .attempts = 1}},
      {"now or never had its chance",
       once,
       {.kind = VerdictKind::kUnavailable},
       {.kind = Kind::kExpired, .attempts = 1}},
      {"unanswered may repeat, and counts",
       first,
       {.kind = VerdictKind::kUnanswered},
       {.kind = Kind::kRetry, .due_ms = kNow + 500, .attempts = 1}},
      {"not sent is no attempt",
       last,
       {.kind = VerdictKind::kNotSent},
       {.kind = Kind::kRetry, .due_ms = kNow + kNotSentPauseMs, .attempts = 3}},
      {"not sent leaves now or never its chance",
       once,
       {.kind = VerdictKind::kNotSent},
       {.kind = Kind::kRetry, .due_ms = kNow + kNotSentPauseMs, .attempts = 0}},
      {"a refused credential is nobody's attempt and closes the way",
       last,
       {.kind = VerdictKind::kCredentialRefused},
       {.kind = Kind::kRetry,
        .due_ms = kNow + kCredentialPauseMs,
        .attempts = 3,
        .pause_until_ms = kNow + kCredentialPauseMs}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Outcome outcome = decide(row.attempt, row.verdict, kNow, limits(), 0.0);
    EXPECT_EQ(outcome.kind, row.expected.kind);
    EXPECT_EQ(outcome.due_ms, row.expected.due_ms);
    EXPECT_EQ(outcome.attempts, row.expected.attempts);
    EXPECT_EQ(outcome.remove_token, row.expected.remove_token);
    EXPECT_EQ(outcome.dead_since_ms, row.expected.dead_since_ms);
    EXPECT_EQ(outcome.pause_until_ms, row.expected.pause_until_ms);
  }
}

TEST(DeliveryPolicy, OnlyAnExplicitWordOfTheProviderRemovesAToken) {
  const Attempt attempt{.expires_ms = kFar, .token_read_ms = kRead};
  for (const VerdictKind kind :
       {VerdictKind::kAccepted, VerdictKind::kTokenUnusable, VerdictKind::kThrottled,
        VerdictKind::kUnavailable, VerdictKind::kNotificationRefused,
        VerdictKind::kCredentialRefused, VerdictKind::kNotSent, VerdictKind::kUnanswered}) {
    EXPECT_FALSE(decide(attempt, {.kind = kind}, kNow, limits(), 0.5).remove_token)
        << static_cast<int>(kind);
  }
}

TEST(DeliveryPolicy, BackoffDoublesUpToItsEndAndJitterTakesTheUpperHalf) {
  EXPECT_EQ(backoff_ms(1, limits(), 0.0), 500);
  EXPECT_EQ(backoff_ms(2, limits(), 0.0), 1'000);
  EXPECT_EQ(backoff_ms(7, limits(), 0.0), 30'000) << "64 s is cut to 60 s";
  EXPECT_EQ(backoff_ms(4'000'000, limits(), 0.0), 30'000);
  EXPECT_EQ(backoff_ms(1, limits(), 0.5), 750);
  EXPECT_LT(backoff_ms(1, limits(), 0.999), 1'000);
}

}  // namespace
}  // namespace carillon::fanout
