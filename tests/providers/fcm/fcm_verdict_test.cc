#include "providers/fcm/fcm_verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace carillon::push::fcm_verdict_test {
namespace {

using namespace std::chrono_literals;
using Kind = VerdictKind;
using Scope = ThrottleScope;
using Advice = FcmAdvice;

constexpr std::chrono::system_clock::time_point kNow{1'800'000'000s};
constexpr const char* kFcmError = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

FcmJudgement judge(std::uint16_t status, std::string_view body, std::string_view retry_after = {}) {
  return judge_fcm({.status = status, .body = body, .retry_after = retry_after}, kNow);
}

std::string error_body(std::uint16_t code, std::string_view status, std::string_view error_code,
                       std::string_view message = "") {
  nlohmann::json error = {{"code", code}, {"status", status}, {"message", message}};
  if (!error_code.empty()) {
    error["details"] = {{{"@type", kFcmError}, {"errorCode", error_code}}};
  }
  return nlohmann::json{{"error", error}}.dump();
}

struct Case {
  std::uint16_t status;
  const char* rpc_status;
  const char* error_code;
  Kind kind;
  const char* reason;
  Advice advice = Advice::kNone;
};

constexpr Case kCases[] = {
    // The code in the details decides.
    {400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", Kind::kNotificationRefused, "INVALID_ARGUMENT"},
    {401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", Kind::kNotificationRefused,
     "THIRD_PARTY_AUTH_ERROR"},
    {401, "UNAUTHENTICATED", "APNS_AUTH_ERROR", Kind::kNotificationRefused, "APNS_AUTH_ERROR"},
    {403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", Kind::kTokenUnusable, "SENDER_ID_MISMATCH"},
    {404, "NOT_FOUND", "UNREGISTERED", Kind::kTokenDead, "UNREGISTERED"},
    {429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Kind::kThrottled, "QUOTA_EXCEEDED"},
    {500, "INTERNAL", "INTERNAL", Kind::kUnavailable, "INTERNAL"},
    {503, "UNAVAILABLE", "UNAVAILABLE", Kind::kUnavailable, "UNAVAILABLE"},
    {400, "UNKNOWN", "UNSPECIFIED_ERROR", Kind::kNotificationRefused, "UNSPECIFIED_ERROR"},
    // A code that nobody knew when this was written.
    {404, "NOT_FOUND", "BAD_MOOD", Kind::kNotificationRefused, "BAD_MOOD"},
    {401, "UNAUTHENTICATED", "BAD_MOOD", Kind::kNotificationRefused, "BAD_MOOD"},
    {503, "UNAVAILABLE", "BAD_MOOD", Kind::kUnavailable, "BAD_MOOD"},
    // Without a code the status decides.
    {400, "INVALID_ARGUMENT", "", Kind::kNotificationRefused, "INVALID_ARGUMENT"},
    {401, "UNAUTHENTICATED", "", Kind::kNotSent, "UNAUTHENTICATED", Advice::kRefreshToken},
    {403, "PERMISSION_DENIED", "", Kind::kCredentialRefused, "PERMISSION_DENIED"},
    {404, "NOT_FOUND", "", Kind::kCredentialRefused, "NOT_FOUND"},
    {413, "", "", Kind::kNotificationRefused, "Status413"},
    {429, "RESOURCE_EXHAUSTED", "", Kind::kThrottled, "RESOURCE_EXHAUSTED"},
    {500, "INTERNAL", "", Kind::kUnavailable, "INTERNAL"},
    {504, "DEADLINE_EXCEEDED", "", Kind::kUnavailable, "DEADLINE_EXCEEDED"},
    {302, "", "", Kind::kUnanswered, "Status302"},
};

TEST(FcmVerdict, JudgesEveryRowOfTheTable) {
  for (const auto& expected : kCases) {
    SCOPED_TRACE(
        fmt::format("{} {} {}", expected.status, expected.rpc_status, expected.error_code));
    const auto judged = judge(
        expected.status, error_body(expected.status, expected.rpc_status, expected.error_code));
    EXPECT_EQ(judged.verdict.kind, expected.kind);
    EXPECT_EQ(judged.verdict.status, expected.status);
    EXPECT_EQ(judged.verdict.reason, expected.reason);
    EXPECT_EQ(judged.advice, expected.advice);
    EXPECT_LT(judged.verdict.since_ms, 0ms) << "FCM never tells";
  }
}

TEST(FcmVerdict, DoesNotTakeTheMessageTextForOurOwnTokensFault) {
  // Recorded: the text of the generic 401 stands there even if Apple's key is what is wrong.
  const auto judged = judge(
      401, error_body(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR",
                      "Request is missing required authentication credential. Expected OAuth 2 "
                      "access token, login cookie or other valid authentication credential."));
  EXPECT_EQ(judged.advice, Advice::kNone);
  EXPECT_EQ(judged.verdict.kind, Kind::kNotificationRefused);
}

TEST(FcmVerdict, BlamesTheTokenOnlyWhereTheAnswerDoes) {
  const auto by_text = judge(400, error_body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT",
                                             "The registration token is not a valid FCM "
                                             "registration token"));
  EXPECT_EQ(by_text.verdict.kind, Kind::kTokenUnusable);
  const auto violation = [](std::string_view field) {
    return nlohmann::json{
        {"error",
         {{"code", 400},
          {"status", "INVALID_ARGUMENT"},
          {"message", "Invalid value"},
          {"details",
           {{{"@type", "type.googleapis.com/google.rpc.BadRequest"},
             {"fieldViolations", {{{"field", field}, {"description", "Invalid value"}}}}}}}}}}
        .dump();
  };
  EXPECT_EQ(judge(400, violation("message.token")).verdict.kind, Kind::kTokenUnusable);
  EXPECT_EQ(judge(400, violation("message.data")).verdict.kind, Kind::kNotificationRefused);
}

TEST(FcmVerdict, TellsWhoseQuotaIsSpent) {
  const auto scope = [](std::string_view message) {
    return judge(429, error_body(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", message))
        .verdict.scope;
  };
  EXPECT_EQ(scope("Message rate exceeded for device."), Scope::kDevice);
  EXPECT_EQ(scope("Topic quota exceeded."), Scope::kTopic);
  EXPECT_EQ(scope("Quota exceeded for project 'bell-tower'."), Scope::kProject);
  EXPECT_EQ(scope("Quota exceeded."), Scope::kNone);
  EXPECT_EQ(scope("Quota exceeded for project 'device-topics'."), Scope::kProject);
  EXPECT_EQ(scope("Quota exceeded for consumer 'project:iot-devices'."), Scope::kProject);
  EXPECT_EQ(scope("The device's quota is spent in 'bell-tower'."), Scope::kDevice);
}

TEST(FcmVerdict, AQuotasSubjectTellsByWhatStandsBeforeItsName) {
  const auto scope = [](std::string_view subject) {
    auto body = nlohmann::json::parse(error_body(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"));
    body["error"]["details"].push_back(
        {{"@type", "type.googleapis.com/google.rpc.QuotaFailure"},
         {"violations", {{{"subject", subject}, {"description", "Too many for a device."}}}}});
    return judge(429, body.dump()).verdict.scope;
  };
  EXPECT_EQ(scope("project:smart-device-app"), Scope::kProject);
  EXPECT_EQ(scope("device:project-of-the-week"), Scope::kDevice);
  EXPECT_EQ(scope("topic:device"), Scope::kTopic);
  EXPECT_EQ(scope("clientip:192.0.2.1"), Scope::kDevice)
      << "the words tell, if it names none of ours";
}

TEST(FcmVerdict, TellsWhatAppleSaidAndJudgesByFcmsWord) {
  const auto with_apns = [](std::uint16_t status, std::string_view error_code,
                            const nlohmann::json& apns_reason) {
    auto body = nlohmann::json::parse(error_body(status, "STATUS", error_code));
    body["error"]["details"].push_back(
        {{"@type", "type.googleapis.com/google.firebase.fcm.v1.ApnsError"},
         {"statusCode", 403},
         {"reason", apns_reason}});
    return judge(status, body.dump());
  };
  const auto key = with_apns(401, "THIRD_PARTY_AUTH_ERROR", "InvalidProviderToken");
  EXPECT_EQ(key.verdict.reason, "THIRD_PARTY_AUTH_ERROR:InvalidProviderToken");
  EXPECT_EQ(key.verdict.kind, Kind::kNotificationRefused);
  EXPECT_EQ(key.advice, Advice::kNone);
  const auto argument = with_apns(400, "INVALID_ARGUMENT", "Unregistered");
  EXPECT_EQ(argument.verdict.reason, "INVALID_ARGUMENT:Unregistered");
  EXPECT_EQ(argument.verdict.kind, Kind::kNotificationRefused) << "only UNREGISTERED kills a token";
  EXPECT_EQ(with_apns(404, "UNREGISTERED", 7).verdict.reason, "UNREGISTERED");
  EXPECT_LE(with_apns(404, "UNREGISTERED", std::string(200, 'x')).verdict.reason.size(),
            kReasonBytesMax);
}

TEST(FcmVerdict, ReadsRetryAfterAsSecondsOrAsADate) {
  EXPECT_EQ(judge(503, error_body(503, "UNAVAILABLE", "UNAVAILABLE"), "120").verdict.retry_after,
            120s);
  EXPECT_EQ(judge(429, error_body(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
                  "Fri, 15 Jan 2027 08:01:00 GMT")
                .verdict.retry_after,
            60s);
}

TEST(FcmVerdict, SurvivesWhatIsNotTheDocumentedBody) {
  const std::string html = "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>";
  EXPECT_EQ(judge(502, html).verdict.kind, Kind::kUnavailable);
  EXPECT_EQ(judge(502, html).verdict.reason, "Status502");
  for (const char* body : {"", "{", "[]", R"({"error":"x"})", R"({"error":{"details":7}})",
                           R"({"error":{"details":[7,null,{"@type":3,"errorCode":5}]}})",
                           R"({"error":{"details":[{"errorCode":"UNREGISTERED"}]}})"}) {
    SCOPED_TRACE(body);
    EXPECT_EQ(judge(404, body).verdict.kind, Kind::kCredentialRefused) << "no token dies of it";
    EXPECT_EQ(judge(400, body).verdict.kind, Kind::kNotificationRefused);
  }
}

}  // namespace
}  // namespace carillon::push::fcm_verdict_test
