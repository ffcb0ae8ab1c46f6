#include "providers/webpush/webpush_verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace carillon::push::webpush_verdict_test {
namespace {

using namespace std::chrono_literals;
using Kind = VerdictKind;
using Scope = ThrottleScope;
using Advice = WebPushAdvice;

constexpr std::chrono::system_clock::time_point kNow{1'800'000'000s};

WebPushJudgement judge(std::uint16_t status, std::string_view body,
                       std::string_view retry_after = {}, std::string_view wns_status = {}) {
  return judge_webpush(
      {.status = status, .body = body, .retry_after = retry_after, .wns_status = wns_status}, kNow);
}

struct Case {
  std::uint16_t status;
  const char* body;
  Kind kind;
  const char* reason;
  Advice advice = Advice::kNone;
  Scope scope = Scope::kNone;
};

constexpr Case kCases[] = {
    // RFC 8030.
    {200, "", Kind::kAccepted, ""},
    {201, "", Kind::kAccepted, ""},
    {202, "", Kind::kAccepted, ""},
    {204, "", Kind::kAccepted, ""},
    {301, "", Kind::kUnavailable, "Status301"},
    {307, "<html>", Kind::kUnavailable, "Status307"},
    {400, "", Kind::kNotificationRefused, "Status400"},
    {401, "", Kind::kCredentialRefused, "Status401", Advice::kVapidRefused},
    {403, "", Kind::kCredentialRefused, "Status403", Advice::kVapidRefused},
    {404, "", Kind::kTokenDead, "Status404"},
    {405, "", Kind::kNotificationRefused, "Status405"},
    {408, "", Kind::kUnavailable, "Status408"},
    {410, "", Kind::kTokenDead, "Status410"},
    {413, "", Kind::kNotificationRefused, "Status413"},
    {418, "", Kind::kNotificationRefused, "Status418"},
    {421, "", Kind::kNotSent, "Status421"},
    {429, "", Kind::kThrottled, "Status429"},
    {500, "", Kind::kUnavailable, "Status500"},
    {503, "<html>502 Bad Gateway</html>", Kind::kUnavailable, "Status503"},
    // Mozilla.
    {400, R"({"code":400,"errno":111,"error":"Bad Request"})", Kind::kNotificationRefused,
     "Errno111"},
    {401, R"({"code":401,"errno":109})", Kind::kCredentialRefused, "Errno109",
     Advice::kVapidRefused},
    {404, R"({"code":404,"errno":102})", Kind::kTokenDead, "Errno102"},
    {410, R"({"code":410,"errno":103})", Kind::kTokenDead, "Errno103"},
    {410, R"({"code":410,"errno":106})", Kind::kTokenDead, "Errno106"},
    {413, R"({"code":413,"errno":104})", Kind::kNotificationRefused, "Errno104"},
    {502, R"({"code":502,"errno":901})", Kind::kUnavailable, "Errno901"},
    {503, R"({"code":503,"errno":201})", Kind::kUnavailable, "Errno201"},
    // Apple.
    {400, R"({"reason":"BadTtl"})", Kind::kNotificationRefused, "BadTtl"},
    {400, R"({"reason":"BadUrgency"})", Kind::kNotificationRefused, "BadUrgency"},
    {400, R"({"reason":"BadWebPushTopic"})", Kind::kNotificationRefused, "BadWebPushTopic"},
    {400, R"({"reason":"BadWebPushRequest"})", Kind::kNotificationRefused, "BadWebPushRequest"},
    {400, R"({"reason":"VapidPkHashMismatch"})", Kind::kTokenUnusable, "VapidPkHashMismatch"},
    {400, R"({"reason":"BadAuthorizationHeader"})", Kind::kCredentialRefused,
     "BadAuthorizationHeader", Advice::kVapidRefused},
    {400, R"({"reason":"IdleTimeout"})", Kind::kNotSent, "IdleTimeout"},
    {403, R"({"reason":"BadJwtToken"})", Kind::kCredentialRefused, "BadJwtToken",
     Advice::kVapidRefused},
    {403, R"({"reason":"BadVapidPublicKey"})", Kind::kCredentialRefused, "BadVapidPublicKey",
     Advice::kVapidRefused},
    {413, R"({"reason":"PayloadTooLarge"})", Kind::kNotificationRefused, "PayloadTooLarge"},
    {429, R"({"reason":"TooManyRequests"})", Kind::kThrottled, "TooManyRequests"},
    {500, R"({"reason":"InternalServerError"})", Kind::kUnavailable, "InternalServerError"},
    {503, R"({"reason":"Shutdown"})", Kind::kUnavailable, "Shutdown"},
    // Firebase, in pages of text.
    {400, "<HTML><TITLE>UnauthorizedRegistration</TITLE></HTML>", Kind::kTokenUnusable,
     "UnauthorizedRegistration"},
    {403,
     "the VAPID credentials in the authorization header do not correspond to the credentials used "
     "to create the subscriptions.\n",
     Kind::kTokenUnusable, "VapidPkHashMismatch"},
    {413, "MessageTooBig", Kind::kNotificationRefused, "MessageTooBig"},
    {401, "authorization header must be specified.", Kind::kCredentialRefused, "Status401",
     Advice::kVapidRefused},
    // Windows.
    {406, "", Kind::kThrottled, "Status406", Advice::kNone, Scope::kDevice},
    // Words that nobody knew when this was written.
    {400, R"({"reason":"BadMood"})", Kind::kNotificationRefused, "BadMood"},
    {403, R"({"reason":"BadMood"})", Kind::kCredentialRefused, "BadMood", Advice::kVapidRefused},
    {503, R"({"reason":"VapidPkHashMismatch"})", Kind::kUnavailable, "VapidPkHashMismatch"},
    {410, R"({"reason":"VapidPkHashMismatch"})", Kind::kTokenDead, "VapidPkHashMismatch"},
    {400, R"({"reason":17,"errno":"x"})", Kind::kNotificationRefused, "Status400"},
    {400, R"({"errno":-1})", Kind::kNotificationRefused, "Status400"},
    {400, "[1]", Kind::kNotificationRefused, "Status400"},
};

TEST(WebPushVerdict, JudgesEveryRowOfTheTable) {
  for (const auto& expected : kCases) {
    SCOPED_TRACE(fmt::format("{} {}", expected.status, expected.body));
    const auto judged = judge(expected.status, expected.body);
    EXPECT_EQ(judged.verdict.kind, expected.kind);
    EXPECT_EQ(judged.verdict.status, expected.status);
    EXPECT_EQ(judged.verdict.reason, expected.reason);
    EXPECT_EQ(judged.verdict.scope, expected.scope);
    EXPECT_EQ(judged.advice, expected.advice);
    EXPECT_LT(judged.verdict.since_ms, 0ms) << "no service tells since when";
  }
}

TEST(WebPushVerdict, KillsATokenFor404And410AndNothingElse) {
  for (std::uint16_t status = 200; status < 600; ++status) {
    for (const char* body : {"", R"({"errno":103})", R"({"reason":"Unregistered"})",
                             "NotRegistered", R"({"reason":"ExpiredToken"})"}) {
      const auto judged = judge(status, body);
      EXPECT_EQ(judged.verdict.kind == Kind::kTokenDead, status == 404 || status == 410)
          << status << " " << body;
    }
  }
}

TEST(WebPushVerdict, PassesOnHowLongToWait) {
  for (const std::uint16_t status : std::initializer_list<std::uint16_t>{406, 429, 503}) {
    EXPECT_EQ(judge(status, "", "120").verdict.retry_after, 120s) << status;
    EXPECT_LT(judge(status, "").verdict.retry_after, 0s) << status;
  }
}

TEST(WebPushVerdict, DoesNotTakeWindowsYesForAYesWhenNothingIsDelivered) {
  for (const std::uint16_t status : std::initializer_list<std::uint16_t>{200, 201}) {
    EXPECT_EQ(judge(status, "", "", "received").verdict.kind, Kind::kAccepted);
    EXPECT_EQ(judge(status, "", "", "connected").verdict.kind, Kind::kAccepted);
    const auto dropped = judge(status, "", "", "dropped").verdict;
    EXPECT_EQ(dropped.kind, Kind::kNotificationRefused);
    EXPECT_EQ(dropped.reason, "dropped");
    const auto throttled = judge(status, "", "30", "channelthrottled").verdict;
    EXPECT_EQ(throttled.kind, Kind::kThrottled);
    EXPECT_EQ(throttled.scope, Scope::kDevice);
    EXPECT_EQ(throttled.retry_after, 30s);
  }
}

TEST(WebPushVerdict, KeepsAReasonShortAndPrintable) {
  const auto judged =
      judge(400, R"({"reason":"\u0007)" + std::string(2 * kReasonBytesMax, 'x') + "\"}");
  EXPECT_EQ(judged.verdict.reason, "?" + std::string(kReasonBytesMax - 1, 'x'));
}

}  // namespace
}  // namespace carillon::push::webpush_verdict_test
