#include "device-sim/gateway/fcm_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace device_sim::fcm_check_test {
namespace {

using nlohmann::json;

json good() {
  return {
      {"message",
       {{"token", "t"},
        {"notification", {{"title", "New upload"}, {"body", "Bells"}}},
        {"data", {{"carillon_event", "e1"}, {"n", "1"}}},
        {"android", {{"priority", "HIGH"}, {"ttl", "3.5s"}, {"notification", {{"tag", "e1"}}}}}}}};
}

struct Parsed {
  FcmRefusal refusal;
  FcmMessage message;
  std::string body;
};

// The views of the message stay good until the next call.
Parsed parse_text(std::string text) {
  Parsed parsed{{}, {}, std::move(text)};
  parsed.refusal = parse_fcm_message(parsed.body, parsed.message);
  return parsed;
}
Parsed parse(const json& request) {
  return parse_text(request.dump());
}

// `good()` with the member at a JSON pointer replaced.
json with(const char* pointer, const json& value) {
  json request = good();
  request[json::json_pointer(pointer)] = value;
  return request;
}

TEST(FcmMessage, IsReadWhole) {
  const Parsed parsed = parse(good());
  ASSERT_EQ(parsed.refusal.reason, FcmReason::kNone) << parsed.refusal.message;
  EXPECT_EQ(parsed.message.token, "t");
  EXPECT_EQ(parsed.message.title, "New upload");
  EXPECT_EQ(parsed.message.body, "Bells");
  EXPECT_EQ(parsed.message.tag, "e1");
  EXPECT_EQ(parsed.message.event, "e1");
  EXPECT_TRUE(parsed.message.has_notification);
  EXPECT_FALSE(parsed.message.validate_only);
}

TEST(FcmMessage, TakesSnakeCaseAndCamelCaseNames) {
  const Parsed camel =
      parse({{"validateOnly", true},
             {"message",
              {{"token", "t"},
               {"fcmOptions", {{"analyticsLabel", "x"}}},
               {"android",
                {{"collapseKey", "k"},
                 {"directBootOk", true},
                 {"restrictedPackageName", "p"},
                 {"notification",
                  {{"bodyLocArgs", {"a"}}, {"notificationPriority", "PRIORITY_HIGH"}}}}}}}});
  EXPECT_EQ(camel.refusal.reason, FcmReason::kNone) << camel.refusal.message;
  EXPECT_TRUE(camel.message.validate_only);
  EXPECT_EQ(parse({{"validate_only", true}, {"message", {{"token", "t"}}}}).message.validate_only,
            true);
  EXPECT_EQ(parse({{"validateonly", true}, {"message", {{"token", "t"}}}}).refusal.reason,
            FcmReason::kMalformed);
}

TEST(FcmMessage, TakesEveryPartOfTheResource) {
  json request = good();
  request["message"]["apns"] = {{"headers", {{"apns-priority", "5"}}},
                                {"payload", {{"aps", {{"badge", 1}}}}}};
  request["message"]["webpush"] = {{"headers", {{"TTL", "5"}}},
                                   {"notification", {{"any", {1, 2}}}},
                                   {"fcm_options", {{"link", "https://example.com"}}}};
  request["message"]["android"]["notification"].update(
      {{"color", "#a0B1c2"},
       {"event_time", "2026-11-21T01:02:03.5Z"},
       {"sticky", false},
       {"notification_count", 3},
       {"visibility", "PUBLIC"},
       {"vibrate_timings", {"1s", "0.5s"}},
       {"light_settings", {{"color", {{"red", 1}, {"green", 0.5}}}, {"light_on_duration", "1s"}}}});
  const Parsed parsed = parse(request);
  EXPECT_EQ(parsed.refusal.reason, FcmReason::kNone) << parsed.refusal.message;
}

// What FCM hands on to Apple and to browsers; null: taken.
TEST(FcmMessage, HasHeadersThatTheServicesBehindFcmTake) {
  struct Row {
    const char* pointer;
    json value;
    const char* field;
  };
  const char* const kApple = "message.apns.headers";
  const char* const kBrowser = "message.webpush.headers";
  const Row kRows[] = {
      {"/message/apns/headers", {{"apns-priority", "10"}}, nullptr},
      {"/message/apns/headers", {{"apns-priority", "7"}}, kApple},
      {"/message/apns/headers", {{"apns-priority", ""}}, kApple},
      {"/message/apns/headers", {{"apns-expiration", "0"}}, nullptr},
      {"/message/apns/headers", {{"apns-expiration", "60s"}}, kApple},
      {"/message/apns/headers", {{"apns-expiration", "1"}, {"APNS-Expiration", "1"}}, kApple},
      {"/message/apns/headers", {{"apns-collapse-id", std::string(64, 'x')}}, nullptr},
      {"/message/apns/headers", {{"apns-collapse-id", std::string(65, 'x')}}, kApple},
      {"/message/apns/headers", {{"apns-collapse-id", "a b"}}, kApple},
      {"/message/apns/headers", {{"apns-push-type", "alert"}}, nullptr},
      {"/message/apns/headers", {{"apns-push-type", "banner"}}, kApple},
      {"/message/apns/headers", {{"other", "any thing"}}, nullptr},
      {"/message/webpush/headers", {{"TTL", "0"}}, nullptr},
      {"/message/webpush/headers", {{"TTL", "-1"}}, kBrowser},
      {"/message/webpush/headers", {{"TTL", "1"}, {"ttl", "1"}}, kBrowser},
      {"/message/webpush/headers", {{"Urgency", "very-low"}}, nullptr},
      {"/message/webpush/headers", {{"Urgency", "urgent"}}, kBrowser},
      {"/message/webpush/headers", {{"Topic", std::string(32, 'a')}}, nullptr},
      {"/message/webpush/headers", {{"Topic", std::string(33, 'a')}}, kBrowser},
      {"/message/webpush/headers", {{"Topic", "a b"}}, kBrowser},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.value.dump());
    const Parsed parsed = parse(with(row.pointer, row.value));
    EXPECT_EQ(parsed.refusal.reason,
              row.field == nullptr ? FcmReason::kNone : FcmReason::kInvalidArgument);
    EXPECT_EQ(parsed.refusal.field, row.field == nullptr ? "" : row.field);
  }
}

