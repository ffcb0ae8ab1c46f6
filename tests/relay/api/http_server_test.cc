#include "relay/api/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "relay/api/event_parser.h"
#include "relay/api/events_resource.h"
#include "relay/coding/compressor.h"
#include "relay/coding/decompressor.h"
#include "relay/config/scopes.h"
#include "relay/fanout/event_id.h"
#include "relay/import/rfc3339.h"
#include "tests/relay/api/raw_client.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr std::string_view kEvent =
    R"({"app":"video","topic":"channel-42","notification":{"title":"New upload"}})";
constexpr std::string_view kDevice =
    R"({"platform":"fcm","token":"abc:123","subscriber":"u-1","topics":["channel-42"]})";

// A server over a store of its own, with a key for each scope.
class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    room_.add_key("publisher", "p", config::kScopePublish);
    room_.add_key("subscriber", "s", config::kScopeSubscribe);
    room_.add_key("admin", "a", config::kScopeAdmin);
    http_.listen = "127.0.0.1:0";
    http_.threads = 4;
  }
  void SetUp() override { open(); }
  void open() {
    server_ = std::make_unique<HttpServer>(http_, HttpServer::Parts{.publisher = room_.publisher,
                                                                    .store = *room_.store,
                                                                    .apps = {"video", "mail"},
                                                                    .clocks = real_clocks(),
                                                                    .watchers_max = 2});
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error();
  }

  RawAnswer ask(std::string_view method, std::string_view target, std::string_view body = "",
                std::string_view fields = "", std::string_view key = "a") {
    std::string all = "Connection: close\r\n" + std::string(fields);
    if (!key.empty()) all += "Authorization: Bearer " + std::string(key) + "\r\n";
    if (!body.empty() && fields.find("Content-Type") == std::string_view::npos) {
      all += "Content-Type: application/json\r\n";
    }
    RawClient client(server_->port());
    client.say(request(method, target, all, body));
    const auto answer = client.answer(/*head_only=*/method == "HEAD");
    EXPECT_TRUE(answer) << method << " " << target;
    return answer.value_or(RawAnswer{});
  }
  // The problem's slug, after a look at what every problem document has.
  std::string problem(const RawAnswer& answer) {
    EXPECT_EQ(answer.fields.at("content-type"), "application/problem+json") << answer.body;
    const Json document = Json::parse(answer.body, nullptr, false);
    if (!document.is_object()) return "not a document: " + answer.body;
    EXPECT_EQ(document.value("status", 0), answer.status);
    EXPECT_FALSE(document.value("title", "").empty());
    const std::string type = document.value("type", "");
    return type.starts_with(kProblemTypePrefix) ? type.substr(kProblemTypePrefix.size()) : type;
  }
  // An event that is really in the store, with `devices` FCM devices.
  store::EventId store_event(std::uint8_t number, int devices) {
    for (int i = 0; i < devices; ++i) {
      const Json device = {
          {"platform", "fcm"}, {"token", "t" + std::to_string(i)}, {"topics", {"channel-42"}}};
      const std::string path = "/v1/apps/video/devices/d-" + std::to_string(i);
      EXPECT_EQ(ask("PUT", path, device.dump()).status / 100, 2);
    }
    store::NewEvent event;
    event.id = fanout::make_event_id(1'767'355'200'000 + number, {number});
    event.app = "video";
    event.audience.topics = {"channel-42"};
    event.content = "x";
    event.accepted_ms = 1'767'355'200'000 + number;
    event.expires_ms = event.accepted_ms + 60'000;
    const auto accepted = room_.store->accept(event);
    EXPECT_TRUE(accepted) << accepted.error().message;
    return event.id;
  }

  RelayRoom room_;
  config::Http http_;
  std::unique_ptr<HttpServer> server_;
};

// --- publishing --------------------------------------------------------------------------------

TEST_F(HttpServerTest, AcceptsAnEventAndSaysWhereToFollowIt) {
  const RawAnswer answer = ask("POST", "/v1/events", kEvent, "Idempotency-Key: k 1\r\n", "p");
  EXPECT_EQ(answer.status, 202) << answer.body;
  const std::string id = "00000000-0000-0000-0000-000000000001";
  EXPECT_EQ(answer.fields.at("location"), "/v1/events/" + id);
  EXPECT_EQ(
      Json::parse(answer.body),
      (Json{{"id", id},
            {"state", "queued"},
            {"targeted", 3},
            {"links",
             {{"self", "/v1/events/" + id}, {"progress", "/v1/events/" + id + "/progress"}}}}));
  ASSERT_EQ(room_.publisher.published.size(), 1u);
  const fanout::Publication& published = room_.publisher.published[0];
  EXPECT_EQ(published.idempotency_key, "k 1");
  EXPECT_EQ(published.body_digest, sha256(kEvent));
  EXPECT_EQ(published.notification.title, "New upload");
}

