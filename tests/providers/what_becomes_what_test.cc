// The table "What becomes what" of providers/README.md: a row of it for each platform is one here.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "providers/apns/apns_request.h"
#include "providers/fcm/fcm_request.h"
#include "providers/webpush/webpush_request.h"
#include "tests/providers/push_batches.h"

namespace carillon::push::what_becomes_what_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using Change = void (*)(Notification&);

// A minute before hello() expires.
constexpr std::chrono::system_clock::time_point kNow{2'000'000'000s - 60s};
constexpr Platform kApns = Platform::kApns, kFcm = Platform::kFcm, kWeb = Platform::kWebPush;

struct Row {
  const char* notification;  // the row of the table
  Change change;             // what hello() is made to be
  Platform platform;
  std::string place;     // a header's name, or a JSON pointer into the body (FCM: into `message`)
  std::string expected;  // JSON of what is there; "": nothing is
};

json rendered(const Row& row) {
  Notification notification = test::hello();
  row.change(notification);
  const auto message = [&] {
    switch (row.platform) {
      case kApns:
        return render_apns(notification, {.bundle_id = "com.example.bells"});
      case kFcm:
        return render_fcm(notification, kNow);
      case kWeb:
        break;
    }
    return render_webpush(notification, kNow);
  }();
  if (!message) {
    ADD_FAILURE() << message.error().pointer << " " << message.error().message;
    return {};
  }
  if (row.place.starts_with('/')) {
    json body = json::parse(message->body);
    if (row.platform == kFcm) body = body["message"];
    const json::json_pointer place(row.place);
    return body.contains(place) ? body[place] : json();
  }
  for (const auto& header : message->headers) {
    if (header.name == row.place) return header.value;
  }
  return {};
}

void as_it_is(Notification&) {}
void silent(Notification& to) {
  to.title.clear();
  to.body.clear();
}
void only_a_title(Notification& to) {
  to.body.clear();
}
void with_image(Notification& to) {
  to.image = "https://example.com/a.png";
}
void changeable(Notification& to) {
  to.mutable_content = true;
}
void with_sound(Notification& to) {
  to.sound = "bell.caf";
}
void with_badge(Notification& to) {
  to.badge = 3;
}
void with_badge_of_none(Notification& to) {
  to.badge = 0;
}
void with_category(Notification& to) {
  to.category = "UPLOAD";
}
void with_thread(Notification& to) {
  to.thread_id = "channel-42";
}
void with_url(Notification& to) {
  to.click_url = "https://example.com/v/1";
}
void silent_with_url(Notification& to) {
  silent(to);
  with_url(to);
}
void with_data(Notification& to) {
  to.data = {{"video", "v-1"}, {"empty", ""}};
}
void with_key(Notification& to) {
  to.collapse_key = "score";
}
void urgent(Notification& to) {
  to.priority = Priority::kUrgent;
}
void bulk(Notification& to) {
  to.priority = Priority::kBulk;
}
void silent_urgent(Notification& to) {
  silent(to);
  urgent(to);
}
void now_or_never(Notification& to) {
  to.expires_at = {};
}
void silent_with_badge(Notification& to) {
  silent(to);
  with_badge(to);
}
void with_key_of_letters(Notification& to) {
  to.collapse_key = "Spielstand \xc3\xbc";
}
void with_own_words(Notification& to) {
  to.apns_json = R"({"aps":{"alert":{"title":null,"subtitle":"own"}},"k":1})";
  to.fcm_json = R"({"notification":{"title":null},"android":{"notification":{"icon":"own"}}})";
  to.webpush_json = R"({"notification":{"title":null,"icon":"own"}})";
}

std::vector<Row> table() {
  const std::string event = std::string("\"") + test::kEventId + "\"";
  return {
      {"event_id", as_it_is, kApns, "/carillon/event", event},
      {"event_id", as_it_is, kApns, "apns-collapse-id", event},
      {"event_id", as_it_is, kFcm, "/data/carillon_event", event},
      {"event_id", as_it_is, kFcm, "/android/notification/tag", event},
      {"event_id", as_it_is, kWeb, "/event", event},
      {"event_id", as_it_is, kWeb, "/notification/tag", event},

      {"title", as_it_is, kApns, "/aps/alert/title", R"("New upload")"},
      {"title", as_it_is, kFcm, "/notification/title", R"("New upload")"},
      {"title", as_it_is, kWeb, "/notification/title", R"("New upload")"},
      {"body", as_it_is, kApns, "/aps/alert/body", R"("Channel 42")"},
      {"body", as_it_is, kFcm, "/notification/body", R"("Channel 42")"},
      {"body", as_it_is, kWeb, "/notification/body", R"("Channel 42")"},
      {"no body", only_a_title, kApns, "/aps/alert/body", ""},
      {"no body", only_a_title, kFcm, "/notification/body", ""},
      {"no body", only_a_title, kWeb, "/notification/body", ""},

      {"silent", silent, kApns, "/aps", R"({"content-available":1})"},
      {"silent", silent, kApns, "apns-push-type", R"("background")"},
      {"silent", silent, kApns, "apns-priority", R"("5")"},
      {"silent", silent_urgent, kApns, "apns-priority", R"("5")"},
      {"silent", silent, kFcm, "/notification", ""},
      {"silent", silent, kFcm, "/android/notification", ""},
      {"silent", silent, kFcm, "/data/carillon_event", event},
      {"silent", silent, kWeb, "/notification", ""},
      {"silent", silent, kWeb, "/event", event},

      {"image", with_image, kApns, "/carillon/image", R"("https://example.com/a.png")"},
      {"image", with_image, kFcm, "/notification/image", R"("https://example.com/a.png")"},
      {"image", with_image, kWeb, "/notification/image", R"("https://example.com/a.png")"},
      {"image", with_image, kApns, "/aps/mutable-content", "1"},
      {"mutable_content", changeable, kApns, "/aps/mutable-content", "1"},
      {"mutable_content", changeable, kFcm, "/apns/payload/aps", R"({"mutable-content":1})"},
      {"mutable_content", changeable, kFcm, "/android/notification/mutable_content", ""},
      {"mutable_content", changeable, kWeb, "/notification/mutable_content", ""},
      {"no mutable_content", as_it_is, kApns, "/aps/mutable-content", ""},

      {"sound", with_sound, kApns, "/aps/sound", R"("bell.caf")"},
      {"sound", with_sound, kFcm, "/android/notification/sound", R"("bell.caf")"},
      {"sound", with_sound, kWeb, "/notification/sound", ""},

      {"badge", with_badge, kApns, "/aps/badge", "3"},
      {"badge", with_badge, kFcm, "/android/notification/notification_count", "3"},
      {"badge", with_badge, kWeb, "/app_badge", "3"},
      {"badge of 0", with_badge_of_none, kApns, "/aps/badge", "0"},
      {"badge of 0", with_badge_of_none, kFcm, "/android/notification/notification_count", "0"},
      {"badge of 0", with_badge_of_none, kWeb, "/app_badge", "0"},
      {"no badge", as_it_is, kApns, "/aps/badge", ""},
      {"no badge", as_it_is, kFcm, "/android/notification/notification_count", ""},
      {"no badge", as_it_is, kWeb, "/app_badge", ""},

      {"category", with_category, kApns, "/aps/category", R"("UPLOAD")"},
      {"category", with_category, kFcm, "/android/notification/click_action", R"("UPLOAD")"},
      {"category", with_category, kWeb, "/notification/category", ""},

      {"thread_id", with_thread, kApns, "/aps/thread-id", R"("channel-42")"},
      {"thread_id", with_thread, kFcm, "/android/notification/tag", event},
      {"thread_id", with_thread, kWeb, "/notification/tag", event},

      {"click_url", with_url, kApns, "/carillon/url", R"("https://example.com/v/1")"},
      {"click_url", with_url, kFcm, "/data/carillon_url", R"("https://example.com/v/1")"},
      {"click_url", with_url, kWeb, "/notification/navigate", R"("https://example.com/v/1")"},
      {"click_url, silent", silent_with_url, kApns, "/carillon/url",
       R"("https://example.com/v/1")"},
      {"click_url, silent", silent_with_url, kFcm, "/data/carillon_url",
       R"("https://example.com/v/1")"},
      {"click_url, silent", silent_with_url, kWeb, "/navigate", R"("https://example.com/v/1")"},

      {"data", with_data, kApns, "/video", R"("v-1")"},
      {"data", with_data, kApns, "/empty", R"("")"},
      {"data", with_data, kFcm, "/data/video", R"("v-1")"},
      {"data", with_data, kFcm, "/data/empty", R"("")"},
      {"data", with_data, kWeb, "/data", R"({"video":"v-1","empty":""})"},

      {"collapse_key", with_key, kApns, "apns-collapse-id", R"("score")"},
      {"collapse_key", with_key, kFcm, "/android/notification/tag", R"("score")"},
      {"collapse_key", with_key, kFcm, "/android/collapse_key", ""},
      {"collapse_key", with_key, kWeb, "/notification/tag", R"("score")"},
      // The first 32 digits of SHA-256 of "collapse score", and of "event " and the event's id.
      {"collapse_key", with_key, kWeb, "topic", R"("039cc59c55e4098be8d16ef104252736")"},
      {"event_id", as_it_is, kWeb, "topic", R"("735235e1f15521329448504942b73626")"},

      {"priority urgent", urgent, kApns, "apns-priority", R"("10")"},
      {"priority urgent", urgent, kFcm, "/android/priority", R"("HIGH")"},
      {"priority urgent", urgent, kWeb, "urgency", R"("high")"},
      {"priority normal", as_it_is, kApns, "apns-priority", R"("10")"},
      {"priority normal", as_it_is, kFcm, "/android/priority", R"("HIGH")"},
      {"priority normal", as_it_is, kWeb, "urgency", R"("normal")"},
      {"priority normal, silent", silent, kFcm, "/android/priority", R"("NORMAL")"},
      {"priority urgent, silent", silent_urgent, kFcm, "/android/priority", R"("HIGH")"},
      {"priority bulk", bulk, kApns, "apns-priority", R"("5")"},
      {"priority bulk", bulk, kFcm, "/android/priority", R"("NORMAL")"},
      {"priority bulk", bulk, kWeb, "urgency", R"("low")"},

      {"expires_at", as_it_is, kApns, "apns-expiration", R"("2000000000")"},
      {"expires_at", as_it_is, kFcm, "/android/ttl", R"("60s")"},
      {"expires_at", as_it_is, kWeb, "ttl", R"("60")"},
      {"expires_at", as_it_is, kWeb, "x-wns-cache-policy", ""},
      {"expires_at of 0", now_or_never, kApns, "apns-expiration", R"("0")"},
      {"expires_at of 0", now_or_never, kFcm, "/android/ttl", R"("0s")"},
      {"expires_at of 0", now_or_never, kWeb, "ttl", R"("0")"},
      {"expires_at of 0", now_or_never, kWeb, "x-wns-cache-policy", R"("no-cache")"},

      // What FCM hands on to iPhones and to browsers.
      {"event_id", as_it_is, kFcm, "/apns/headers/apns-collapse-id", event},
      {"event_id", as_it_is, kFcm, "/webpush/headers/Topic",
       R"("735235e1f15521329448504942b73626")"},
      {"collapse_key", with_key, kFcm, "/apns/headers/apns-collapse-id", R"("score")"},
      {"collapse_key", with_key, kFcm, "/webpush/headers/Topic",
       R"("039cc59c55e4098be8d16ef104252736")"},
      // SHA-256 of "collapse Spielstand ü".
      {"collapse_key, no header", with_key_of_letters, kFcm, "/apns/headers/apns-collapse-id",
       R"("1e792d1fd7210ecd2db7fcdf242ce3cb")"},
      {"title, body", as_it_is, kFcm, "/apns/payload", ""},
      {"title, body", as_it_is, kFcm, "/apns/headers/apns-push-type", ""},
      {"silent", silent, kFcm, "/apns/payload/aps", R"({"content-available":1})"},
      {"silent", silent, kFcm, "/apns/headers/apns-push-type", R"("background")"},
      {"silent", silent, kFcm, "/apns/headers/apns-priority", R"("5")"},
      {"silent", silent_urgent, kFcm, "/apns/headers/apns-priority", R"("5")"},
      {"silent, badge", silent_with_badge, kFcm, "/apns/payload/aps", R"({"badge":3})"},
      {"silent, badge", silent_with_badge, kFcm, "/apns/headers/apns-push-type", R"("alert")"},
      {"silent, badge", silent_with_badge, kFcm, "/apns/headers/apns-priority", R"("10")"},
      {"image", with_image, kFcm, "/apns/payload/aps", R"({"mutable-content":1})"},
      {"sound", with_sound, kFcm, "/apns/payload/aps", R"({"sound":"bell.caf"})"},
      {"badge", with_badge, kFcm, "/apns/payload/aps", R"({"badge":3})"},
      {"badge of 0", with_badge_of_none, kFcm, "/apns/payload/aps", R"({"badge":0})"},
      {"category", with_category, kFcm, "/apns/payload/aps", R"({"category":"UPLOAD"})"},
      {"thread_id", with_thread, kFcm, "/apns/payload/aps", R"({"thread-id":"channel-42"})"},
      {"priority urgent", urgent, kFcm, "/apns/headers/apns-priority", R"("10")"},
      {"priority urgent", urgent, kFcm, "/webpush/headers/Urgency", R"("high")"},
      {"priority normal", as_it_is, kFcm, "/apns/headers/apns-priority", R"("10")"},
      {"priority normal", as_it_is, kFcm, "/webpush/headers/Urgency", R"("normal")"},
      {"priority bulk", bulk, kFcm, "/apns/headers/apns-priority", R"("5")"},
      {"priority bulk", bulk, kFcm, "/webpush/headers/Urgency", R"("low")"},
      {"expires_at", as_it_is, kFcm, "/apns/headers/apns-expiration", R"("2000000000")"},
      {"expires_at", as_it_is, kFcm, "/webpush/headers/TTL", R"("60")"},
      {"expires_at of 0", now_or_never, kFcm, "/apns/headers/apns-expiration", R"("0")"},
      {"expires_at of 0", now_or_never, kFcm, "/webpush/headers/TTL", R"("0")"},

      {"own words", with_own_words, kApns, "/aps/alert",
       R"({"body":"Channel 42","subtitle":"own"})"},
      {"own words", with_own_words, kApns, "/k", "1"},
      {"own words", with_own_words, kFcm, "/notification", R"({"body":"Channel 42"})"},
      {"own words", with_own_words, kFcm, "/android/notification/icon", R"("own")"},
      {"own words", with_own_words, kFcm, "/android/notification/tag", event},
      {"own words", with_own_words, kWeb, "/notification",
       R"({"body":"Channel 42","icon":"own","tag":)" + event + "}"},
  };
}

TEST(WhatBecomesWhat, EachRowOnEachPlatform) {
  constexpr const char* kNames[] = {"", "APNs", "FCM", "Web Push"};
  for (const Row& row : table()) {
    SCOPED_TRACE(std::string(row.notification) + " on " +
                 kNames[static_cast<std::size_t>(row.platform)] + ", " + row.place);
    EXPECT_EQ(rendered(row), row.expected.empty() ? json() : json::parse(row.expected));
  }
}

}  // namespace
}  // namespace carillon::push::what_becomes_what_test