TEST(FcmMessage, WakesAnAppWithPriorityFiveAndNothingToShow) {
  json request = good();
  request["message"].erase("notification");
  json& apns = request["message"]["apns"];
  apns = {{"headers", {{"apns-push-type", "background"}, {"apns-priority", "5"}}},
          {"payload", {{"aps", {{"content-available", 1}}}}}};
  EXPECT_EQ(parse(request).refusal.reason, FcmReason::kNone);
  apns["payload"]["aps"]["badge"] = 1;
  EXPECT_EQ(parse(request).refusal.reason, FcmReason::kInvalidArgument);
  apns["payload"]["aps"].erase("badge");
  apns["headers"].erase("apns-priority");
  EXPECT_EQ(parse(request).refusal.reason, FcmReason::kInvalidArgument);
  apns["headers"]["apns-priority"] = "5";
  request["message"]["notification"] = {{"title", "t"}};
  EXPECT_EQ(parse(request).refusal.reason, FcmReason::kInvalidArgument);
}

TEST(FcmMessage, IsRefusedWhereItsShapeIsWrong) {
  struct Row {
    const char* pointer;
    json value;
    const char* field;
  };
  const Row kRows[] = {
      {"/messages", 1, ""},
      {"/validate_only", "yes", "validate_only"},
      {"/message/tokens", json::array(), "message"},
      {"/message/token", 5, "message.token"},
      {"/message/notification", "text", "message.notification"},
      {"/message/notification/sound", "x", "message.notification"},
      {"/message/data/n", 5, "message.data[1].value"},
      {"/message/data", json::array(), "message.data"},
      {"/message/android/priority", "URGENT", "message.android.priority"},
      {"/message/android/ttl", 5, "message.android.ttl"},
      {"/message/android/ttl", "5", "message.android.ttl"},
      {"/message/android/ttl", "s", "message.android.ttl"},
      {"/message/android/ttl", "-5s", "message.android.ttl"},
      {"/message/android/ttl", "1.2.3s", "message.android.ttl"},
      {"/message/android/notification/color", "red", "message.android.notification.color"},
      {"/message/android/notification/event_time", "now",
       "message.android.notification.event_time"},
      {"/message/android/notification/sticky", "no", "message.android.notification.sticky"},
      {"/message/android/notification/notification_count", 1.5,
       "message.android.notification.notification_count"},
      {"/message/android/notification/body_loc_args",
       {1},
       "message.android.notification.body_loc_args"},
      {"/message/apns/headers", {{"apns-priority", 5}}, "message.apns.headers[0].value"},
      {"/message/apns/payload", "text", "message.apns.payload"},
  };
  for (const Row& row : kRows) {
    const Parsed parsed = parse(with(row.pointer, row.value));
    EXPECT_EQ(parsed.refusal.reason, FcmReason::kMalformed) << row.pointer << " " << row.value;
    EXPECT_EQ(parsed.refusal.field, row.field) << row.pointer;
  }
  for (const char* text : {"", "{", "[]", "null", "{\"message\":{\"token\":\"\xff\"}}"}) {
    EXPECT_EQ(parse_text(text).refusal.reason, FcmReason::kMalformed) << text;
  }
}

TEST(FcmMessage, TakesNullForAbsentAndSmallLettersInEnums) {
  EXPECT_EQ(parse(with("/message/android/priority", "high")).refusal.reason, FcmReason::kNone);
  EXPECT_EQ(parse(with("/message/topic", nullptr)).refusal.reason, FcmReason::kNone);
}

