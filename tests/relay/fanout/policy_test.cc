#include "relay/fanout/policy.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::fanout::policy_test {
namespace {

using push::Platform;
using push::ThrottleScope;
using push::Verdict;
using push::VerdictKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Outcome::Kind;

constexpr std::int64_t kNow = 1'000'000;
constexpr std::int64_t kRead = 990'000;
constexpr std::int64_t kFar = kNow + 36'000'000;

config::Fanout limits() {
  return {.attempts_max = 4,
          .retry_first_ms = 1'000,
          .retry_max_ms = 60'000,
          .apns_unavailable_ms = 900'000,
          .fcm_unavailable_ms = 10'000};
}

struct Row {
  std::string what;
  Attempt attempt;
  Verdict verdict;
  Outcome expected;  // with a jitter of 0
};

void hold(const Row& row) {
  SCOPED_TRACE(row.what);
  const Outcome outcome = decide(row.attempt, row.verdict, kNow, limits(), 0.0);
  EXPECT_EQ(outcome.kind, row.expected.kind);
  EXPECT_EQ(outcome.due_ms, row.expected.due_ms);
  EXPECT_EQ(outcome.attempts, row.expected.attempts);
  EXPECT_EQ(outcome.token, row.expected.token);
  EXPECT_EQ(outcome.dead_since_ms, row.expected.dead_since_ms);
  EXPECT_EQ(outcome.pause_until_ms, row.expected.pause_until_ms);
  EXPECT_EQ(outcome.slow_down, row.expected.slow_down);
}

TEST(DeliveryPolicy, IsTheSameForEveryPlatformWhereNoVendorSaysOtherwise) {
  for (const Platform platform : {Platform::kApns, Platform::kFcm, Platform::kWebPush}) {
    SCOPED_TRACE(testing::Message() << "platform " << static_cast<int>(platform));
    const Attempt first{.platform = platform, .expires_ms = kFar, .token_read_ms = kRead};
    Attempt third = first, last = first, ending = first, once = first;
    third.made_before = 2;
    last.made_before = 3;
    ending.expires_ms = kNow + 100;
    once.now_or_never = true;
    const Row rows[] = {
        {"accepted",
         first,
         {.kind = VerdictKind::kAccepted},
         {.kind = Kind::kAccepted, .attempts = 1}},
        {"dead since a time before we read the token",
         first,
         {.kind = VerdictKind::kTokenDead, .since_ms = milliseconds(500'000)},
         {.kind = Kind::kRejected,
          .attempts = 1,
          .token = TokenWord::kDead,
          .dead_since_ms = 500'000}},
        {"dead since later: whoever registered after our reading is not meant",
         first,
         {.kind = VerdictKind::kTokenDead, .since_ms = milliseconds(995'000)},
         {.kind = Kind::kRejected,
          .attempts = 1,
          .token = TokenWord::kDead,
          .dead_since_ms = kRead}},
        {"dead without a time",
         first,
         {.kind = VerdictKind::kTokenDead},
         {.kind = Kind::kRejected,
          .attempts = 1,
          .token = TokenWord::kDead,
          .dead_since_ms = kRead}},
        {"unusable: perhaps our mistake",
         first,
         {.kind = VerdictKind::kTokenUnusable},
         {.kind = Kind::kRejected,
          .attempts = 1,
          .token = TokenWord::kUnusable,
          .dead_since_ms = kRead}},
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
        {"this device is throttled, nobody says for how long",
         first,
         {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kDevice},
         {.kind = Kind::kRetry, .due_ms = kNow + kThrottleMs, .attempts = 1}},
        {"somebody is throttled: the device waits, all slow down",
         first,
         {.kind = VerdictKind::kThrottled, .retry_after = seconds(7)},
         {.kind = Kind::kRetry, .due_ms = kNow + 7'000, .attempts = 1, .slow_down = true}},
        {"the project is throttled: the way closes",
         first,
         {.kind = VerdictKind::kThrottled,
          .scope = ThrottleScope::kProject,
          .retry_after = seconds(7)},
         {.kind = Kind::kRetry,
          .due_ms = kNow + 7'000,
          .attempts = 1,
          .pause_until_ms = kNow + 7'000,
          .slow_down = true}},
        {"the project is throttled, nobody says for how long",
         first,
         {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kProject},
         {.kind = Kind::kRetry,
          .due_ms = kNow + kThrottleMs,
          .attempts = 1,
          .pause_until_ms = kNow + kThrottleMs,
          .slow_down = true}},
        {"unavailable with a longer Retry-After than our backoff",
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
        {"throttled at the last attempt",
         last,
         {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kDevice},
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
        {"unanswered, third time: the backoff has doubled twice",
         third,
         {.kind = VerdictKind::kUnanswered},
         {.kind = Kind::kRetry, .due_ms = kNow + 2'000, .attempts = 3}},
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
          .due_ms = kNow + kNotSentPauseMs,
          .attempts = 3,
          .pause_until_ms = kNow + kCredentialPauseMs}},
    };
    for (const Row& row : rows) hold(row);
  }
}

TEST(DeliveryPolicy, WaitsAfterA5xxAsEachVendorAsks) {
  const Attempt apns{.platform = Platform::kApns, .expires_ms = kFar};
  const Attempt fcm{.platform = Platform::kFcm, .expires_ms = kFar};
  const Attempt fcm_third{.platform = Platform::kFcm, .made_before = 2, .expires_ms = kFar};
  const Attempt webpush{.platform = Platform::kWebPush, .expires_ms = kFar};
  const Verdict unavailable{.kind = VerdictKind::kUnavailable};
  const Row rows[] = {
      {"Apple: a quarter of an hour",
       apns,
       unavailable,
       {.kind = Kind::kRetry, .due_ms = kNow + 900'000, .attempts = 1}},
      {"Google: ten seconds",
       fcm,
       unavailable,
       {.kind = Kind::kRetry, .due_ms = kNow + 10'000, .attempts = 1}},
      {"Google, third time",
       fcm_third,
       unavailable,
       {.kind = Kind::kRetry, .due_ms = kNow + 40'000, .attempts = 3}},
      {"browsers' services name no time: ours",
       webpush,
       unavailable,
       {.kind = Kind::kRetry, .due_ms = kNow + 500, .attempts = 1}},
      {"Apple does not document a Retry-After; one that comes is believed all the same",
       apns,
       {.kind = VerdictKind::kUnavailable, .retry_after = seconds(5)},
       {.kind = Kind::kRetry, .due_ms = kNow + 5'000, .attempts = 1}},
  };
  for (const Row& row : rows) hold(row);
}

TEST(DeliveryPolicy, KnowsWhomAThrottleIsAbout) {
  const Row rows[] = {
      {"Apple's token was renewed too often: nobody's attempt, the way closes, the rate is not why",
       {.platform = Platform::kApns, .made_before = 3, .expires_ms = kFar},
       {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kCredential},
       {.kind = Kind::kRetry,
        .due_ms = kNow + 60'000,
        .attempts = 3,
        .pause_until_ms = kNow + 60'000}},
      {"an FCM topic is over its budget",
       {.platform = Platform::kFcm, .expires_ms = kFar},
       {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kTopic, .retry_after = seconds(9)},
       {.kind = Kind::kRetry,
        .due_ms = kNow + 9'000,
        .attempts = 1,
        .pause_until_ms = kNow + 9'000,
        .slow_down = true}},
      {"a push service has enough of one topic: other services go on",
       {.platform = Platform::kWebPush, .expires_ms = kFar},
       {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kTopic, .retry_after = seconds(9)},
       {.kind = Kind::kRetry, .due_ms = kNow + 9'000, .attempts = 1}},
      {"a credential of FCM",
       {.platform = Platform::kFcm, .expires_ms = kFar},
       {.kind = VerdictKind::kThrottled,
        .scope = ThrottleScope::kCredential,
        .retry_after = seconds(9)},
       {.kind = Kind::kRetry,
        .due_ms = kNow + 9'000,
        .attempts = 0,
        .pause_until_ms = kNow + 9'000,
        .slow_down = true}},
  };
  for (const Row& row : rows) hold(row);
}

TEST(DeliveryPolicy, OnlyAWordOnTheTokenIsAboutTheToken) {
  for (const Platform platform : {Platform::kApns, Platform::kFcm, Platform::kWebPush}) {
    const Attempt attempt{.platform = platform, .expires_ms = kFar, .token_read_ms = kRead};
    for (const VerdictKind kind :
         {VerdictKind::kAccepted, VerdictKind::kThrottled, VerdictKind::kUnavailable,
          VerdictKind::kNotificationRefused, VerdictKind::kCredentialRefused, VerdictKind::kNotSent,
          VerdictKind::kUnanswered}) {
      EXPECT_EQ(decide(attempt, {.kind = kind}, kNow, limits(), 0.5).token, TokenWord::kNone)
          << static_cast<int>(kind);
    }
  }
}

TEST(DeliveryPolicy, BackoffDoublesUpToItsEndAndJitterTakesTheUpperHalf) {
  EXPECT_EQ(backoff_ms(1'000, 1, limits(), 0.0), 500);
  EXPECT_EQ(backoff_ms(1'000, 2, limits(), 0.0), 1'000);
  EXPECT_EQ(backoff_ms(1'000, 7, limits(), 0.0), 30'000) << "64 s is cut to 60 s";
  EXPECT_EQ(backoff_ms(1'000, 4'000'000, limits(), 0.0), 30'000);
  EXPECT_EQ(backoff_ms(1'000, 1, limits(), 0.5), 750);
  EXPECT_LT(backoff_ms(1'000, 1, limits(), 0.999), 1'000);
}

TEST(DeliveryPolicy, JitterNeverComesBeforeWhatTheProviderOrItsVendorSaid) {
  const Attempt attempt{.platform = Platform::kFcm, .expires_ms = kFar};
  const auto due = [&](seconds retry_after, double jitter) {
    return decide(attempt, {.kind = VerdictKind::kUnavailable, .retry_after = retry_after}, kNow,
                  limits(), jitter)
               .due_ms -
           kNow;
  };
  EXPECT_EQ(due(seconds(80), 0.0), 80'000);
  EXPECT_EQ(due(seconds(80), 0.5), 85'000);
  EXPECT_LT(due(seconds(80), 0.999), 90'000);
  EXPECT_EQ(due(seconds(-1), 0.0), 10'000);
  EXPECT_EQ(due(seconds(-1), 0.5), 11'250);
  const Verdict throttled{.kind = VerdictKind::kThrottled,
                          .scope = ThrottleScope::kProject,
                          .retry_after = seconds(80)};
  EXPECT_EQ(decide(attempt, throttled, kNow, limits(), 0.5).pause_until_ms, kNow + 80'000)
      << "the lane opens when it was told to, its devices come back spread";
}

TEST(DeliveryPolicy, TheEventsTimeAndTheBoundOnAttemptsHoldAtTheirEdges) {
  const auto after = [](Attempt attempt, seconds retry_after) {
    attempt.platform = Platform::kFcm;
    return decide(attempt, {.kind = VerdictKind::kUnavailable, .retry_after = retry_after}, kNow,
                  limits(), 0.0)
        .kind;
  };
  EXPECT_EQ(after({.expires_ms = kNow + 5'001}, seconds(5)), Kind::kRetry);
  EXPECT_EQ(after({.expires_ms = kNow + 5'000}, seconds(5)), Kind::kExpired);
  EXPECT_EQ(after({.made_before = 2, .expires_ms = kFar}, seconds(5)), Kind::kRetry);
  EXPECT_EQ(after({.made_before = 3, .expires_ms = kFar}, seconds(5)), Kind::kDeadLettered);
}

}  // namespace
}  // namespace carillon::fanout::policy_test
