#include "providers/apns/apns_verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace carillon::push {
namespace {

using namespace std::chrono_literals;
using Kind = VerdictKind;
using Scope = ThrottleScope;
using Advice = ApnsAdvice;

constexpr std::chrono::system_clock::time_point kNow{1'800'000'000s};

ApnsJudgement judge(std::uint16_t status, std::string_view body,
                    std::string_view retry_after = {}) {
  return judge_apns({.status = status, .body = body, .retry_after = retry_after}, kNow);
}

struct Case {
  std::uint16_t status;
  const char* reason;
  Kind kind;
  Scope scope = Scope::kNone;
  Advice advice = Advice::kNone;
};

// Apple's table of statuses and reasons, and what each means to a relay.
constexpr Case kCases[] = {
    {400, "BadCollapseId", Kind::kNotificationRefused},
    {400, "BadDeviceToken", Kind::kTokenUnusable},
    {400, "BadExpirationDate", Kind::kNotificationRefused},
    {400, "BadMessageId", Kind::kNotificationRefused},
    {400, "BadPriority", Kind::kNotificationRefused},
    {400, "BadTopic", Kind::kCredentialRefused},
    {400, "DeviceTokenNotForTopic", Kind::kTokenUnusable},
    {400, "DuplicateHeaders", Kind::kNotificationRefused},
    {400, "IdleTimeout", Kind::kNotSent, Scope::kNone, Advice::kRetireConnection},
    {400, "InvalidPushType", Kind::kNotificationRefused},
    {400, "MissingDeviceToken", Kind::kTokenUnusable},
    {400, "MissingTopic", Kind::kCredentialRefused},
    {400, "PayloadEmpty", Kind::kNotificationRefused},
    {400, "TopicDisallowed", Kind::kCredentialRefused},
    {400, "BadChannelId", Kind::kNotificationRefused},
    {400, "BadRequestParams", Kind::kNotificationRefused},
    {400, "BadRequestPayload", Kind::kNotificationRefused},
    {400, "CannotCreateChannelConfig", Kind::kNotificationRefused},
    {400, "ChannelNotRegistered", Kind::kNotificationRefused},
    {400, "FeatureNotEnabled", Kind::kNotificationRefused},
    {400, "MissingChannelId", Kind::kNotificationRefused},
    {400, "MissingPushType", Kind::kNotificationRefused},
    {403, "TopicMismatch", Kind::kCredentialRefused},
    {403, "BadCertificate", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {403, "BadCertificateEnvironment", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {403, "BadEnvironmentKeyIdInToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {403, "BadEnvironmentKeyInToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {403, "ExpiredProviderToken", Kind::kNotSent, Scope::kNone, Advice::kRenewToken},
    {403, "Forbidden", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {403, "InvalidProviderToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {403, "MissingProviderToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {403, "UnrelatedKeyIdInToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {404, "BadPath", Kind::kNotificationRefused},
    {405, "MethodNotAllowed", Kind::kNotificationRefused},
    {410, "ExpiredToken", Kind::kTokenDead},
    {410, "Unregistered", Kind::kTokenDead},
    {413, "PayloadTooLarge", Kind::kNotificationRefused},
    {429, "TooManyProviderTokenUpdates", Kind::kThrottled, Scope::kCredential,
     Advice::kRetireConnection},
    {429, "TooManyRequests", Kind::kThrottled, Scope::kDevice},
    {500, "InternalServerError", Kind::kUnavailable},
    {503, "ServiceUnavailable", Kind::kUnavailable},
    {503, "Shutdown", Kind::kUnavailable},
    // Words that nobody knew when this was written.
    {400, "BadMood", Kind::kNotificationRefused},
    {403, "BadMood", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {404, "BadMood", Kind::kNotificationRefused},
    {410, "BadMood", Kind::kTokenUnusable},
    {429, "BadMood", Kind::kThrottled},
    {500, "BadMood", Kind::kUnavailable},
    {599, "BadMood", Kind::kUnavailable},
    {302, "BadMood", Kind::kUnanswered},
    {204, "BadMood", Kind::kUnanswered},
    // A word that kills, in an answer that does not.
    {400, "Unregistered", Kind::kTokenUnusable},
};

TEST(ApnsVerdict, JudgesEveryReasonOfApplesTable) {
  for (const auto& expected : kCases) {
    SCOPED_TRACE(fmt::format("{} {}", expected.status, expected.reason));
    const auto judged =
        judge(expected.status, fmt::format(R"({{"reason":"{}"}})", expected.reason));
    EXPECT_EQ(judged.verdict.kind, expected.kind);
    EXPECT_EQ(judged.verdict.scope, expected.scope);
    EXPECT_EQ(judged.advice, expected.advice);
    EXPECT_EQ(judged.verdict.status, expected.status);
    EXPECT_EQ(judged.verdict.reason, expected.reason);
    EXPECT_LT(judged.verdict.retry_after, 0s);
    EXPECT_LT(judged.verdict.since_ms, 0ms);
  }
}

TEST(ApnsVerdict, OnTheTopicOfAPushTypeIsAboutItsNotificationsAlone) {
  for (const char* reason : {"BadTopic", "MissingTopic", "TopicDisallowed"}) {
    const std::string body = fmt::format(R"({{"reason":"{}"}})", reason);
    const auto now = std::chrono::system_clock::now();
    EXPECT_EQ(judge_apns({.status = 400, .body = body}, now, ApnsTopic::kOfAPushType).verdict.kind,
              Kind::kNotificationRefused)
        << reason;
  }
  const auto token = judge_apns({.status = 403, .body = R"({"reason":"InvalidProviderToken"})"},
                                std::chrono::system_clock::now(), ApnsTopic::kOfAPushType);
  EXPECT_EQ(token.verdict.kind, Kind::kCredentialRefused);
}

TEST(ApnsVerdict, TellsSinceWhenATokenIsDead) {
  const auto judged = judge(410, R"({"reason":"Unregistered","timestamp":1799999999001})");
  EXPECT_EQ(judged.verdict.kind, Kind::kTokenDead);
  EXPECT_EQ(judged.verdict.since_ms, 1799999999001ms);
}

TEST(ApnsVerdict, DoesNotBelieveATimestampThatIsNone) {
  for (const char* timestamp : {"-5", "\"1799999999001\"", "1.5", "null", "{}"}) {
    SCOPED_TRACE(timestamp);
    const auto judged =
        judge(410, fmt::format(R"({{"reason":"Unregistered","timestamp":{}}})", timestamp));
    EXPECT_EQ(judged.verdict.kind, Kind::kTokenDead);
    EXPECT_LT(judged.verdict.since_ms, 0ms);
  }
}

TEST(ApnsVerdict, NeverKillsATokenForAnAnswerItCannotRead) {
  for (const char* body : {"", "{", "[]", "null", "\"Unregistered\"", "<html>gone</html>",
                           R"({"reason":410})", R"({"reason":["Unregistered"]})"}) {
    SCOPED_TRACE(body);
    const auto judged = judge(410, body);
    EXPECT_EQ(judged.verdict.kind, Kind::kTokenUnusable);
    EXPECT_EQ(judged.verdict.reason, "Status410");
  }
}

TEST(ApnsVerdict, TakesRetryAfterFromWhoeverSendsIt) {
  EXPECT_EQ(judge(503, R"({"reason":"ServiceUnavailable"})", "17").verdict.retry_after, 17s);
}

TEST(ApnsVerdict, CutsAndCleansAReason) {
  const std::string reason = std::string(kReasonBytesMax - 1, 'x') + "\\u00e9" + "yyy";
  const auto judged = judge(400, fmt::format(R"({{"reason":"{}"}})", reason));
  EXPECT_EQ(judged.verdict.reason, std::string(kReasonBytesMax - 1, 'x') + "?");
}

}  // namespace
}  // namespace carillon::push