TEST_F(HttpServerTest, AnswersOthersWhilePublishesWaitForTheirCommit) {
  room_.publisher.holds = true;
  constexpr std::size_t kMore = 24;  // than there are threads
  std::vector<std::unique_ptr<RawClient>> publishers;
  for (std::size_t i = 0; i < kMore; ++i) {
    publishers.push_back(std::make_unique<RawClient>(server_->port()));
    publishers.back()->say(request("POST", "/v1/events",
                                   "Authorization: Bearer p\r\nContent-Type: application/json\r\n",
                                   kEvent));
  }
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  ASSERT_TRUE(room_.publisher.release(kMore));
  for (const auto& publisher : publishers) {
    const auto answer = publisher->answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 202) << answer->body;
  }
}

TEST_F(HttpServerTest, SaysThatARepeatedEventIsTheFirst) {
  const store::EventId first = store_event(1, 1);
  room_.publisher.answer = [&](const auto&) {
    return store::AcceptedEvent{.id = first, .repeated = true, .targeted = {0, 1, 0}};
  };
  const Json document = Json::parse(ask("POST", "/v1/events", kEvent).body);
  EXPECT_EQ(document["repeated"], true);
  EXPECT_EQ(document["id"], fanout::to_string(first));
}

TEST_F(HttpServerTest, TellsAnEventWithoutDevicesCompleted) {
  room_.publisher.answer = [](const auto&) { return store::AcceptedEvent{}; };
  EXPECT_EQ(Json::parse(ask("POST", "/v1/events", kEvent).body)["state"], "completed");
}

