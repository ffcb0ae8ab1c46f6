#include "providers/fcm/fcm_words.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "providers/fcm/fcm_request.h"
#include "tests/providers/push_batches.h"

namespace carillon::push::fcm_words_test {
namespace {

using nlohmann::json;

// A value at a place in `fcm`, and whether FCM takes it; where not, the fault is at `at`, or if
// that is not given at the place itself.
struct Row {
  const char* place;  // RFC 6901, below /fcm
  std::string value;  // JSON
  bool good = false;
  const char* at = nullptr;
};

std::string quoted(std::size_t chars) {
  return "\"" + std::string(chars, 'x') + "\"";
}

std::vector<Row> rows() {
  return {
      // Who it goes to.
      {"/token", R"("x")"},
      {"/topic", R"("x")"},
      {"/condition", R"("x")"},
      {"/fid", R"("x")"},
      {"/name", R"("x")"},
      // Names: known ones, in both spellings.
      {"/notifications", "{}"},
      {"/validate_only", "true"},
      {"/android/click_action", R"("x")"},
      {"/android/notification/click_action", R"("x")", true},
      {"/android/notification/clickAction", R"("x")", true},
      {"/android/notification/click_Action", R"("x")"},
      {"/android/notification/clickaction", R"("x")"},
      {"/android/notification", R"({"clickAction":"a","click_action":"b"})", false,
       "/android/notification/click_action"},
      {"/android/notification/x~1y", "1"},
      {"/fcm_options", R"({"link":"https://x"})", false, "/fcm_options/link"},
      // Messages are objects; null takes away what is rendered, unless it is needed.
      {"/notification", "[]"},
      {"/notification", "null", true},
      {"/android", "1"},
      {"/android", "null"},
      {"/android/notification", R"("x")"},
      {"/android/notification", "null", true},
      {"/data", "null"},
      {"/apns", "true"},
      {"/apns", "null", true},
      {"/webpush", R"("x")"},
      // Texts.
      {"/notification/title", R"("x")", true},
      {"/notification/title", "null", true},
      {"/notification/title", "1"},
      {"/notification/body", "{}"},
      {"/notification/image", "[]"},
      {"/android/collapse_key", "1"},
      {"/android/restricted_package_name", "false"},
      {"/android/notification/icon", "1"},
      {"/android/notification/channel_id", "1"},
      {"/android/notification/body_loc_args", R"(["a","b"])", true},
      {"/android/notification/body_loc_args", R"("a")"},
      {"/android/notification/title_loc_args", R"(["a",1])", false,
       "/android/notification/title_loc_args/1"},
      {"/apns/live_activity_token", "1"},
      // Flags.
      {"/android/direct_boot_ok", "true", true},
      {"/android/directBootOk", "false", true},
      {"/android/direct_boot_ok", R"("true")"},
      {"/android/bandwidth_constrained_ok", "1"},
      {"/android/restricted_satellite_ok", "0"},
      {"/android/notification/sticky", R"("yes")"},
      {"/android/notification/local_only", "1"},
      {"/android/notification/default_sound", "1"},
      {"/android/notification/default_vibrate_timings", "1"},
      {"/android/notification/default_light_settings", "1"},
      {"/android/notification/bypass_proxy_notification", "1"},
      // Enums.
      {"/android/priority", R"("HIGH")", true},
      {"/android/priority", R"("normal")", true},
      {"/android/priority", R"("urgent")"},
      {"/android/priority", R"("")"},
      {"/android/priority", "10"},
      {"/android/notification/notification_priority", R"("PRIORITY_MAX")", true},
      {"/android/notification/notification_priority", R"("MAX")"},
      {"/android/notification/visibility", R"("SECRET")", true},
      {"/android/notification/visibility", R"("HIDDEN")"},
      {"/android/notification/proxy", R"("IF_PRIORITY_LOWERED")", true},
      {"/android/notification/proxy", R"("MAYBE")"},
      // Durations: at most four weeks to live.
      {"/android/ttl", R"("3.5s")", true},
      {"/android/ttl", R"("0s")", true},
      {"/android/ttl", R"("2419200s")", true},
      {"/android/ttl", R"("2419200.000s")", true},
      {"/android/ttl", R"("2419200.000000001s")"},
      {"/android/ttl", R"("2419201s")"},
      {"/android/ttl", R"("99999999999999999999s")"},
      {"/android/ttl", R"("-1s")"},
      {"/android/ttl", R"("3.5")"},
      {"/android/ttl", R"("s")"},
      {"/android/ttl", R"(".5s")"},
      {"/android/ttl", R"("3.s")"},
      {"/android/ttl", R"("3.1234567890s")"},
      {"/android/ttl", R"("3,5s")"},
      {"/android/ttl", "3600"},
      {"/android/notification/vibrate_timings", R"(["0.2s","1s"])", true},
      {"/android/notification/vibrate_timings", R"(["0.2s",1])", false,
       "/android/notification/vibrate_timings/1"},
      {"/android/notification/vibrate_timings", R"("1s")"},
      // Lights.
      {"/android/notification/light_settings",
       R"({"color":{"red":1,"green":0.5,"blue":0,"alpha":1},
           "light_on_duration":"1s","light_off_duration":"0.5s"})",
       true},
      {"/android/notification/light_settings/color/red", "1.1"},
      {"/android/notification/light_settings/color/alpha", R"("1")"},
      {"/android/notification/light_settings/color", R"("#ffffff")"},
      {"/android/notification/light_settings/light_on_duration", "1"},
      {"/android/notification/light_settings/light_off_duration", R"("1")"},
      // Colour, count, time.
      {"/android/notification/color", R"("#1d4ED8")", true},
      {"/android/notification/color", R"("1d4ed8")"},
      {"/android/notification/color", R"("#fff")"},
      {"/android/notification/color", R"("#1d4edg")"},
      {"/android/notification/color", "1"},
      {"/android/notification/notification_count", "0", true},
      {"/android/notification/notification_count", "2147483647", true},
      {"/android/notification/notification_count", R"("3")", true},
      {"/android/notification/notification_count", "2147483648"},
      {"/android/notification/notification_count", R"("2147483648")"},
      {"/android/notification/notification_count", "-1"},
      {"/android/notification/notification_count", "1.5"},
      {"/android/notification/notification_count", R"("3x")"},
      {"/android/notification/event_time", R"("2026-11-21T14:00:00Z")", true},
      {"/android/notification/event_time", R"("2026-11-21T14:00:00.123456789+01:00")", true},
      {"/android/notification/event_time", R"("2026-11-21 14:00:00")"},
      {"/android/notification/event_time", R"("2026-11-21T14:00:00")"},
      {"/android/notification/event_time", R"("2026-13-21T14:00:00Z")"},
      {"/android/notification/event_time", R"("2026-11-21T24:00:00Z")"},
      {"/android/notification/event_time", R"("2026-11-21T14:00:00.Z")"},
      {"/android/notification/event_time", R"("2026-11-21T14:00:00Zx")"},
      {"/android/notification/event_time", "1763733600"},
      // Data is texts, under names that are free.
      {"/data/k", R"("v")", true},
      {"/data/k", "1"},
      {"/data/k", "{}"},
      {"/data/from", R"("v")"},
      {"/data/carillon_event", "null"},
      {"/android/data/k", R"("v")", true},
      {"/android/data/k", "true"},
      {"/android/data/google.x", R"("v")"},
      {"/webpush/data/k", "1"},
      {"/webpush/data/message_type", R"("v")"},
      // What is said to Apple and to browsers.
      {"/apns/headers/apns-priority", R"("5")", true},
      {"/apns/headers/apns-priority", "5"},
      {"/apns/headers", "[]"},
      {"/apns/payload", R"({"aps":{"badge":1}})", true},
      {"/apns/payload", "[]"},
      {"/apns/fcm_options/image", R"("https://x/i.png")", true},
      {"/apns/fcm_options/image", "1"},
      {"/webpush/headers/TTL", R"("60")", true},
      {"/webpush/headers/TTL", "60"},
      {"/webpush/notification", R"({"icon":"i","actions":[{"action":"a"}]})", true},
      {"/webpush/notification", R"("x")"},
      {"/webpush/fcm_options/link", R"("https://x")", true},
      {"/webpush/fcm_options/link", R"("http://x")"},
      {"/webpush/fcm_options/link", R"("https://")"},
      // Labels.
      {"/fcm_options/analytics_label", R"("Az09-_.~%")", true},
      {"/fcm_options/analytics_label", quoted(50), true},
      {"/fcm_options/analytics_label", quoted(51)},
      {"/fcm_options/analytics_label", R"("")"},
      {"/fcm_options/analytics_label", R"("a b")"},
      {"/android/fcm_options/analytics_label", R"("a b")"},
      {"/apns/fcm_options/analytics_label", R"("a b")"},
      {"/webpush/fcm_options/analytics_label", R"("a b")"},
  };
}

TEST(FcmWords, HoldsEveryMemberToWhatFcmTakes) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.place + (" = " + row.value.substr(0, 80)));
    json words = json::object();
    words[json::json_pointer(row.place)] = json::parse(row.value);
    const auto read = read_fcm_words(words.dump());
    ASSERT_EQ(read.has_value(), row.good);
    if (!row.good) {
      EXPECT_EQ(read.error().pointer, std::string("/fcm") + (row.at ? row.at : row.place));
    }
  }
}

TEST(FcmWords, SaysWhatWouldDo) {
  EXPECT_EQ(read_fcm_words(R"({"android":{"priority":"urgent"}})").error().message,
            "must be one of NORMAL, HIGH");
  EXPECT_EQ(read_fcm_words(R"({"android":{"ttl":3600}})").error().message,
            R"(must be a duration such as "3.5s" of at most 2419200 s)");
  EXPECT_EQ(read_fcm_words(R"({"data":{"n":1}})").error().message, "must be a string");
}

TEST(FcmWords, AnswersNamesAsCarillonRendersThem) {
  EXPECT_EQ(read_fcm_words(R"({"fcmOptions":{"analyticsLabel":"a"},
                               "android":{"notification":{"titleLocKey":"k"}},
                               "data":{"camelCase":"stays"},
                               "apns":{"payload":{"camelCase":{"clickAction":1}}}})"),
            json::parse(R"({"fcm_options":{"analytics_label":"a"},
                            "android":{"notification":{"title_loc_key":"k"}},
                            "data":{"camelCase":"stays"},
                            "apns":{"payload":{"camelCase":{"clickAction":1}}}})"));
  EXPECT_EQ(read_fcm_words(""), json::object());
}

// --- merged over what is rendered

json rendered_with(std::string words) {
  auto notification = test::hello();
  notification.click_url = "https://example.com/v/1";
  notification.data = {{"video", "v-1"}};
  notification.fcm_json = std::move(words);
  const auto message = render_fcm(notification, {});
  EXPECT_TRUE(message.has_value()) << message.error().pointer << " " << message.error().message;
  return message ? json::parse(message->body)["message"] : json();
}

TEST(FcmWords, AWordInEitherSpellingTakesThePlaceOfWhatIsRendered) {
  const json android = rendered_with(
      R"({"android":{"notification":{"clickAction":"MINE","tag":"mine"},"ttl":"5s"}})")["android"];
  EXPECT_EQ(android["notification"]["click_action"], "MINE");
  EXPECT_FALSE(android["notification"].contains("clickAction")) << "FCM refuses a name twice";
  EXPECT_EQ(android["notification"]["tag"], "mine");
  EXPECT_EQ(android["ttl"], "5s");
  EXPECT_EQ(android["priority"], "HIGH");
}

TEST(FcmWords, NullTakesAwayWhatIsRendered) {
  const json message = rendered_with(R"({"notification":null,"android":{"notification":null}})");
  EXPECT_FALSE(message.contains("notification"));
  EXPECT_FALSE(message["android"].contains("notification"));
  EXPECT_EQ(message["data"]["video"], "v-1");
}

TEST(FcmWords, APlatformsOwnDataStillTellsTheEvent) {
  const json message = rendered_with(R"({"android":{"data":{"a":"1"}},"webpush":{"data":{}}})");
  const json ours = {{"carillon_event", test::kEventId},
                     {"carillon_url", "https://example.com/v/1"}};
  json android = ours;
  android["a"] = "1";
  EXPECT_EQ(message["android"]["data"], android) << "it stands in the place of the common data";
  EXPECT_EQ(message["webpush"]["data"], ours);
  EXPECT_EQ(message["data"]["video"], "v-1");
}

TEST(FcmWords, TheWholeMessageCountsAgainstTheLimit) {
  auto notification = test::hello();
  const auto with = [&](std::size_t bytes) {
    notification.fcm_json =
        json{{"apns", {{"payload", {{"pad", std::string(bytes, 'x')}}}}}}.dump();
    return render_fcm(notification, {});
  };
  const auto size = [](const RenderedMessage& message) {
    json content = json::parse(message.body)["message"];
    content.erase("token");
    // Headers are no payload.
    content["apns"].erase("headers");
    content.erase("webpush");
    return content.dump().size();
  };
  const std::size_t around = size(*with(1)) - 1;
  EXPECT_TRUE(with(kFcmPayloadBytesMax - around));
  const auto refused = with(kFcmPayloadBytesMax - around + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().pointer, "/fcm");
}

}  // namespace
}  // namespace carillon::push::fcm_words_test
