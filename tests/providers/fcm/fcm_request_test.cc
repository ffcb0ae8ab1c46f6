#include "providers/fcm/fcm_request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/providers/push_batches.h"

namespace carillon::push::fcm_request_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::hello;
using test::kEventId;

// A minute before hello() expires.
constexpr std::chrono::system_clock::time_point kNow{2'000'000'000s - 60s};

RenderedMessage render(const Notification& notification,
                       std::chrono::system_clock::time_point now = kNow) {
  auto rendered = render_fcm(notification, now);
  EXPECT_TRUE(rendered.has_value()) << rendered.error().pointer << " " << rendered.error().message;
  return rendered.value_or(RenderedMessage{});
}
json message_of(const Notification& notification,
                std::chrono::system_clock::time_point now = kNow) {
  std::string body = render(notification, now).body;
  return json::parse(body)["message"];
}
RenderError refusal(const Notification& notification) {
  const auto rendered = render_fcm(notification, kNow);
  EXPECT_FALSE(rendered.has_value());
  return rendered.has_value() ? RenderError{} : rendered.error();
}

TEST(FcmRequest, PutsEverythingWhereFirebaseLooksForIt) {
  auto notification = hello();
  notification.image = "https://example.com/a.png";
  notification.sound = "bell";
  notification.category = "OPEN_UPLOAD";
  notification.thread_id = "channel-42";
  notification.click_url = "https://example.com/v/1";
  notification.badge = 3;
  notification.data = {{"video", "v-1"}};
  EXPECT_EQ(message_of(notification), json::parse(R"({
    "token": "",
    "notification": {"title": "New upload", "body": "Channel 42",
                     "image": "https://example.com/a.png"},
    "data": {"video": "v-1", "carillon_event": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11",
             "carillon_url": "https://example.com/v/1"},
    "android": {"priority": "HIGH", "ttl": "60s",
                "notification": {"tag": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11", "sound": "bell",
                                 "click_action": "OPEN_UPLOAD", "notification_count": 3}},
    "apns": {"headers": {"apns-priority": "10", "apns-expiration": "2000000000",
                         "apns-collapse-id": "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11"},
             "payload": {"aps": {"sound": "bell", "badge": 3, "category": "OPEN_UPLOAD",
                                 "thread-id": "channel-42", "mutable-content": 1}}},
    "webpush": {"headers": {"TTL": "60", "Urgency": "normal",
                            "Topic": "735235e1f15521329448504942b73626"}}})"));
}

TEST(FcmRequest, LeavesAPlaceForTheToken) {
  const auto message = render(hello());
  std::string body = message.body;
  body.insert(message.token_at, "the-token");
  EXPECT_EQ(json::parse(body)["message"]["token"], "the-token");
  ASSERT_EQ(message.headers.size(), 1u);
  EXPECT_EQ(message.headers[0].name, "content-type");
  EXPECT_EQ(message.headers[0].value, "application/json");
}

TEST(FcmRequest, SendsDataAloneWhenThereIsNothingToShow) {
  auto notification = hello();
  notification.title.clear();
  notification.body.clear();
  const auto message = message_of(notification);
  EXPECT_FALSE(message.contains("notification"));
  EXPECT_FALSE(message["android"].contains("notification"));
  EXPECT_EQ(message["android"]["priority"], "NORMAL");
  EXPECT_EQ(message["data"]["carillon_event"], kEventId);
}

TEST(FcmRequest, MapsPriorities) {
  auto notification = hello();
  const auto priority = [&] { return message_of(notification)["android"]["priority"]; };
  EXPECT_EQ(priority(), "HIGH");
  notification.priority = Priority::kBulk;
  EXPECT_EQ(priority(), "NORMAL");
  notification.title.clear();
  notification.body.clear();
  notification.priority = Priority::kUrgent;
  EXPECT_EQ(priority(), "HIGH");
}

TEST(FcmRequest, CountsWhatIsLeftToLiveFromNow) {
  auto notification = hello();
  const auto ttl = [&](auto now) { return message_of(notification, now)["android"]["ttl"]; };
  const std::chrono::system_clock::time_point end = notification.expires_at;
  EXPECT_EQ(ttl(end - 1500ms), "1s");
  EXPECT_EQ(ttl(end), "0s");
  EXPECT_EQ(ttl(end + 5s), "0s");
  EXPECT_EQ(ttl(end - kFcmTtlMax), "2419200s");
  EXPECT_EQ(ttl(end - kFcmTtlMax - 1s), "2419200s");
  notification.expires_at = {};
  EXPECT_EQ(ttl(kNow), "0s") << "now or never";
}

TEST(FcmRequest, FoldsByTagAndNeverByCollapseKey) {
  auto notification = hello();
  notification.collapse_key = "score";
  const auto android = message_of(notification)["android"];
  EXPECT_EQ(android["notification"]["tag"], "score");
  EXPECT_FALSE(android.contains("collapse_key"));
}

TEST(FcmRequest, MergesThePublishersOwnWordsDeeply) {
  auto notification = hello();
  notification.fcm_json =
      R"({"android":{"collapse_key":"k","notification":{"channel_id":"news"}},
          "apns":{"headers":{"apns-priority":"5"}},"data":{"more":"1"}})";
  const auto message = message_of(notification);
  EXPECT_EQ(message["android"]["collapse_key"], "k");
  EXPECT_EQ(message["android"]["notification"]["channel_id"], "news");
  EXPECT_EQ(message["android"]["notification"]["tag"], kEventId);
  EXPECT_EQ(message["apns"]["headers"]["apns-priority"], "5");
  EXPECT_EQ(message["data"]["more"], "1");
  EXPECT_EQ(message["data"]["carillon_event"], kEventId);
}