TEST_F(HttpServerTest, RefusesABadEventWithTheFieldAndStoresNothing) {
  const RawAnswer answer = ask("POST", "/v1/events", R"({"app":"video","topic":"t","titel":1})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(problem(answer), "invalid-body");
  EXPECT_EQ(Json::parse(answer.body)["errors"][0]["pointer"], "/titel");
  EXPECT_EQ(problem(ask("POST", "/v1/events", "{\"app\":")), "invalid-json");
  EXPECT_TRUE(room_.publisher.published.empty());
}

TEST_F(HttpServerTest, TurnsEachRefusalOfTheEngineIntoItsProblem) {
  using Kind = fanout::Refusal::Kind;
  struct RefusalRow {
    Kind kind;
    int status;
    const char* slug;
  };
  for (const RefusalRow& row :
       {RefusalRow{Kind::kUnknownApp, 404, "unknown-app"},
        RefusalRow{Kind::kInvalid, 422, "event-refused"},
        RefusalRow{Kind::kIdempotencyMismatch, 422, "idempotency-mismatch"},
        RefusalRow{Kind::kDraining, 503, "draining"}, RefusalRow{Kind::kBacklog, 503, "overloaded"},
        RefusalRow{Kind::kStoreFull, 507, "store-full"},
        RefusalRow{Kind::kStoreFailed, 503, "store-unavailable"}}) {
    room_.publisher.answer = [&](const auto&) {
      return tl::unexpected(fanout::Refusal{row.kind, "why", {{"/notification/body", "too long"}}});
    };
    const RawAnswer answer = ask("POST", "/v1/events", kEvent);
    EXPECT_EQ(answer.status, row.status) << row.slug;
    EXPECT_EQ(problem(answer), row.slug);
    EXPECT_EQ(answer.fields.contains("retry-after"), row.status == 503) << row.slug;
    const Json document = Json::parse(answer.body);
    EXPECT_EQ(document["errors"][0],
              (Json{{"pointer", "/notification/body"}, {"detail", "too long"}}));
  }
}

TEST_F(HttpServerTest, HoldsAnIdempotencyKeyToItsForm) {
  const auto with = [&](const std::string& key) {
    return ask("POST", "/v1/events", kEvent, "Idempotency-Key: " + key + "\r\n").status;
  };
  EXPECT_EQ(with(std::string(store::kIdempotencyKeyBytesMax, 'k')), 202);
  EXPECT_EQ(with(std::string(store::kIdempotencyKeyBytesMax + 1, 'k')), 400);
  EXPECT_EQ(with(""), 400);
  EXPECT_EQ(with("\xc3\xa4"), 400);
  EXPECT_EQ(with("a\tb"), 400);
}

TEST_F(HttpServerTest, BoundsABody) {
  const auto with = [&](std::size_t bytes) {
    std::string body(kEvent);
    body.append(bytes - body.size(), ' ');
    return ask("POST", "/v1/events", body);
  };
  EXPECT_EQ(with(http_.body_bytes_max).status, 202);
  EXPECT_EQ(problem(with(http_.body_bytes_max + 1)), "body-too-large");
}

TEST_F(HttpServerTest, WantsABodyWithItsTypeAndLength) {
  EXPECT_EQ(
      ask("POST", "/v1/events", kEvent, "Content-Type: Application/JSON; charset=utf-8\r\n").status,
      202);
  EXPECT_EQ(problem(ask("POST", "/v1/events", kEvent, "Content-Type: text/plain\r\n")),
            "unsupported-media-type");
  EXPECT_EQ(problem(ask("POST", "/v1/events", kEvent,
                        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")),
            "unsupported-media-type");
  EXPECT_EQ(problem(ask("POST", "/v1/events")), "length-required");
  EXPECT_EQ(problem(ask("GET", "/v1/events", "{}")), "malformed-request");
}

TEST_F(HttpServerTest, RefusesAParameterThatItDoesNotKnowRatherThanSend) {
  EXPECT_EQ(problem(ask("POST", "/v1/events?pln=1", kEvent)), "invalid-parameter");
  for (const char* value : {"0", "2", "true", ""}) {
    EXPECT_EQ(problem(ask("POST", std::string("/v1/events?plan=") + value, kEvent)),
              "invalid-parameter");
  }
  EXPECT_TRUE(room_.publisher.published.empty());
}

TEST_F(HttpServerTest, APlanSaysWhatWouldBecomeOfAnEventAndSendsNothing) {
  room_.publisher.plan_answer = [] {
    fanout::Plan plan{.subscribers = 5, .sends = {}};
    plan.sends.push_back({.platform = push::Platform::kApns, .devices = 3, .body_bytes = 265});
    plan.sends.push_back({.platform = push::Platform::kFcm,
                          .devices = 1'000,
                          .body_bytes = 300,
                          .pace = {.governed = true, .per_second = 100, .per_second_most = 100},
                          .word = push::PlatformWord{.kind = push::PlatformWord::Kind::kRefused,
                                                     .text = "INVALID_ARGUMENT (status 400)"}});
    plan.sends.push_back({.platform = push::Platform::kWebPush, .devices = 2});
    return plan;
  };
  const RawAnswer answer = ask("POST", "/v1/events?plan=1", kEvent);
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json plan = Json::parse(answer.body);
  EXPECT_EQ(plan["plan"], true);
  EXPECT_EQ(plan["targeted"], 1'005);
  EXPECT_EQ(plan["subscribers"], 5);
  EXPECT_EQ(plan["providers"]["apns"],
            (Json{{"devices", 3}, {"body_bytes", 265}, {"seconds", nullptr}}));
  EXPECT_EQ(plan["providers"]["fcm"]["seconds"], 10.0);
  EXPECT_EQ(plan["providers"]["fcm"]["validated"],
            (Json{{"answer", "refused"}, {"word", "INVALID_ARGUMENT (status 400)"}}));
  EXPECT_EQ(plan["providers"]["webpush"]["body_bytes"], nullptr);
  ASSERT_EQ(room_.publisher.planned.size(), 1u);
  EXPECT_EQ(room_.publisher.planned[0].notification.title, "New upload");
  EXPECT_TRUE(room_.publisher.published.empty());
}

TEST_F(HttpServerTest, APlanIsRefusedAsItsEventWouldBe) {
  EXPECT_EQ(problem(ask("POST", "/v1/events?plan=1", R"({"app":"video"})")), "invalid-body");
  room_.publisher.plan_answer = []() -> tl::expected<fanout::Plan, fanout::Refusal> {
    return tl::unexpected(fanout::Refusal{.kind = fanout::Refusal::Kind::kUnknownApp});
  };
  EXPECT_EQ(problem(ask("POST", "/v1/events?plan=1", kEvent)), "unknown-app");
}

// --- keys --------------------------------------------------------------------------------------

TEST_F(HttpServerTest, AsksForAKeyWithTheScope) {
  const RawAnswer missing = ask("POST", "/v1/events", kEvent, "", "");
  EXPECT_EQ(missing.status, 401);
  EXPECT_EQ(problem(missing), "unauthenticated");
  EXPECT_EQ(missing.fields.at("www-authenticate"), "Bearer realm=\"carillon\"");
  const RawAnswer wrong = ask("POST", "/v1/events", kEvent, "", "wrong");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_THAT(wrong.fields.at("www-authenticate"), HasSubstr("invalid_token"));
  EXPECT_EQ(wrong.body.find("wrong"), std::string::npos) << "a key is not told back";
  const RawAnswer forbidden = ask("POST", "/v1/events", kEvent, "", "s");
  EXPECT_EQ(problem(forbidden), "forbidden");
  EXPECT_THAT(forbidden.fields.at("www-authenticate"), HasSubstr("scope=\"publish\""));
  EXPECT_EQ(ask("PUT", "/v1/apps/video/devices/d", kDevice, "", "p").status, 403);
  EXPECT_EQ(ask("PUT", "/v1/apps/video/devices/d", kDevice, "", "s").status, 201);
  EXPECT_EQ(ask("POST", "/v1/events", kEvent, "", "a").status, 202) << "admin implies all";
  EXPECT_EQ(room_.publisher.published.size(), 1u);
}

TEST_F(HttpServerTest, IsOpenWhereMonitorsLook) {
  for (const char* const path : {"/healthz", "/readyz", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(ask("GET", path, "", "", "").status, 200) << path;
  }
}

// --- events ------------------------------------------------------------------------------------

TEST_F(HttpServerTest, ShowsAnEvent) {
  const store::EventId id = store_event(1, 2);
  const RawAnswer answer = ask("GET", "/v1/events/" + fanout::to_string(id));
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json document = Json::parse(answer.body);
  EXPECT_EQ(document["id"], fanout::to_string(id));
  EXPECT_EQ(document["topic"], "channel-42");
  EXPECT_EQ(document["counters"]["targeted"], 2);
  EXPECT_EQ(document["counters"]["pending"], 2);
  EXPECT_EQ(document["by_provider"]["fcm"]["targeted"], 2);
  EXPECT_EQ(document["accepted_at"], "2026-01-02T12:00:00.001Z");
}

TEST_F(HttpServerTest, DoesNotKnowAnEventThatIsNotThere) {
  for (const char* const id : {"00000000-0000-7000-8000-000000000000", "x", "%00"}) {
    const RawAnswer answer = ask("GET", "/v1/events/" + std::string(id));
    EXPECT_EQ(problem(answer), id[0] == '%' ? "malformed-request" : "unknown-event") << id;
  }
  EXPECT_EQ(problem(ask("GET", "/v1/events/00000000-0000-7000-8000-000000000000/progress")),
            "unknown-event");
}

TEST_F(HttpServerTest, PagesThroughEventsNewestFirst) {
  for (std::uint8_t i = 1; i <= 5; ++i) store_event(i, 0);
  std::vector<std::string> times;
  std::string next = "/v1/events?limit=2";
  for (int pages = 0; !next.empty(); ++pages) {
    ASSERT_LT(pages, 3);
    const Json page = Json::parse(ask("GET", next).body);
    for (const Json& event : page["events"]) times.push_back(event["accepted_at"]);
    next = page["next"].is_null() ? "" : page["next"].get<std::string>();
  }
  ASSERT_EQ(times.size(), 5u);
  EXPECT_TRUE(std::is_sorted(times.rbegin(), times.rend()));
}

TEST_F(HttpServerTest, HoldsTheListsParametersToTheirForm) {
  EXPECT_EQ(ask("GET", "/v1/events?limit=" + std::to_string(kEventsPageMax)).status, 200);
  for (const std::string query :
       {"limit=0", "limit=201", "limit=x", "limit=-1", "before=x", "limit=1&limit=2", "offset=1"}) {
    EXPECT_EQ(problem(ask("GET", "/v1/events?" + query)), "invalid-parameter") << query;
  }
}

TEST_F(HttpServerTest, StreamsAnEventsProgressUntilItsEnd) {
  const store::EventId id = store_event(1, 1);
  RawClient client(server_->port());
  client.say(request("GET", "/v1/events/" + fanout::to_string(id) + "/progress",
                     "Authorization: Bearer p\r\n"));
  const auto head = client.answer(/*head_only=*/true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->fields.at("content-type"), "text/event-stream");
  const auto first = client.read_through("\n\n");
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->starts_with("event: progress\ndata: {\"id\":\"" + fanout::to_string(id)));

  store::Checkpoint checkpoint;
  checkpoint.job = {.event = id, .platform = store::Platform::kFcm};
  checkpoint.exhausted = true;
  checkpoint.state = store::EventState::kCompleted;
  room_.store->record({checkpoint}, 1'767'355'201'000, [](auto) {});
  const auto end = client.read_through("event: end\n");
  ASSERT_TRUE(end);
  const auto data = client.read_through("\n\n");
  ASSERT_TRUE(data);
  EXPECT_EQ(Json::parse(data->substr(6))["state"], "completed");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, BoundsItsWatchersWithoutKeepingAThreadForAny) {
  const std::string path = "/v1/events/" + fanout::to_string(store_event(1, 1)) + "/progress";
  std::vector<std::unique_ptr<RawClient>> watchers;
  for (int i = 0; i < 2; ++i) {
    watchers.push_back(std::make_unique<RawClient>(server_->port()));
    watchers.back()->say(request("GET", path, "Authorization: Bearer p\r\n"));
    ASSERT_TRUE(watchers.back()->read_through("event: progress"));
  }
  EXPECT_EQ(problem(ask("GET", path)), "overloaded");
  EXPECT_EQ(ask("HEAD", "/healthz").status, 200);
}

// --- the audience ------------------------------------------------------------------------------

TEST_F(HttpServerTest, RegistersShowsAndErasesADevice) {
  const std::string path = "/v1/apps/video/devices/d%2F1";
  const RawAnswer created = ask("PUT", path, kDevice);
  EXPECT_EQ(created.status, 201) << created.body;
  Json document = Json::parse(created.body);
  EXPECT_EQ(document["device"], "d/1");
  EXPECT_EQ(document["topics"], Json({"channel-42"}));
  const RawAnswer again = ask("PUT", path, kDevice);
  EXPECT_EQ(again.status, 200);
  document["registered_at"] = Json::parse(again.body)["registered_at"];  // the app's word is newer
  EXPECT_EQ(Json::parse(again.body), document);
  EXPECT_EQ(Json::parse(ask("GET", path).body), document);
  const RawAnswer erased = ask("DELETE", path);
  EXPECT_EQ(erased.status, 204);
  EXPECT_EQ(erased.body, "");
  EXPECT_EQ(problem(ask("DELETE", path)), "unknown-device");
  EXPECT_EQ(problem(ask("GET", path)), "unknown-device");
}

TEST_F(HttpServerTest, RegistersABrowserAndTellsItsSubscription) {
  const Json subscription{
      {"endpoint", "https://fcm.googleapis.com/fcm/send/x"},
      {"keys",
       {{"p256dh",
         "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"},
        {"auth", "BTBZMqHH6r4Tts7J_aSIgg"}}}};
  const std::string path = "/v1/apps/video/devices/browser";
  Json device{{"platform", "webpush"}, {"subscription", subscription}};
  EXPECT_EQ(ask("PUT", path, device.dump()).status, 201);
  const Json document = Json::parse(ask("GET", path).body);
  EXPECT_EQ(document["platform"], "webpush");
  EXPECT_EQ(document["subscription"], subscription);
  EXPECT_FALSE(document.contains("token"));
  device["subscription"]["endpoint"] = "https://192.168.0.1/x";
  const RawAnswer refused = ask("PUT", path, device.dump());
  EXPECT_EQ(problem(refused), "invalid-body");
  EXPECT_EQ(Json::parse(refused.body)["errors"][0]["pointer"], "/subscription/endpoint");
}

TEST_F(HttpServerTest, RefusesABadDeviceWithTheField) {
  const RawAnswer answer =
      ask("PUT", "/v1/apps/video/devices/d", R"({"platform":"apns","token":"not hex"})");
  EXPECT_EQ(problem(answer), "invalid-body");
  EXPECT_EQ(Json::parse(answer.body)["errors"][0]["pointer"], "/token");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/devices/d")), "unknown-device");
  EXPECT_EQ(problem(ask("PUT", "/v1/apps/video/devices/" + std::string(129, 'd'), kDevice)),
            "invalid-parameter");
}

TEST_F(HttpServerTest, KnowsOnlyTheAppsOfTheConfig) {
  EXPECT_EQ(problem(ask("PUT", "/v1/apps/other/devices/d", kDevice)), "unknown-app");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/other/topics/t")), "unknown-app");
  EXPECT_EQ(
      problem(ask("POST", "/v1/apps/other/import", "{}", "Content-Type: application/x-ndjson\r\n")),
      "unknown-app");
}

TEST_F(HttpServerTest, SubscribesAndUnsubscribesAPerson) {
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/d", kDevice).status, 201);
  const std::string news = "/v1/apps/video/topics/news";
  EXPECT_EQ(ask("PUT", news + "/subscribers/u-1").status, 204);
  EXPECT_EQ(ask("PUT", news + "/subscribers/u-1", "", "Content-Length: 0\r\n").status, 204);
  EXPECT_EQ(Json::parse(ask("GET", news).body),
            (Json{{"app", "video"},
                  {"topic", "news"},
                  {"subscribers", 1},
                  {"devices", {{"apns", 0}, {"fcm", 1}, {"webpush", 0}}}}));
  EXPECT_EQ(ask("DELETE", news + "/subscribers/u-1").status, 204);
  EXPECT_EQ(ask("DELETE", news + "/subscribers/u-1").status, 204);
  EXPECT_EQ(ask("DELETE", news + "/subscribers/nobody").status, 204);
  EXPECT_EQ(problem(ask("PUT", "/v1/apps/video/topics/a%20b/subscribers/u-1")),
            "invalid-parameter");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/topics/unheard-of")), "unknown-topic");
}

TEST_F(HttpServerTest, SubscribesAndUnsubscribesADevice) {
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/d", kDevice).status, 201);
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/b",
                R"({"platform":"fcm","token":"anonymous","topics":["news"]})")
                .status,
            201);
  const std::string news = "/v1/apps/video/topics/news";
  const auto devices = [&] { return Json::parse(ask("GET", news).body)["devices"]["fcm"]; };
  EXPECT_EQ(ask("DELETE", news + "/devices/b").status, 204);
  EXPECT_EQ(devices(), 0) << "an anonymous device leaves what it registered with";
  EXPECT_EQ(ask("DELETE", news + "/devices/b").status, 204);
  for (const char* const device : {"/devices/b", "/devices/b", "/devices/d"}) {
    EXPECT_EQ(ask("PUT", news + device, "", "Content-Length: 0\r\n").status, 204);
  }
  EXPECT_EQ(devices(), 2);
  EXPECT_EQ(Json::parse(ask("GET", "/v1/apps/video/devices/d").body)["device_topics"],
            Json::array({"news"}));
  EXPECT_EQ(ask("DELETE", news + "/devices/d").status, 204);
  EXPECT_EQ(devices(), 1);
  EXPECT_EQ(ask("DELETE", news + "/devices/nobody's").status, 204);
  EXPECT_EQ(ask("DELETE", "/v1/apps/video/topics/unheard-of/devices/d").status, 204);
  EXPECT_EQ(problem(ask("PUT", news + "/devices/nobody's")), "unknown-device");
  EXPECT_EQ(problem(ask("PUT", "/v1/apps/video/topics/a%20b/devices/d")), "invalid-parameter");
  EXPECT_EQ(problem(ask("PUT", "/v1/apps/other/topics/news/devices/d")), "unknown-app");
  EXPECT_EQ(ask("PUT", news + "/devices/d", "", "", "p").status, 403);
}

TEST_F(HttpServerTest, ErasesAPerson) {
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/d", kDevice).status, 201);
  const RawAnswer erased = ask("DELETE", "/v1/apps/video/subscribers/u-1");
  EXPECT_EQ(Json::parse(erased.body), (Json{{"devices", 1}, {"subscriptions", 1}}));
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/devices/d")), "unknown-device");
  EXPECT_EQ(problem(ask("DELETE", "/v1/apps/video/subscribers/u-1")), "unknown-subscriber");
}

TEST_F(HttpServerTest, ImportsGoodLinesAndReportsBadOnes) {
  const std::string lines =
      R"({"device":"d-1","platform":"fcm","token":"a"})"
      "\n{\"device\":\"d-2\"}\n"
      R"({"device":"d-3","app":"video","platform":"apns","token":"ab","topics":["news"]})";
  const RawAnswer answer =
      ask("POST", "/v1/apps/video/import", lines, "Content-Type: application/x-ndjson\r\n");
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json report = Json::parse(answer.body);
  EXPECT_EQ(report["lines"], 3);
  EXPECT_EQ(report["created"], 2);
  EXPECT_EQ(report["bad"], 1);
  EXPECT_EQ(report["bad_lines"][0]["line"], 2);
  EXPECT_FALSE(report["bad_lines"][0]["reason"].get<std::string>().empty());
  EXPECT_EQ(ask("GET", "/v1/apps/video/devices/d-3").status, 200);
}

TEST_F(HttpServerTest, ImportsCompressedCsv) {
  coding::Compressor compressor(coding::Coding::kGzip);
  std::string body;
  compressor.add("device,platform,token,topics\nd-1,fcm,t1,news\n", body);
  compressor.finish(body);
  const std::string path = "/v1/apps/video/import";
  const std::string csv = "Content-Type: text/csv; charset=utf-8\r\n";
  const RawAnswer answer = ask("POST", path, body, csv + "Content-Encoding: gzip\r\n");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Json::parse(answer.body)["created"], 1);
  EXPECT_EQ(ask("GET", "/v1/apps/video/devices/d-1").status, 200);
  EXPECT_EQ(problem(ask("POST", path, body, csv + "Content-Encoding: br\r\n")),
            "unsupported-media-type");
  EXPECT_EQ(problem(ask("POST", "/v1/events", kEvent, "Content-Encoding: gzip\r\n")),
            "unsupported-media-type");
  EXPECT_EQ(problem(ask("POST", path, "x", "Content-Type: text/plain\r\n")),
            "unsupported-media-type");
}

TEST_F(HttpServerTest, ImportsMoreThanABodyMayBeWithoutItsLength) {
  RawClient client(server_->port());
  client.say(request("POST", "/v1/apps/video/import",
                     "Authorization: Bearer s\r\nContent-Type: application/x-ndjson\r\n"
                     "Transfer-Encoding: chunked\r\n"));
  std::size_t bytes = 0;
  int lines = 0;
  while (bytes <= 2 * http_.body_bytes_max) {
    const std::string line = "{\"device\":\"d-" + std::to_string(lines++) +
                             "\",\"platform\":\"fcm\",\"token\":\"" + std::string(1'000, 't') +
                             "\"}\n";
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", line.size());
    ASSERT_TRUE(client.say(size + line + "\r\n"));
    bytes += line.size();
  }
  const auto answer = client.ask("0\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(Json::parse(answer->body)["created"], lines) << answer->body;
}

TEST_F(HttpServerTest, GoesOnFromALineOfAnImportThatBrokeOff) {
  std::string lines;
  for (int i = 1; i <= 3; ++i) {
    lines += "{\"device\":\"d-" + std::to_string(i) + "\",\"platform\":\"fcm\",\"token\":\"t-" +
             std::to_string(i) + "\"}\n";
  }
  const std::string path = "/v1/apps/video/import";
  const std::string fields = "Content-Type: application/x-ndjson\r\n";
  RawClient client(server_->port());
  client.say(
      request("POST", path, "Authorization: Bearer s\r\nTransfer-Encoding: chunked\r\n" + fields));
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", lines.size() - 5);
  const auto broken = client.ask(size + lines.substr(0, lines.size() - 5) + "\r\nno chunk\r\n");
  ASSERT_TRUE(broken);
  EXPECT_EQ(problem(*broken), "malformed-request");
  // How much of it was decoded before the fault was met is the reader's affair.
  const std::uint64_t next = Json::parse(broken->body)["next_line"];
  EXPECT_LE(next, 3U);
  const RawAnswer rest = ask("POST", path + "?from_line=" + std::to_string(next), lines, fields);
  EXPECT_EQ(rest.status, 200) << rest.body;
  EXPECT_EQ(Json::parse(rest.body)["created"], 4 - next) << "nothing twice";
  EXPECT_EQ(Json::parse(rest.body)["next_line"], 4);
  for (const char* const device : {"d-1", "d-2", "d-3"}) {
    EXPECT_EQ(ask("GET", "/v1/apps/video/devices/" + std::string(device)).status, 200) << device;
  }
  EXPECT_EQ(problem(ask("POST", path + "?from_line=0", lines, fields)), "invalid-parameter");
}

// --- the rest ----------------------------------------------------------------------------------

TEST_F(HttpServerTest, TellsPathsFromMethods) {
  EXPECT_EQ(problem(ask("GET", "/")), "unknown-route");
  EXPECT_EQ(problem(ask("GET", "/v1/events/")), "malformed-request");
  const RawAnswer wrong = ask("PATCH", "/v1/events");
  EXPECT_EQ(problem(wrong), "method-not-allowed");
  EXPECT_EQ(wrong.fields.at("allow"), "POST, GET, HEAD");
}

TEST_F(HttpServerTest, IsReadyWhenItsStoreAndProvidersAre) {
  room_.publisher.stats_now.lanes = {
      {.app = "video", .platform = push::Platform::kApns, .provider = {.connections = 2}}};
  const Json ready = Json::parse(ask("GET", "/readyz").body);
  EXPECT_EQ(ready["status"], "ready");
  EXPECT_EQ(ready["store"]["writable"], true);
  EXPECT_EQ(ready["providers"][0]["app"], "video");
  EXPECT_EQ(ready["providers"][0]["platform"], "apns");
}

TEST_F(HttpServerTest, IsNotReadyWhileAProviderFails) {
  room_.publisher.stats_now.lanes = {{.app = "video",
                                      .platform = push::Platform::kFcm,
                                      .provider = {.last_error = "the key file is unreadable"}}};
  const RawAnswer answer = ask("GET", "/readyz", "", "", "");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.fields.at("retry-after"), "2");
  const Json document = Json::parse(answer.body);
  EXPECT_EQ(document["status"], "not ready");
  EXPECT_EQ(document["providers"][0]["last_error"], "the key file is unreadable");
}

TEST_F(HttpServerTest, TellsOfTokensThatAreNotBelievedAndIsReadyAllTheSame) {
  fanout::LaneStats lane{.app = "video", .platform = push::Platform::kApns};
  lane.guard = fanout::TokenGuard::State::kSuspicious;
  lane.dead_percent = 70;
  room_.publisher.stats_now.lanes = {lane};
  room_.publisher.stats_now.store_error = "the disk is full";
  const RawAnswer ready = ask("GET", "/readyz");
  EXPECT_EQ(ready.status, 200);
  const Json provider = Json::parse(ready.body)["providers"][0];
  EXPECT_EQ(provider["tokens"], "suspicious");
  EXPECT_EQ(provider["dead_percent"], 70);
  const std::string metrics = ask("GET", "/metrics").body;
  for (const char* const line :
       {"carillon_tokens_suspicious{app=\"video\",platform=\"apns\"} 1\n",
        "carillon_tokens_dead_percent{app=\"video\",platform=\"apns\"} 70\n",
        "carillon_store_failing 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
}

TEST_F(HttpServerTest, CountsWhatItDoesForPrometheus) {
  room_.publisher.stats_now.lanes = {{.app = "video",
                                      .platform = push::Platform::kApns,
                                      .submitted = 7,
                                      .accepted = 5,
                                      .cancelled = 3}};
  ask("POST", "/v1/events", kEvent);
  ask("GET", "/nowhere");
  const RawAnswer answer = ask("GET", "/metrics", "", "", "");
  EXPECT_THAT(answer.fields.at("content-type"), HasSubstr("text/plain; version=0.0.4"));
  for (const char* const line :
       {"carillon_notifications_total{app=\"video\",platform=\"apns\",outcome=\"accepted\"} 5\n",
        "carillon_notifications_total{app=\"video\",platform=\"apns\",outcome=\"cancelled\"} 3\n",
        "carillon_submitted_total{app=\"video\",platform=\"apns\"} 7\n",
        "carillon_http_requests_total{method=\"POST\",route=\"/v1/events\",code=\"202\"} 1\n",
        "carillon_http_requests_total{method=\"\",route=\"\",code=\"404\"} 1\n",
        "carillon_http_request_duration_seconds_count 2\n", "carillon_store_devices 0\n",
        "# TYPE carillon_http_request_duration_seconds histogram\n"}) {
    EXPECT_THAT(answer.body, HasSubstr(line));
  }
}

TEST_F(HttpServerTest, SaysThatItsPortIsInUse) {
  config::Http same = http_;
  same.listen = "127.0.0.1:" + std::to_string(server_->port());
  HttpServer second(
      same,
      {.publisher = room_.publisher, .store = *room_.store, .apps = {}, .clocks = real_clocks()});
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("is in use"));
}

TEST_F(HttpServerTest, EndsItsStreamsWhenItStops) {
  RawClient client(server_->port());
  client.say(request("GET", "/v1/events/" + fanout::to_string(store_event(1, 1)) + "/progress",
                     "Authorization: Bearer p\r\n"));
  ASSERT_TRUE(client.read_through("event: progress"));
  server_->stop(std::chrono::seconds(5));
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, ExportsWhatAnImportTakes) {
  const Json device = {{"platform", "fcm"},
                       {"token", "t-1"},
                       {"subscriber", "u-1"},
                       {"topics", {"b", "a"}},
                       {"last_seen", "2026-01-02T03:04:05Z"}};
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/d-1", device.dump()).status, 201);
  ASSERT_EQ(ask("PUT", "/v1/apps/mail/devices/d-2", kDevice).status, 201);
  const RawAnswer lines = ask("GET", "/v1/apps/video/export");
  EXPECT_EQ(lines.status, 200);
  EXPECT_EQ(lines.fields.at("transfer-encoding"), "chunked");
  EXPECT_EQ(lines.fields.at("content-type"), "application/x-ndjson");
  EXPECT_EQ(lines.fields.at("content-disposition"), "attachment; filename=\"video.ndjson\"");
  EXPECT_FALSE(lines.fields.contains("content-encoding"));
  EXPECT_EQ(lines.body,
            R"({"device":"d-1","app":"video","platform":"fcm","token":"t-1","subscriber":"u-1",)"
            R"("last_seen":"2026-01-02T00:00:00.000Z","topics":["a","b"]})"
            "\n");
  const RawAnswer csv = ask("GET", "/v1/apps/video/export?format=csv");
  EXPECT_EQ(csv.fields.at("content-type"), "text/csv; charset=utf-8; header=present");
  EXPECT_THAT(csv.body, HasSubstr("\nd-1,video,fcm,t-1,,u-1,"));
  const RawAnswer again =
      ask("POST", "/v1/apps/video/import", lines.body, "Content-Type: application/x-ndjson\r\n");
  EXPECT_EQ(Json::parse(again.body)["unchanged"], 1) << again.body;
}

TEST_F(HttpServerTest, ExportsCompressedIfTheClientLikesIt) {
  ASSERT_EQ(ask("PUT", "/v1/apps/video/devices/d-1", kDevice).status, 201);
  const std::string plain = ask("GET", "/v1/apps/video/export").body;
  ASSERT_THAT(plain, HasSubstr("d-1"));
  for (const auto coding : {coding::Coding::kGzip, coding::Coding::kZstd}) {
    const std::string name(coding::coding_name(coding));
    const RawAnswer answer =
        ask("GET", "/v1/apps/video/export", "", "Accept-Encoding: " + name + "\r\n");
    EXPECT_EQ(answer.fields.at("content-encoding"), name);
    EXPECT_EQ(answer.fields.at("vary"), "Accept-Encoding");
    coding::Decompressor decompressor({.coding = coding});
    std::string_view left = answer.body;
    const auto unpacked = decompressor.next(left);
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(*unpacked, plain);
  }
}

TEST_F(HttpServerTest, AnExportIsForAdministratorsAndOfKnownFormats) {
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/export", "", "", "s")), "forbidden");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/export", "", "", "p")), "forbidden");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/nobody/export")), "unknown-app");
  EXPECT_EQ(problem(ask("GET", "/v1/apps/video/export?format=xml")), "invalid-parameter");
  EXPECT_EQ(ask("HEAD", "/v1/apps/video/export").status, 200);
  EXPECT_EQ(ask("GET", "/v1/apps/video/export").status, 200) << "an empty one, too";
}

