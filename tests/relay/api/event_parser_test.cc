#include "relay/api/event_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "relay/audience/condition_parser.h"

namespace carillon::api {
namespace {

using testing::HasSubstr;

TEST(EventParser, ReadsEveryFieldOfAnEvent) {
  const auto event = parse_event(R"({
    "app": "video", "topic": "channel-42",
    "notification": {"title": "New upload", "body": "Bells", "image": "https://example.com/a.png",
      "sound": "bell", "badge": 3, "category": "upload", "thread_id": "channel-42",
      "click_url": "video:watch?v=1", "mutable_content": true},
    "data": {"video": "v-1", "empty": ""}, "ttl": 3600, "priority": "urgent", "collapse_key": "c",
    "apns": {"aps": {"sound": "x"}}, "fcm": {"android": {}}, "webpush": {}})");
  ASSERT_TRUE(event) << event.error().errors[0].detail;
  EXPECT_EQ(event->app, "video");
  EXPECT_EQ(event->audience.topics, std::vector<std::string>{"channel-42"});
  EXPECT_EQ(event->ttl, std::chrono::hours(1));
  const push::Notification& to = event->notification;
  EXPECT_EQ(to.title, "New upload");
  EXPECT_EQ(to.body, "Bells");
  EXPECT_EQ(to.image, "https://example.com/a.png");
  EXPECT_EQ(to.sound, "bell");
  EXPECT_EQ(to.badge, 3u);
  EXPECT_TRUE(to.mutable_content);
  EXPECT_EQ(to.category, "upload");
  EXPECT_EQ(to.thread_id, "channel-42");
  EXPECT_EQ(to.click_url, "video:watch?v=1");
  EXPECT_EQ(to.data, (std::map<std::string, std::string>{{"empty", ""}, {"video", "v-1"}}));
  EXPECT_EQ(to.priority, push::Priority::kUrgent);
  EXPECT_EQ(to.collapse_key, "c");
  EXPECT_EQ(to.apns_json, R"({"aps":{"sound":"x"}})");
  EXPECT_EQ(to.fcm_json, R"({"android":{}})");
  EXPECT_EQ(to.webpush_json, "");
}

TEST(EventParser, HasDefaults) {
  const auto event = parse_event(R"({"app":"a","devices":["d"],"data":{"k":"v"}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->ttl, kTtlDefault);
  EXPECT_EQ(event->notification.priority, push::Priority::kNormal);
  EXPECT_FALSE(event->notification.badge);
  EXPECT_FALSE(event->notification.mutable_content);
}

TEST(EventParser, ReadsNamedAudiences) {
  const auto event =
      parse_event(R"({"app":"a","subscribers":["u-1","ü"],"notification":{"body":"b"}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->audience.subscribers, (std::vector<std::string>{"u-1", "ü"}));
}

// One field of an otherwise good event replaced, and where the fault is said to be.
struct Row {
  const char* pointer;  // RFC 6901, of the field to set; nullptr pointer text means: good
  std::string value;    // JSON
  bool good = false;
  const char* fault_at = nullptr;  // the pointer itself if not given
};

std::string text(std::size_t bytes) {
  return "\"" + std::string(bytes, 'x') + "\"";
}
std::string url(std::size_t bytes) {
  return "\"https://" + std::string(bytes - 8, 'x') + "\"";
}
std::string names(std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "\"n\"" : ",\"n\"");
  return out + "]";
}
std::string pairs(std::size_t count) {
  std::string out = "{";
  for (std::size_t i = 0; i < count; ++i) {
    out += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":\"v\"";
  }
  return out + "}";
}

std::string languages(std::size_t count) {
  std::string out = "{";
  for (std::size_t i = 0; i < count; ++i) {
    out += (i == 0 ? "\"de-" : ",\"de-") + std::to_string(i) + R"(":{"title":"t"})";
  }
  return out + "}";
}
// Of so many bytes of tags and texts.
std::string sized_languages(std::size_t bytes) {
  std::string out = "{";
  for (char c = 'a'; bytes > 0; ++c) {
    const std::size_t part = std::min<std::size_t>(bytes, 2 + 2 * 1'000);
    const std::string words((part - 2) / 2, 'x');
    out += (c == 'a' ? "\"d" : ",\"d") + std::string(1, c) + R"(":{"title":")" + words +
           R"(","body":")" + std::string(part - 2 - words.size(), 'x') + R"("})";
    bytes -= part;
  }
  return out + "}";
}

std::vector<Row> rows() {
  return {
      {"/app", text(64), true},
      {"/app", text(65)},
      {"/app", R"("")"},
      {"/app", R"("a b")"},
      {"/app", "1"},
      {"/topic", text(128), true},
      {"/topic", text(129)},
      {"/topic", R"("")"},
      {"/topic", R"("Az09._~%-")", true},
      {"/topic", R"("a/b")"},
      {"/topic", R"("ä")"},
      {"/topic", "[]"},
      {"/notification", "[]"},
      {"/notification/title", text(kTextBytesMax), true},
      {"/notification/title", text(kTextBytesMax + 1)},
      {"/notification/title", R"("")"},
      {"/notification/title", R"("a\u0000b")"},
      {"/notification/title", "null"},
      {"/notification/body", "1"},
      {"/notification/sound", "{}"},
      {"/notification/category", "true"},
      {"/notification/thread_id", "[]"},
      {"/notification/image", url(kUrlBytesMax), true},
      {"/notification/image", url(kUrlBytesMax + 1)},
      {"/notification/image", R"("http://example.com/a.png")"},
      {"/notification/image", R"("https://")"},
      {"/notification/image", R"("https:///a")"},
      {"/notification/image", R"("https://exa mple.com")"},
      {"/notification/click_url", R"("app://x")", true},
      {"/notification/click_url", R"("http://x")", true},
      {"/notification/click_url", R"("no-scheme")"},
      {"/notification/click_url", R"(":x")"},
      {"/notification/click_url", R"("app:")"},
      {"/notification/click_url", R"("1app:x")"},
      {"/notification/badge", "0", true},
      {"/notification/badge", "2147483647", true},
      {"/notification/badge", "2147483648"},
      {"/notification/badge", "-1"},
      {"/notification/badge", "1.0"},
      {"/notification/badge", R"("1")"},
      {"/notification/mutable_content", "false", true},
      {"/notification/mutable_content", "1"},
      {"/notification/mutable_content", R"("true")"},
      {"/notification/subtitle", R"("x")"},
      {"/data", pairs(kDataPairsMax), true},
      {"/data", pairs(kDataPairsMax + 1)},
      {"/data", "[]"},
      {"/data", R"({"a/b":1})", false, "/data/a~1b"},
      {"/data", R"({"":"v"})", false, "/data/"},
      {"/data", "{\"k\":" + text(kTextBytesMax) + "}", true},
      {"/data", "{\"k\":" + text(kTextBytesMax + 1) + "}", false, "/data/k"},
      {"/apns_push_type", R"("voip")", true},
      {"/apns_push_type", R"("controls")", true},
      {"/apns_push_type", R"("telegram")"},
      {"/apns_push_type", R"("")"},
      {"/apns_push_type", "null"},
      {"/apns_push_type", R"(["voip"])"},
      {"/ttl", "0", true},
      {"/ttl", "2419200", true},
      {"/ttl", "2419201"},
      {"/ttl", "-1"},
      {"/ttl", "1.5"},
      {"/ttl", R"("60")"},
      {"/localized", "{}", true},
      {"/localized", "[]"},
      {"/localized", languages(fanout::kLocalesPerEventMax), true},
      {"/localized", languages(fanout::kLocalesPerEventMax + 1)},
      {"/localized", sized_languages(fanout::kLocalizedBytesMax), true},
      {"/localized", sized_languages(fanout::kLocalizedBytesMax + 1)},
      {"/localized/de", R"({"title":"t","body":"b","image":"https://i","click_url":"app:x"})",
       true},
      {"/localized/de", "{}"},
      {"/localized/de", R"("x")"},
      {"/localized/de", R"({"sound":"s"})", false, "/localized/de/sound"},
      {"/localized/de", R"({"title":1})", false, "/localized/de/title"},
      {"/localized/de", R"({"title":""})", false, "/localized/de/title"},
      {"/localized/de", "{\"body\":" + text(kTextBytesMax + 1) + "}", false, "/localized/de/body"},
      {"/localized/de", R"({"image":"http://i"})", false, "/localized/de/image"},
      {"/localized/de", R"({"click_url":"none"})", false, "/localized/de/click_url"},
      {"/localized", R"({"pt_BR":{"title":"t"},"pt-br":{"title":"t"}})", false, "/localized/pt_BR"},
      {"/localized", R"({"iw":{"title":"t"},"he":{"title":"t"}})", false, "/localized/iw"},
      {"/localized/zh-Hant-TW", R"({"title":"t"})", true},
      {"/localized/es-419", R"({"title":"t"})", true},
      {"/localized/a", R"({"title":"t"})"},
      {"/localized/de-", R"({"title":"t"})"},
      {"/localized/d3", R"({"title":"t"})"},
      {"/localized/de AT", R"({"title":"t"})"},
      {"/localized/deutsche", R"({"title":"t"})", true},
      {"/localized/deutscher", R"({"title":"t"})"},
      {"/localized/de-12345678", R"({"title":"t"})", true},
      {"/localized/de-123456789", R"({"title":"t"})"},
      {"/localized/de-1234567-1234567-1234567-12345678", R"({"title":"t"})", true},
      {"/localized/de-1234567-1234567-1234567-12345678-1", R"({"title":"t"})"},
      {"/localized/default", R"({"title":"t"})", true},
      {"/localized", R"({"":{"title":"t"}})", false, "/localized/"},
      {"/localized/de~1AT", R"({"title":"t"})"},
      {"/priority", R"("bulk")", true},
      {"/priority", R"("normal")", true},
      {"/priority", R"("high")"},
      {"/priority", "1"},
      {"/collapse_key", text(kCollapseKeyBytesMax), true},
      {"/collapse_key", text(kCollapseKeyBytesMax + 1)},
      {"/collapse_key", R"("")"},
      {"/apns", "[]"},
      {"/fcm", R"("{}")"},
      {"/webpush", "null"},
      {"/webpush", R"({"urgency":"high"})", true},
      {"/tite", R"("x")"},
      {"/~", "1", false, "/~0"},
  };
}

TEST(EventParser, HoldsEachFieldToItsForm) {
  for (const Row& row : rows()) {
    nlohmann::json event = {{"app", "a"}, {"topic", "t"}, {"notification", {{"title", "x"}}}};
    const bool odd = std::string_view(row.pointer) == "/~";
    event[nlohmann::json::json_pointer(odd ? "/~0" : row.pointer)] =
        nlohmann::json::parse(row.value);
    const auto parsed = parse_event(event.dump());
    const std::string what = std::string(row.pointer) + " = " + row.value.substr(0, 60);
    ASSERT_EQ(parsed.has_value(), row.good) << what;
    if (row.good) continue;
    EXPECT_EQ(parsed.error().problem, Problem::kInvalidBody) << what;
    ASSERT_EQ(parsed.error().errors.size(), 1u) << what;
    EXPECT_EQ(parsed.error().errors[0].pointer, row.fault_at ? row.fault_at : row.pointer) << what;
  }
}

TEST(EventParser, BoundsANamedAudience) {
  const auto with = [](const std::string& list) {
    return parse_event(R"({"app":"a","notification":{"title":"x"},"devices":)" + list + "}");
  };
  EXPECT_TRUE(with(names(store::kNamedAudienceMax)));
  EXPECT_FALSE(with(names(store::kNamedAudienceMax + 1)));
  EXPECT_FALSE(with("[]"));
  EXPECT_TRUE(with("[" + text(store::kNameBytesMax) + "]"));
  const auto bad = with("[\"d\"," + text(store::kNameBytesMax + 1) + ",7]");
  ASSERT_FALSE(bad);
  ASSERT_EQ(bad.error().errors.size(), 2u);
  EXPECT_EQ(bad.error().errors[0].pointer, "/devices/1");
  EXPECT_EQ(bad.error().errors[1].pointer, "/devices/2");
}

TEST(EventParser, WantsAnAudience) {
  const auto parsed = parse_event(R"({"app":"a","notification":{"title":"x"}})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().errors[0].pointer, "");
  EXPECT_THAT(parsed.error().errors[0].detail, HasSubstr("needs an audience"));
}

TEST(EventParser, AnAudienceMayBeNamedInEveryWayAtOnce) {
  const auto event = parse_event(
      R"({"app":"a","data":{"k":"v"},"topic":"t","topics":["u","t","v"],"subscribers":["s"],)"
      R"("devices":["d"],"condition":"'x' in topics && platform == 'fcm'"})");
  ASSERT_TRUE(event) << event.error().errors[0].detail;
  EXPECT_EQ(event->audience.topics, (std::vector<std::string>{"t", "u", "v"}));
  EXPECT_EQ(event->audience.subscribers, (std::vector<std::string>{"s"}));
  EXPECT_EQ(event->audience.devices, (std::vector<std::string>{"d"}));
  EXPECT_EQ(event->audience.condition,
            audience::parse_condition("'x' in topics && platform == 'fcm'").value());
}

TEST(EventParser, NamesTheCharacterWhereAConditionIsWrong) {
  const auto parsed = parse_event(R"({"app":"a","data":{"k":"v"},"condition":"locale == 'ü"})");
  ASSERT_FALSE(parsed);
  ASSERT_EQ(parsed.error().errors.size(), 1u);
  EXPECT_EQ(parsed.error().errors[0],
            (FieldError{.pointer = "/condition",
                        .detail = "what begins at character 11 begins a text that no ' ends",
                        .character = 11}));
}

TEST(EventParser, BoundsTopicsAndNamesTogether) {
  const auto topics = [](std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i)
      list += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + '"';
    return R"({"app":"a","data":{"k":"v"},"topics":[)" + list + "]";
  };
  EXPECT_TRUE(parse_event(topics(store::kTopicsPerEventMax) + "}"));
  EXPECT_TRUE(parse_event(topics(store::kTopicsPerEventMax) + R"(,"topic":"t0"})"));
  EXPECT_FALSE(parse_event(topics(store::kTopicsPerEventMax) + R"(,"topic":"more"})"));
  EXPECT_FALSE(parse_event(topics(store::kTopicsPerEventMax + 1) + "}"));
  EXPECT_FALSE(parse_event(topics(0) + "}"));

  const auto both = [](std::size_t subscribers, std::size_t devices) {
    return parse_event(R"({"app":"a","data":{"k":"v"},"subscribers":)" + names(subscribers) +
                       R"(,"devices":)" + names(devices) + "}");
  };
  EXPECT_TRUE(both(store::kNamedAudienceMax / 2, store::kNamedAudienceMax / 2));
  EXPECT_FALSE(both(store::kNamedAudienceMax / 2, store::kNamedAudienceMax / 2 + 1));
}

TEST(EventParser, ReadsWhatIsSaidByLanguage) {
  const auto event = parse_event(R"({"app":"a","topic":"t","notification":{"title":"New"},
    "localized":{"pt-BR":{"title":"Novo","click_url":"app:pt"},
                 "de":{"title":"Neu","body":"Glocken","image":"https://i.example/de"}}})");
  ASSERT_TRUE(event) << event.error().errors[0].detail;
  ASSERT_TRUE(event->localization);
  EXPECT_EQ(
      event->localization->wordings(),
      (std::vector<fanout::Wording>{
          {.locale = "de", .title = "Neu", .body = "Glocken", .image = "https://i.example/de"},
          {.locale = "pt-BR", .title = "Novo", .click_url = "app:pt"}}));
  EXPECT_FALSE(
      parse_event(R"({"app":"a","topic":"t","data":{"k":"v"},"localized":{}})")->localization);
}

TEST(EventParser, WhoseLanguageIsNotThereGetsSomethingToRead) {
  const auto parsed =
      parse_event(R"({"app":"a","topic":"t","data":{"k":"v"},"localized":{"de":{"title":"x"}}})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().errors[0].pointer, "/notification");
}

TEST(EventParser, WantsSomethingToSend) {
  EXPECT_FALSE(parse_event(R"({"app":"a","topic":"t"})"));
  EXPECT_FALSE(parse_event(R"({"app":"a","topic":"t","notification":{},"data":{},"apns":{}})"));
  EXPECT_TRUE(parse_event(R"({"app":"a","topic":"t","apns":{"aps":{"content-available":1}}})"));
  EXPECT_TRUE(parse_event(R"({"app":"a","topic":"t","notification":{"badge":0}})"));
}

TEST(EventParser, TellsAllMistakesAtOnce) {
  const auto parsed =
      parse_event(R"({"topic":"a b","ttl":-1,"extra":1,"notification":{"title":2}})");
  ASSERT_FALSE(parsed);
  std::vector<std::string> pointers;
  for (const FieldError& error : parsed.error().errors) pointers.push_back(error.pointer);
  EXPECT_THAT(pointers, testing::UnorderedElementsAre("/topic", "/ttl", "/extra",
                                                      "/notification/title", "/app"));
}

TEST(EventParser, BoundsTheMistakesItTells) {
  std::string body = "{";
  for (int i = 0; i < 100; ++i) body += "\"x" + std::to_string(i) + "\":1,";
  const auto parsed = parse_event(body + "\"app\":\"a\"}");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().errors.size(), kFieldErrorsMax);
}

TEST(EventParser, TellsBadJsonFromABadEvent) {
  EXPECT_EQ(parse_event("{").error().problem, Problem::kInvalidJson);
  EXPECT_EQ(parse_event("").error().problem, Problem::kInvalidJson);
  EXPECT_EQ(parse_event("[]").error().problem, Problem::kInvalidBody);
  const auto twice = parse_event(R"({"app":"a","app":"b"})");
  EXPECT_EQ(twice.error().problem, Problem::kInvalidBody);
  EXPECT_EQ(twice.error().errors[0].pointer, "/app");
}

}  // namespace
}  // namespace carillon::api