TEST(FcmRequest, LeavesWhatIphonesAndBrowsersGetToThePublishersOwnWords) {
  auto notification = hello();
  notification.fcm_json = R"({
      "apns": {"headers": {"apns-priority": "5", "APNS-Expiration": "7", "apns-collapse-id": null},
               "payload": {"aps": {"sound": {"critical": 1}}, "own": true}},
      "webpush": {"headers": {"ttl": "7"}}})";
  const auto message = message_of(notification);
  EXPECT_EQ(message["apns"], json::parse(R"({
      "headers": {"apns-priority": "5", "APNS-Expiration": "7"},
      "payload": {"aps": {"sound": {"critical": 1}}, "own": true}})"));
  EXPECT_EQ(message["webpush"]["headers"], json::parse(R"({"ttl": "7", "Urgency": "normal",
                            "Topic": "735235e1f15521329448504942b73626"})"));
  notification.fcm_json = R"({"apns": null, "webpush": {"headers": null}})";
  const auto without = message_of(notification);
  EXPECT_FALSE(without.contains("apns"));
  EXPECT_EQ(without["webpush"], json::object());
}

// Of something without a title and a body, what FCM's own parts make of it for an iPhone.
TEST(FcmRequest, WakesAnIphoneOnlyWhereThePublishersOwnWordsShowNothing) {
  struct Row {
    const char* own_words;
    json push_type;  // null: FCM finds it
    bool wakes;
  };
  const Row kRows[] = {
      {"", "background", true},
      {R"({"apns":{"payload":{"own":1}}})", "background", true},
      {R"({"apns":{"payload":{"aps":{"alert":{"title":"t"}}}}})", "alert", false},
      {R"({"apns":{"payload":{"aps":{"alert":"t"}},"headers":{"apns-push-type":"voip"}}})", "voip",
       false},
      {R"({"notification":{"title":"t"}})", nullptr, false},
      {R"({"apns":{"live_activity_token":"l","payload":{"aps":{"event":"end"}}}})", nullptr, false},
      {R"({"apns":{"payload":{"aps":{"content-available":null}}}})", "background", false},
      {R"({"apns":{"payload":{"aps":1}}})", "background", false},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.own_words);
    auto notification = hello();
    notification.title.clear();
    notification.body.clear();
    notification.fcm_json = row.own_words;
    const auto apns = message_of(notification)["apns"];
    EXPECT_EQ(apns["headers"].value("apns-push-type", json()), row.push_type);
    EXPECT_EQ(apns["headers"]["apns-priority"], row.push_type == "background" ? "5" : "10");
    EXPECT_EQ(apns.contains(json::json_pointer("/payload/aps/content-available")), row.wakes);
  }
}

