#include "providers/webpush/webpush_request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "providers/webpush/message_cipher.h"
#include "tests/providers/push_batches.h"

namespace carillon::push::webpush_request_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::hello;
using test::kEventId;

// A minute before hello() expires.
constexpr std::chrono::system_clock::time_point kNow{2'000'000'000s - 60s};

RenderedMessage render(const Notification& notification,
                       std::chrono::system_clock::time_point now = kNow) {
  auto rendered = render_webpush(notification, now);
  EXPECT_TRUE(rendered.has_value()) << rendered.error().pointer << " " << rendered.error().message;
  return rendered.value_or(RenderedMessage{});
}
json payload_of(const Notification& notification) {
  return json::parse(render(notification).body);
}
std::map<std::string, std::string> headers_of(const Notification& notification,
                                              std::chrono::system_clock::time_point now = kNow) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : render(notification, now).headers) headers[name] = value;
  return headers;
}
RenderError refusal(const Notification& notification) {
  const auto rendered = render_webpush(notification, kNow);
  EXPECT_FALSE(rendered.has_value());
  return rendered.has_value() ? RenderError{} : rendered.error();
}
Notification silent() {
  auto notification = hello();
  notification.title.clear();
  notification.body.clear();
  return notification;
}

TEST(WebPushRequest, PutsEverythingWhereAServiceWorkerLooksForIt) {
  auto notification = hello();
  notification.image = "https://example.com/a.png";
  notification.click_url = "https://example.com/v/1";
  notification.badge = 3;
  notification.data = {{"video", "v-1"}};
  EXPECT_EQ(payload_of(notification), json::parse(R"({
    "event": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11",
    "notification": {"title": "New upload", "body": "Channel 42",
                     "image": "https://example.com/a.png", "navigate": "https://example.com/v/1",
                     "tag": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11"},
    "app_badge": 3,
    "data": {"video": "v-1"}})"));
}

TEST(WebPushRequest, SaysNoMoreThanItWasTold) {
  EXPECT_EQ(payload_of(hello()), json::parse(R"({
    "event": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11",
    "notification": {"title": "New upload", "body": "Channel 42",
                     "tag": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11"}})"));
}

TEST(WebPushRequest, IsForTheServiceWorkerAloneWhenThereIsNothingToShow) {
  auto notification = silent();
  notification.data = {{"sync", "1"}};
  notification.click_url = "https://example.com/v/1";
  EXPECT_EQ(payload_of(notification), json({{"event", kEventId},
                                            {"data", {{"sync", "1"}}},
                                            {"navigate", "https://example.com/v/1"}}));
}

TEST(WebPushRequest, LeavesPlaceForNothingOfTheDevice) {
  EXPECT_EQ(render(hello()).token_at, std::string::npos);
}

TEST(WebPushRequest, HasTheHeadersOfRfc8030And8188) {
  auto headers = headers_of(hello());
  EXPECT_EQ(headers["content-encoding"], "aes128gcm");
  EXPECT_EQ(headers["content-type"], "application/octet-stream");
  EXPECT_EQ(headers["ttl"], "60");
  EXPECT_EQ(headers["urgency"], "normal");
  EXPECT_EQ(headers.count("x-wns-cache-policy"), 0u);
  EXPECT_EQ(headers.size(), 5u) << "and a topic";
}

TEST(WebPushRequest, MapsPrioritiesToUrgency) {
  auto notification = hello();
  notification.priority = Priority::kUrgent;
  EXPECT_EQ(headers_of(notification)["urgency"], "high");
  notification.priority = Priority::kBulk;
  EXPECT_EQ(headers_of(notification)["urgency"], "low");
}

TEST(WebPushRequest, CountsWhatIsLeftToLiveFromNow) {
  auto notification = hello();
  const auto ttl = [&](auto now) { return headers_of(notification, now)["ttl"]; };
  const std::chrono::system_clock::time_point end = notification.expires_at;
  EXPECT_EQ(ttl(end - 1500ms), "1");
  EXPECT_EQ(ttl(end), "0");
  EXPECT_EQ(ttl(end + 5s), "0");
  EXPECT_EQ(ttl(end - kWebPushTtlMax), "2419200");
  EXPECT_EQ(ttl(end - kWebPushTtlMax - 1s), "2419200");
}

TEST(WebPushRequest, TellsWindowsNotToKeepWhatIsNowOrNever) {
  auto notification = hello();
  notification.expires_at = {};
  auto headers = headers_of(notification);
  EXPECT_EQ(headers["ttl"], "0");
  EXPECT_EQ(headers["x-wns-cache-policy"], "no-cache");
}

TEST(WebPushRequest, FoldsByTopicAndTag) {
  auto notification = hello();
  const std::string own = headers_of(notification)["topic"];
  EXPECT_EQ(headers_of(notification)["topic"], own) << "a repeat replaces the first";
  auto other = hello();
  other.event_id.back() = '2';
  EXPECT_NE(headers_of(other)["topic"], own);
  notification.collapse_key = other.collapse_key = "score";
  EXPECT_EQ(headers_of(notification)["topic"], headers_of(other)["topic"]);
  EXPECT_NE(headers_of(notification)["topic"], own);
  EXPECT_EQ(payload_of(notification)["notification"]["tag"], "score");
  notification.collapse_key = kEventId;
  EXPECT_NE(headers_of(notification)["topic"], own) << "a key is no event";
}

TEST(WebPushRequest, WritesATopicThatEveryServiceTakes) {
  auto notification = hello();
  notification.collapse_key = std::string(64, '_');
  const std::string topic = headers_of(notification)["topic"];
  EXPECT_EQ(topic.size(), kWebPushTopicCharsMax);
  EXPECT_TRUE(std::all_of(topic.begin(), topic.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  })) << topic;
}

TEST(WebPushRequest, MergesThePublishersOwnWordsDeeply) {
  auto notification = hello();
  notification.data = {{"video", "v-1"}};
  notification.webpush_json =
      R"({"web_push":8030,"notification":{"icon":"/icon.png","silent":true,"tag":null},"data":null})";
  EXPECT_EQ(payload_of(notification), json::parse(R"({
    "event": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11", "web_push": 8030,
    "notification": {"title": "New upload", "body": "Channel 42", "icon": "/icon.png",
                     "silent": true}})"));
}

TEST(WebPushRequest, RefusesWordsThatWouldTakeTheEventAway) {
  auto notification = hello();
  const auto pointer_of = [&](const char* words) {
    notification.webpush_json = words;
    return refusal(notification).pointer;
  };
  EXPECT_EQ(pointer_of(R"({"event":"x"})"), "/webpush/event");
  EXPECT_EQ(pointer_of(R"({"event":null})"), "/webpush/event");
  EXPECT_EQ(pointer_of(R"({"notification":"x"})"), "/webpush/notification");
  EXPECT_EQ(pointer_of(R"({"data":[]})"), "/webpush/data");
  EXPECT_EQ(pointer_of("[]"), "/webpush");
  EXPECT_EQ(pointer_of("{"), "/webpush");
}

TEST(WebPushRequest, FillsABodyToItsLastByteAndNoFurther) {
  auto notification = hello();
  notification.body = "x";
  notification.body.append(kWebPushPlaintextBytesMax - render(notification).body.size(), 'x');
  EXPECT_EQ(render(notification).body.size(), 3993u);
  notification.body += "x";
  const auto error = refusal(notification);
  EXPECT_EQ(error.pointer, "/notification/body");
  EXPECT_EQ(error.message, "makes a payload of 3994 bytes for Web Push, which takes at most 3993");
}

}  // namespace
}  // namespace carillon::push::webpush_request_test
