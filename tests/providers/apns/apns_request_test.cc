#include "providers/apns/apns_request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/providers/push_batches.h"

namespace carillon::push {
namespace {

using nlohmann::json;
using test::hello;
using test::kEventId;

RenderedMessage render(const Notification& notification) {
  auto rendered = render_apns(notification, {.bundle_id = "com.example.bells"});
  EXPECT_TRUE(rendered.has_value()) << rendered.error().pointer << " " << rendered.error().message;
  return rendered.value_or(RenderedMessage{});
}
json payload(const Notification& notification) {
  return json::parse(render(notification).body);
}
std::string header(const Notification& notification, std::string_view name) {
  for (const auto& field : render(notification).headers) {
    if (field.name == name) return field.value;
  }
  return "(none)";
}
RenderError refusal(const Notification& notification) {
  const auto rendered = render_apns(notification, {.bundle_id = "com.example.bells"});
  EXPECT_FALSE(rendered.has_value());
  return rendered.has_value() ? RenderError{} : rendered.error();
}

TEST(ApnsRequest, PutsEverythingWhereAppleLooksForIt) {
  auto notification = hello();
  notification.image = "https://example.com/a.png";
  notification.sound = "bell.caf";
  notification.category = "UPLOAD";
  notification.thread_id = "channel-42";
  notification.click_url = "https://example.com/v/1";
  notification.badge = 3;
  notification.data = {{"video", "v-1"}};
  EXPECT_EQ(payload(notification), json::parse(R"({
    "aps": {"alert": {"title": "New upload", "body": "Channel 42"}, "sound": "bell.caf", "badge": 3,
            "category": "UPLOAD", "thread-id": "channel-42", "mutable-content": 1},
    "carillon": {"event": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11",
                 "image": "https://example.com/a.png", "url": "https://example.com/v/1"},
    "video": "v-1"})"));
  const auto message = render(notification);
  EXPECT_EQ(message.token_at, std::string::npos) << "the token stands in the path";
}

TEST(ApnsRequest, LeavesOutWhatWasNotGiven) {
  Notification notification;
  notification.event_id = kEventId;
  notification.body = "only this";
  EXPECT_EQ(payload(notification)["aps"], json::parse(R"({"alert":{"body":"only this"}})"));
}

TEST(ApnsRequest, WakesTheAppSilentlyWhenThereIsNothingToShow) {
  auto notification = hello();
  notification.title.clear();
  notification.body.clear();
  notification.image = "https://example.com/a.png";
  EXPECT_EQ(payload(notification)["aps"], json::parse(R"({"content-available":1})"));
  EXPECT_EQ(header(notification, "apns-push-type"), "background");
  EXPECT_EQ(header(notification, "apns-priority"), "5") << "10 is an error, says Apple";
  notification.priority = Priority::kUrgent;
  EXPECT_EQ(header(notification, "apns-priority"), "5");
}

TEST(ApnsRequest, CallsABadgeOrASoundAnAlert) {
  auto notification = hello();
  notification.title.clear();
  notification.body.clear();
  notification.badge = 0;
  EXPECT_EQ(payload(notification)["aps"], json::parse(R"({"badge":0})"));
  EXPECT_EQ(header(notification, "apns-push-type"), "alert");
}

TEST(ApnsRequest, KnowsAnAlertThatStandsInThePublishersOwnWords) {
  auto notification = hello();
  notification.title.clear();
  notification.body.clear();
  notification.apns_json = R"({"aps":{"alert":{"loc-key":"UPLOAD"}}})";
  EXPECT_EQ(header(notification, "apns-push-type"), "alert");
  EXPECT_FALSE(payload(notification)["aps"].contains("content-available"));
}

TEST(ApnsRequest, MapsPriorities) {
  auto notification = hello();
  EXPECT_EQ(header(notification, "apns-priority"), "10");
  notification.priority = Priority::kUrgent;
  EXPECT_EQ(header(notification, "apns-priority"), "10");
  notification.priority = Priority::kBulk;
  EXPECT_EQ(header(notification, "apns-priority"), "5");
}

TEST(ApnsRequest, TellsWhenItExpiresInSecondsAndZeroForNowOrNever) {
  auto notification = hello();
  EXPECT_EQ(header(notification, "apns-expiration"), "2000000000");
  notification.expires_at = {};
  EXPECT_EQ(header(notification, "apns-expiration"), "0");
}

TEST(ApnsRequest, FoldsRepeatsByTheEventUnlessThePublisherHasAKey) {
  auto notification = hello();
  EXPECT_EQ(header(notification, "apns-collapse-id"), kEventId);
  notification.collapse_key = "score";
  EXPECT_EQ(header(notification, "apns-collapse-id"), "score");
}

TEST(ApnsRequest, TakesACollapseKeyOf64BytesAndNotOneMore) {
  auto notification = hello();
  notification.collapse_key = std::string(kApnsCollapseIdBytesMax, 'k');
  EXPECT_EQ(header(notification, "apns-collapse-id"), notification.collapse_key);
  notification.collapse_key += 'k';
  EXPECT_EQ(refusal(notification).pointer, "/collapse_key");
  EXPECT_EQ(refusal(notification).message, "has 65 bytes, APNs takes at most 64");
  notification.collapse_key = "a\r\nb";
  EXPECT_EQ(refusal(notification).pointer, "/collapse_key");
}

TEST(ApnsRequest, MergesThePublishersOwnWordsDeeply) {
  auto notification = hello();
  notification.sound = "bell.caf";
  notification.apns_json =
      R"({"aps":{"alert":{"subtitle":"Live"},"sound":null,"interruption-level":"active"},"x":[1]})";
  EXPECT_EQ(payload(notification)["aps"], json::parse(R"({
    "alert": {"title": "New upload", "body": "Channel 42", "subtitle": "Live"},
    "interruption-level": "active"})"));
  EXPECT_EQ(payload(notification)["x"], json::parse("[1]"));
}

TEST(ApnsRequest, RefusesNamesThatAreTaken) {
  auto notification = hello();
  notification.data = {{"aps", "x"}};
  EXPECT_EQ(refusal(notification).pointer, "/data/aps");
  notification.data = {{"carillon", "x"}};
  EXPECT_EQ(refusal(notification).pointer, "/data/carillon");
  notification.data.clear();
  notification.apns_json = R"({"carillon":{"event":"mine"}})";
  EXPECT_EQ(refusal(notification).pointer, "/apns/carillon");
}

TEST(ApnsRequest, RefusesOwnWordsThatAreNoObject) {
  auto notification = hello();
  for (const char* words : {"[]", "{", "7", "null", "\"aps\""}) {
    notification.apns_json = words;
    EXPECT_EQ(refusal(notification).pointer, "/apns") << words;
  }
  notification.apns_json = R"({"aps":null})";
  EXPECT_EQ(refusal(notification).pointer, "/apns/aps");
}

TEST(ApnsRequest, TakesAPayloadOf4096BytesAndNotOneMore) {
  auto notification = hello();
  notification.body.clear();
  const std::size_t around = render(notification).body.size() + sizeof(R"("body":"",)") - 1;
  for (const std::size_t size : {4095u, 4096u}) {
    notification.body = std::string(size - around, 'x');
    EXPECT_EQ(render(notification).body.size(), size);
  }
  notification.body += 'x';
  EXPECT_EQ(refusal(notification).pointer, "/notification/body");
  EXPECT_EQ(refusal(notification).message,
            "makes a payload of 4097 bytes for APNs, which takes at most 4096");
}

TEST(ApnsRequest, PointsToThePartThatWeighsMost) {
  auto notification = hello();
  notification.data = {{"a", std::string(3000, 'x')}, {"b", std::string(3000, 'x')}};
  EXPECT_EQ(refusal(notification).pointer, "/data");
  notification.data.clear();
  notification.apns_json = R"({"x":")" + std::string(5000, 'x') + R"("})";
  EXPECT_EQ(refusal(notification).pointer, "/apns");
}

TEST(ApnsRequest, KnowsATokenByItsDigits) {
  EXPECT_TRUE(is_apns_token(test::token_of(1)));
  EXPECT_TRUE(is_apns_token("ABCDEFabcdef0123456789"));
  EXPECT_FALSE(is_apns_token(""));
  EXPECT_FALSE(is_apns_token("abc/../x"));
  EXPECT_FALSE(is_apns_token("abcg"));
  EXPECT_FALSE(is_apns_token("ab\r\n"));
}

}  // namespace
}  // namespace carillon::push