TEST(FcmRequest, RefusesNamesThatAreTaken) {
  for (const char* name :
       {"from", "message_type", "google.x", "gcm.notification.x", "carillon_event", "carillon_x"}) {
    auto notification = hello();
    notification.data = {{name, "x"}};
    EXPECT_EQ(refusal(notification).pointer, std::string("/data/") + name);
    notification.data.clear();
    notification.fcm_json = json{{"data", {{name, "x"}}}}.dump();
    EXPECT_EQ(refusal(notification).pointer, std::string("/fcm/data/") + name);
  }
  for (const char* name : {"token", "topic", "condition", "fid", "name"}) {
    auto notification = hello();
    notification.fcm_json = json{{name, "x"}}.dump();
    EXPECT_EQ(refusal(notification).pointer, std::string("/fcm/") + name);
  }
}

TEST(FcmRequest, EscapesANameInItsPointer) {
  auto notification = hello();
  notification.data = {{"google.a/b~c", "x"}};
  EXPECT_EQ(refusal(notification).pointer, "/data/google.a~1b~0c");
}

TEST(FcmRequest, RefusesOwnWordsOfTheWrongShape) {
  auto notification = hello();
  notification.fcm_json = "[]";
  EXPECT_EQ(refusal(notification).pointer, "/fcm");
  notification.fcm_json = R"({"android":1})";
  EXPECT_EQ(refusal(notification).pointer, "/fcm/android");
  notification.fcm_json = R"({"data":{"n":1}})";
  EXPECT_EQ(refusal(notification).pointer, "/fcm/data/n");
}

TEST(FcmRequest, TakesAPayloadOf4096BytesAndNotOneMore) {
  auto notification = hello();
  const auto size_of = [](const RenderedMessage& message) {
    json content = json::parse(message.body)["message"];
    content.erase("token");
    // Headers are no payload, and here all of them are Carillon's.
    content.erase("apns");
    content.erase("webpush");
    return content.dump().size();
  };
  const std::size_t around = size_of(render(notification)) - notification.body.size();
  for (const std::size_t size : {4095u, 4096u}) {
    notification.body = std::string(size - around, 'x');
    EXPECT_EQ(size_of(render(notification)), size);
  }
  notification.body += 'x';
  EXPECT_EQ(refusal(notification).pointer, "/notification/body");
  EXPECT_EQ(refusal(notification).message,
            "makes a payload of 4097 bytes for FCM, which takes at most 4096");
}

TEST(FcmRequest, CountsThePublishersOwnHeadersAndWhatIphonesGet) {
  const auto counted = [](const char* own_words) {
    auto notification = hello();
    notification.body = std::string(5000, 'x');
    notification.fcm_json = own_words;
    const std::string message = refusal(notification).message;
    return std::stoul(message.substr(std::string_view("makes a payload of ").size()));
  };
  const auto plain = counted("");
  EXPECT_EQ(counted(R"({"apns":{"headers":{"x":"12"}}})") - plain,
            std::string_view(R"("apns":{"headers":{"x":"12"}},)").size());
  EXPECT_EQ(counted(R"({"apns":{"headers":{"apns-priority":"5"}}})") - plain,
            std::string_view(R"("apns":{"headers":{"apns-priority":"5"}},)").size());
  EXPECT_EQ(counted(R"({"apns":{"payload":{"k":1}}})") - plain,
            std::string_view(R"("apns":{"payload":{"k":1}},)").size());
  EXPECT_EQ(counted(R"({"apns":{},"webpush":null})"), plain);
}

TEST(FcmRequest, KnowsATokenByItsAlphabet) {
  EXPECT_TRUE(is_fcm_token("dX9:APA91b-_Zz09"));
  EXPECT_FALSE(is_fcm_token(""));
  EXPECT_FALSE(is_fcm_token("a\"b"));
  EXPECT_FALSE(is_fcm_token("a\\b"));
  EXPECT_FALSE(is_fcm_token("a b"));
  EXPECT_FALSE(is_fcm_token("a\nb"));
  EXPECT_FALSE(is_fcm_token("\xc3\xa9"));
}

}  // namespace
}  // namespace carillon::push::fcm_request_test