TEST(FcmMessage, LivesForFourWeeksAtMost) {
  EXPECT_EQ(parse(with("/message/android/ttl", "2419200s")).refusal.reason, FcmReason::kNone);
  EXPECT_EQ(parse(with("/message/android/ttl", "0s")).refusal.reason, FcmReason::kNone);
  const Parsed late = parse(with("/message/android/ttl", "2419201s"));
  EXPECT_EQ(late.refusal.reason, FcmReason::kInvalidArgument);
  EXPECT_EQ(late.refusal.field, "message.android.ttl");
}

TEST(FcmMessage, NeedsExactlyOneTarget) {
  const std::pair<json, FcmReason> kRows[] = {
      {{{"token", "t"}}, FcmReason::kNone},
      {{{"fid", "f"}}, FcmReason::kNone},
      {{{"topic", "news-1.x~%"}}, FcmReason::kNone},
      {{{"condition", "'a' in topics"}}, FcmReason::kNone},
      {{{"topic", "/topics/news"}}, FcmReason::kInvalidArgument},
      {json::object(), FcmReason::kInvalidArgument},
      {{{"token", ""}}, FcmReason::kInvalidArgument},
      {{{"token", "t"}, {"topic", "x"}}, FcmReason::kInvalidArgument},
  };
  for (const auto& [message, reason] : kRows) {
    EXPECT_EQ(parse({{"message", message}}).refusal.reason, reason) << message;
  }
  EXPECT_EQ(parse(json::object()).refusal.field, "message");
}

TEST(FcmMessage, MayNotUseReservedDataKeys) {
  for (const char* key : {"from", "message_type", "google.x", "gcm.notification.y"}) {
    const Parsed parsed = parse({{"message", {{"token", "t"}, {"data", {{key, "1"}}}}}});
    EXPECT_EQ(parsed.refusal.reason, FcmReason::kInvalidArgument) << key;
    EXPECT_EQ(parsed.refusal.field, "message.data[0].key");
  }
  for (const char* key : {"from_whom", "googlex", "gcm", "message_types"}) {
    EXPECT_EQ(parse({{"message", {{"token", "t"}, {"data", {{key, "1"}}}}}}).refusal.reason,
              FcmReason::kNone)
        << key;
  }
}

json message_of_bytes(const char* target, std::size_t bytes) {
  return {{"message", {{target, "x"}, {"data", {{"k", std::string(bytes - 1, 'a')}}}}}};
}

TEST(FcmMessage, MayHave4096BytesAndToTopics2048) {
  EXPECT_EQ(parse(message_of_bytes("token", 4'096)).refusal.reason, FcmReason::kNone);
  EXPECT_EQ(parse(message_of_bytes("token", 4'097)).refusal.reason, FcmReason::kPayloadTooLarge);
  EXPECT_EQ(parse(message_of_bytes("topic", 2'048)).refusal.reason, FcmReason::kNone);
  EXPECT_EQ(parse(message_of_bytes("topic", 2'049)).refusal.reason, FcmReason::kPayloadTooLarge);
}

TEST(FcmMessage, LetsAndroidOverrideWhatIsCommon) {
  json request = good();
  request["message"]["android"]["notification"]["title"] = "For Android";
  request["message"]["android"]["data"] = {{"carillon_event", "e2"}};
  const Parsed parsed = parse(request);
  EXPECT_EQ(parsed.message.title, "For Android");
  EXPECT_EQ(parsed.message.event, "e2");
}

TEST(FcmError, HasGooglesShape) {
  const json unregistered = json::parse(
      fcm_error_body({FcmReason::kUnregistered, "Requested entity was not found.", ""}));
  EXPECT_EQ(unregistered["error"]["code"], 404);
  EXPECT_EQ(unregistered["error"]["status"], "NOT_FOUND");
  EXPECT_EQ(unregistered["error"]["details"][0]["@type"],
            "type.googleapis.com/google.firebase.fcm.v1.FcmError");
  EXPECT_EQ(unregistered["error"]["details"][0]["errorCode"], "UNREGISTERED");
  const json invalid =
      json::parse(fcm_error_body({FcmReason::kInvalidArgument, "bad", "message.token"}));
  EXPECT_EQ(invalid["error"]["details"][1]["fieldViolations"][0]["field"], "message.token");
  const json too_large = json::parse(fcm_error_body({FcmReason::kPayloadTooLarge, "big", ""}));
  EXPECT_EQ(too_large["error"]["code"], 400);
  EXPECT_FALSE(too_large["error"].contains("details"));
  const json foreign = json::parse(fcm_error_body({FcmReason::kMalformed, "\xff", ""}));
  EXPECT_EQ(foreign["error"]["status"], "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace device_sim::fcm_check_test
