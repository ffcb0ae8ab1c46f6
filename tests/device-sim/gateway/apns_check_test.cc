#include "device-sim/gateway/apns_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_simulator.h"

namespace device_sim {
namespace {

const std::vector<std::string> kTopics{"com.example.video", "com.example.voip"};
constexpr const char* kToken = "00aa";

Headers good() {
  return {{":method", "POST"},
          {":scheme", "https"},
          {":path", std::string("/3/device/") + kToken},
          {"apns-topic", "com.example.video"},
          {"apns-push-type", "alert"},
          {"apns-id", "0c6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b"},
          {"apns-priority", "10"},
          {"apns-expiration", "1800000000"},
          {"apns-collapse-id", "upload-1"}};
}

ApnsHeadVerdict check(const Headers& headers) {
  static Request request;
  request.clear();
  for (const auto& [name, value] : headers) request.add(name, value);
  return check_apns_head(request, kTopics);
}

std::string_view reason(const Headers& headers) {
  return apns_row(check(headers).reason).reason;
}

Headers twice(Headers headers, const std::string& name) {
  headers.emplace_back(name, "again");
  return headers;
}

TEST(ApnsHead, IsGoodAndGivesTheDeviceToken) {
  EXPECT_EQ(reason(good()), "");
  EXPECT_EQ(check(good()).device_token, kToken);
}

TEST(ApnsHead, NeedsOnlyMethodPathAndTopic) {
  EXPECT_EQ(
      reason(
          {{":method", "POST"}, {":path", "/3/device/00aa"}, {"apns-topic", "com.example.video"}}),
      "");
}

TEST(ApnsHead, IsRefusedWithApplesReason) {
  struct Row {
    const char* name;
    Headers headers;
    std::string_view reason;
  };
  const Row kRows[] = {
      {"id of another form", with(good(), "apns-id", "0c6a4b5e3d4f4c579d5b0f6f5e1f2a3b"),
       "BadMessageId"},
      {"id with a letter", with(good(), "apns-id", "gc6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b"),
       "BadMessageId"},
      {"empty id", with(good(), "apns-id", ""), "BadMessageId"},
      {"upper-case id", with(good(), "apns-id", "0C6A4B5E-3D4F-4C57-9D5B-0F6F5E1F2A3B"), ""},
      {"GET", with(good(), ":method", "GET"), "MethodNotAllowed"},
      {"two topics", twice(good(), "apns-topic"), "DuplicateHeaders"},
      {"two tokens", twice(twice(good(), "authorization"), "authorization"), "DuplicateHeaders"},
      {"two hosts are not Apple's matter", twice(twice(good(), "host"), "host"), ""},
      {"no topic", without(good(), "apns-topic"), "MissingTopic"},
      {"collapse id of 64 bytes", with(good(), "apns-collapse-id", std::string(64, 'c')), ""},
      {"collapse id of 65 bytes", with(good(), "apns-collapse-id", std::string(65, 'c')),
       "BadCollapseId"},
      {"priority 1", with(good(), "apns-priority", "1"), ""},
      {"priority 7", with(good(), "apns-priority", "7"), "BadPriority"},
      {"priority 010", with(good(), "apns-priority", "010"), "BadPriority"},
      {"expiration 0", with(good(), "apns-expiration", "0"), ""},
      {"expiration with a sign", with(good(), "apns-expiration", "-1"), "BadExpirationDate"},
      {"empty expiration", with(good(), "apns-expiration", ""), "BadExpirationDate"},
      {"expiration of 18 digits", with(good(), "apns-expiration", std::string(18, '9')), ""},
      {"expiration of 19 digits", with(good(), "apns-expiration", std::string(19, '9')),
       "BadExpirationDate"},
      {"unknown push type", with(good(), "apns-push-type", "loud"), "InvalidPushType"},
      {"background now", with(good(), "apns-push-type", "background"), "BadPriority"},
      {"background at its ease",
       with(with(good(), "apns-push-type", "background"), "apns-priority", "5"), ""},
      {"background by default",
       without(with(good(), "apns-push-type", "background"), "apns-priority"), "BadPriority"},
      {"stranger's topic", with(good(), "apns-topic", "com.stranger"), "TopicDisallowed"},
      {"empty topic", with(good(), "apns-topic", ""), "MissingTopic"},
      {"alert to a voip topic", with(good(), "apns-topic", "com.example.video.voip"), "BadTopic"},
      {"voip to a plain topic", with(good(), "apns-push-type", "voip"), "BadTopic"},
      {"bundle id that ends like a suffix", with(good(), "apns-topic", "com.example.voip"), ""},
      {"bare path", with(good(), ":path", "/3/device/"), "MissingDeviceToken"},
      {"barer path", with(good(), ":path", "/3/device"), "MissingDeviceToken"},
      {"other path", with(good(), ":path", "/4/device/00aa"), "BadPath"},
      {"longer path", with(good(), ":path", "/3/devices/00aa"), "BadPath"},
  };
  for (const Row& row : kRows) EXPECT_EQ(reason(row.headers), row.reason) << row.name;
}

TEST(ApnsHead, TakesEachPushTypeWithItsTopic) {
  const std::pair<const char*, const char*> kTypes[] = {{"alert", ""},
                                                        {"voip", ".voip"},
                                                        {"complication", ".complication"},
                                                        {"fileprovider", ".pushkit.fileprovider"},
                                                        {"liveactivity", ".push-type.liveactivity"},
                                                        {"location", ".location-query"},
                                                        {"pushtotalk", ".voip-ptt"},
                                                        {"widgets", ".push-type.widgets"},
                                                        {"controls", ".push-type.controls"}};
  for (const auto& [type, suffix] : kTypes) {
    const Headers headers = with(with(good(), "apns-push-type", type), "apns-topic",
                                 std::string("com.example.video") + suffix);
    EXPECT_EQ(reason(headers), "") << type;
    EXPECT_EQ(check(headers).is_voip, std::string_view(type) == "voip");
  }
}

TEST(ApnsHead, ReportsTheFirstProblemOfTheWrittenOrder) {
  Headers headers = with(good(), ":path", "/nowhere");
  EXPECT_EQ(reason(headers), "BadPath");
  headers = with(headers, "apns-topic", "com.stranger");
  EXPECT_EQ(reason(headers), "TopicDisallowed");
  headers = with(headers, "apns-push-type", "loud");
  EXPECT_EQ(reason(headers), "InvalidPushType");
  headers = with(headers, "apns-expiration", "soon");
  EXPECT_EQ(reason(headers), "BadExpirationDate");
  headers = with(headers, "apns-priority", "2");
  EXPECT_EQ(reason(headers), "BadPriority");
  headers = with(headers, "apns-collapse-id", std::string(65, 'c'));
  EXPECT_EQ(reason(headers), "BadCollapseId");
  headers = with(headers, "apns-topic", "");
  EXPECT_EQ(reason(headers), "MissingTopic");
  headers = twice(headers, "apns-priority");
  EXPECT_EQ(reason(headers), "DuplicateHeaders");
  headers = with(headers, ":method", "PUT");
  EXPECT_EQ(reason(headers), "MethodNotAllowed");
  headers = with(headers, "apns-id", "1");
  EXPECT_EQ(reason(headers), "BadMessageId");
}

std::string padded_payload(std::size_t bytes) {
  const std::string start = R"({"aps":{"alert":")";
  const std::string end = "\"}}";
  return start + std::string(bytes - start.size() - end.size(), 'a') + end;
}

TEST(ApnsPayload, MayHave4096BytesAndForVoip5120) {
  EXPECT_EQ(check_apns_payload(padded_payload(4'096), false).reason, ApnsReason::kNone);
  EXPECT_EQ(check_apns_payload(padded_payload(4'097), false).reason, ApnsReason::kPayloadTooLarge);
  EXPECT_EQ(check_apns_payload(padded_payload(5'120), true).reason, ApnsReason::kNone);
  EXPECT_EQ(check_apns_payload(padded_payload(5'121), true).reason, ApnsReason::kPayloadTooLarge);
}

TEST(ApnsPayload, MustBeAJsonObject) {
  for (const char* body : {"", "[]", "1", "{", "{}x", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(check_apns_payload(body, false).reason, ApnsReason::kPayloadEmpty) << body;
  }
  EXPECT_EQ(check_apns_payload("{}", false).reason, ApnsReason::kNone);
}

TEST(ApnsPayload, NamesItsEventInEitherSpelling) {
  EXPECT_EQ(check_apns_payload(R"({"carillon":{"event":"e1"}})", false).event, "e1");
  EXPECT_EQ(check_apns_payload(R"({"carillon.event":"e2"})", false).event, "e2");
  EXPECT_EQ(check_apns_payload(R"({"carillon":{"event":5}})", false).event, "");
}

TEST(ApnsPayload, ShowsTitleAndBody) {
  const auto full = check_apns_payload(R"({"aps":{"alert":{"title":"T","body":"B"}}})", false);
  EXPECT_EQ(full.title, "T");
  EXPECT_EQ(full.body, "B");
  EXPECT_EQ(check_apns_payload(R"({"aps":{"alert":"short"}})", false).body, "short");
  EXPECT_EQ(check_apns_payload(R"({"aps":{"content-available":1}})", false).body, "");
}

TEST(ApnsReasons, ComeWithTheStatusOfApplesTable) {
  EXPECT_EQ(apns_row(ApnsReason::kNone).status, 200);
  EXPECT_EQ(apns_row(ApnsReason::kExpiredProviderToken).status, 403);
  EXPECT_EQ(apns_row(ApnsReason::kBadPath).status, 404);
  EXPECT_EQ(apns_row(ApnsReason::kMethodNotAllowed).status, 405);
  EXPECT_EQ(apns_row(ApnsReason::kUnregistered).status, 410);
  EXPECT_EQ(apns_row(ApnsReason::kPayloadTooLarge).status, 413);
  EXPECT_EQ(apns_row(ApnsReason::kTooManyRequests).status, 429);
  EXPECT_EQ(apns_row(ApnsReason::kTooManyRequests).reason, "TooManyRequests");
  EXPECT_EQ(apns_row(ApnsReason::kServiceUnavailable).status, 503);
}

}  // namespace
}  // namespace device_sim