TEST_F(HttpServerTest, SaysWhenAsManyExportsAreSentAsItCan) {
  std::vector<std::string> names;
  for (int i = 0; i < 150'000; ++i)
    names.push_back("a-device-with-a-long-name-" + std::to_string(i));
  std::vector<store::DeviceRegistration> devices(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    devices[i].app = "video";
    devices[i].device = devices[i].token = names[i];
    devices[i].platform = store::Platform::kFcm;
  }
  ASSERT_TRUE(room_.store->put_devices(devices, 1'700'000'000'000));
  {
    // Two that do not read: 20 MB are more than their sockets take.
    RawClient first(server_->port()), second(server_->port());
    for (RawClient* client : {&first, &second}) {
      client->say(request("GET", "/v1/apps/video/export", "Authorization: Bearer a\r\n"));
      ASSERT_TRUE(client->readable(RawClient::kDeadline));
    }
    const RawAnswer third = ask("GET", "/v1/apps/video/export");
    EXPECT_EQ(third.status, 429);
    EXPECT_EQ(problem(third), "too-many-exports");
    EXPECT_EQ(third.fields.at("retry-after"), "10");
    EXPECT_THAT(ask("GET", "/metrics").body, HasSubstr("carillon_http_exports 2"));
  }
  // Their places are free again once they have gone.
  const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
  int status = 429;
  while (status == 429 && std::chrono::steady_clock::now() < deadline) {
    status = ask("HEAD", "/v1/apps/video/export").status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(HttpServerTest, TellsWhenACredentialEndsIfItDoes) {
  fanout::LaneStats by_certificate{.app = "video"};
  by_certificate.provider.credential_expires_at =
      std::chrono::sys_seconds(std::chrono::seconds(1'900'000'000));
  room_.publisher.stats_now.lanes = {by_certificate, fanout::LaneStats{.app = "shop"}};
  const std::string metrics = ask("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("carillon_credential_expires_seconds{app=\"video\",platform="
                                 "\"apns\"} 1900000000\n"));
  EXPECT_THAT(metrics, testing::Not(HasSubstr("carillon_credential_expires_seconds{app=\"shop\"")));
}

TEST_F(HttpServerTest, RefusesADeviceThatWasSeenTomorrow) {
  Json device = Json::parse(kDevice);
  const auto in = [](std::chrono::hours hours) {
    const auto at = std::chrono::system_clock::now() + hours;
    return import::rfc3339(
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
  };
  device["last_seen"] = in(std::chrono::hours(25));
  const RawAnswer refused = ask("PUT", "/v1/apps/video/devices/d-1", device.dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(Json::parse(refused.body)["errors"][0]["pointer"], "/last_seen");
  device["last_seen"] = in(std::chrono::hours(23));
  EXPECT_EQ(ask("PUT", "/v1/apps/video/devices/d-1", device.dump()).status, 201)
      << "a clock may run fast";
}

}  // namespace
}  // namespace carillon::api
