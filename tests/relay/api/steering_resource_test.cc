// Pause, resume, cancel, rate and replay over HTTP: what is asked of the engine, what is answered.
#include "relay/api/steering_resource.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "relay/api/http_server.h"
#include "relay/api/steering_form.h"
#include "relay/config/scopes.h"
#include "relay/fanout/event_id.h"
#include "tests/relay/api/raw_client.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api::steering_resource_test {
namespace {

using Json = nlohmann::json;
using Why = fanout::SteeringRefusal::Kind;
using WishKind = fanout::Wish::Kind;

class SteeringApi : public testing::Test {
 protected:
  void SetUp() override {
    room_.add_key("publisher", "p", config::kScopePublish);
    room_.add_key("subscriber", "s", config::kScopeSubscribe);
    config::Http http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    server_ = std::make_unique<HttpServer>(http, HttpServer::Parts{.publisher = room_.publisher,
                                                                   .store = *room_.store,
                                                                   .apps = {"video"},
                                                                   .clocks = real_clocks(),
                                                                   .watchers_max = 2});
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error();
    const std::string_view topics[] = {"news"};
    ASSERT_TRUE(room_.store->put_device({.app = "video",
                                         .device = "d-1",
                                         .platform = store::Platform::kFcm,
                                         .token = "t",
                                         .subscriber = {},
                                         .topics = topics},
                                        1));
    store::NewEvent event{.app = "video", .audience = {.topics = {"news"}}};
    event.id = fanout::make_event_id(1'767'355'200'000, {1});
    event.content = "x";
    event.accepted_ms = 1'767'355'200'000;
    event.expires_ms = event.accepted_ms + 60'000;
    ASSERT_TRUE(room_.store->accept(event));
    id_ = event.id;
  }
  struct Answered {
    int status = 0;
    Json document;
    std::string problem() const {
      const std::string type = document.value("type", "");
      return type.substr(type.rfind(':') + 1);
    }
  };
  Answered post(const std::string& action, const std::string& body = "",
                const std::string& key = "p", const std::string& event = "") {
    std::string fields = "Connection: close\r\nAuthorization: Bearer " + key + "\r\n";
    if (!body.empty()) fields += "Content-Type: application/json\r\n";
    RawClient client(server_->port());
    client.say(request("POST", "/v1/events/" + (event.empty() ? text() : event) + "/" + action,
                       fields, body));
    const auto answer = client.answer(/*head_only=*/false);
    EXPECT_TRUE(answer);
    return {answer->status, Json::parse(answer->body, nullptr, false)};
  }
  std::string text() const { return fanout::to_string(id_); }

  RelayRoom room_;
  std::unique_ptr<HttpServer> server_;
  store::EventId id_{};
};

TEST_F(SteeringApi, AWishReachesTheEngineAndItsBoundaryTheClient) {
  room_.publisher.steer_answer = [](const auto&, const auto&) {
    return fanout::Steered{.changed = true,
                           .at_ms = 1'767'355'201'000,
                           .jobs = {{.platform = store::Platform::kFcm,
                                     .targeted = 10,
                                     .settled = 4,
                                     .unanswered = 3,
                                     .retrying = 1,
                                     .not_handed_out = 2}}};
  };
  const std::pair<const char*, WishKind> wishes[] = {
      {"pause", WishKind::kPause}, {"resume", WishKind::kResume}, {"cancel", WishKind::kCancel}};
  for (const auto& [action, kind] : wishes) {
    const Answered answer = post(action);
    ASSERT_EQ(answer.status, 200) << answer.document;
    EXPECT_EQ(room_.publisher.steered.back().first, id_);
    EXPECT_EQ(room_.publisher.steered.back().second.kind, kind);
    EXPECT_EQ(answer.document["id"], text());
    EXPECT_EQ(answer.document["changed"], true);
    EXPECT_EQ(answer.document["boundary"]["at"], "2026-01-02T12:00:01.000Z");
    Json expected{{"targeted", 10},
                  {"settled", 4},
                  {"unanswered", 3},
                  {"retrying", 1},
                  {"not_handed_out", 2}};
    if (kind == WishKind::kCancel) expected["cancelled"] = 3;
    EXPECT_EQ(answer.document["boundary"]["by_provider"]["fcm"], expected) << action;
  }
}

TEST_F(SteeringApi, WhatHadEndedBeforeIsToldAsSettled) {
  const Answered answer = post("pause");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.document["boundary"]["by_provider"]["fcm"]["settled"], 1);
}

TEST_F(SteeringApi, ARateIsANumberWithinItsLimitsOrNull) {
  EXPECT_EQ(post("rate", R"({"per_second": 1})").status, 200);
  EXPECT_EQ(room_.publisher.steered.back().second.kind, WishKind::kSetRate);
  EXPECT_EQ(room_.publisher.steered.back().second.per_second, 1u);
  EXPECT_EQ(post("rate", R"({"per_second": 1000000})").status, 200);
  EXPECT_EQ(room_.publisher.steered.back().second.per_second, 1'000'000u);
  EXPECT_EQ(post("rate", R"({"per_second": null})").status, 200);
  EXPECT_EQ(room_.publisher.steered.back().second.per_second, 0u);
  const std::size_t asked = room_.publisher.steered.size();
  for (const char* const bad :
       {R"({"per_second": 0})", R"({"per_second": 1000001})", R"({"per_second": -1})",
        R"({"per_second": 1.5})", R"({"per_second": "1"})", R"({"per_second": 1e30})",
        R"({"per_second": 18446744073709551615})", R"({})", R"([])",
        R"({"per_second": 1, "more": 2})"}) {
    const Answered answer = post("rate", bad);
    EXPECT_EQ(answer.status, 400) << bad;
    EXPECT_EQ(answer.problem(), "invalid-body") << bad;
    EXPECT_FALSE(answer.document["errors"].empty()) << bad;
  }
  EXPECT_EQ(post("rate", "{").problem(), "invalid-json");
  EXPECT_EQ(room_.publisher.steered.size(), asked) << "nothing was asked of the engine";
}

TEST_F(SteeringApi, AReplayTakesWhatFailedUnlessItIsTold) {
  room_.publisher.replay_answer = [] {
    return store::Replayed{.taken = 7, .counted_only = 2, .token_dead = 1, .jobs = {}};
  };
  const Answered plain = post("replay", "{}");
  ASSERT_EQ(plain.status, 200) << plain.document;
  EXPECT_EQ(plain.document["taken"], 7);
  EXPECT_EQ(plain.document["counted_only"], 2);
  EXPECT_EQ(plain.document["token_dead"], 1);
  const auto& [wish, ttl] = room_.publisher.replays.back();
  EXPECT_TRUE(wish.expired && wish.dead_lettered && !wish.rejected);
  EXPECT_TRUE(wish.reasons.empty() && !wish.platform && !ttl);
  ASSERT_EQ(post("replay", R"({"outcomes": ["rejected"], "reasons": ["a", "b"],
                               "provider": "apns", "ttl": 60})")
                .status,
            200);
  const auto& [told, told_ttl] = room_.publisher.replays.back();
  EXPECT_TRUE(told.rejected && !told.expired && !told.dead_lettered);
  EXPECT_EQ(told.reasons, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(told.platform, store::Platform::kApns);
  EXPECT_EQ(told_ttl, std::chrono::seconds(60));
}

TEST(ReplayForm, TellsEveryFieldThatIsWrong) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"outcomes": []})", "/outcomes"},    {R"({"outcomes": ["accepted"]})", "/outcomes/0"},
      {R"({"outcomes": [1]})", "/outcomes/0"}, {R"({"outcomes": "expired"})", "/outcomes"},
      {R"({"reasons": [""]})", "/reasons/0"},  {R"({"provider": "sms"})", "/provider"},
      {R"({"provider": 1})", "/provider"},     {R"({"ttl": 0})", "/ttl"},
      {R"({"ttl": 99999999999})", "/ttl"},     {R"({"other": 1})", "/other"},
  };
  for (const auto& [body, pointer] : bad) {
    const auto form = parse_replay(body);
    ASSERT_FALSE(form) << body;
    ASSERT_EQ(form.error().errors.size(), 1u) << body;
    EXPECT_EQ(form.error().errors[0].pointer, pointer) << body;
  }
}

TEST(ReplayForm, NamesSoManyReasonsAndNoMore) {
  const auto with = [](std::size_t reasons) {
    Json body{{"reasons", Json::array()}};
    for (std::size_t i = 0; i < reasons; ++i) body["reasons"].push_back("r" + std::to_string(i));
    return parse_replay(body.dump());
  };
  EXPECT_TRUE(with(store::kReplayReasonsMax));
  EXPECT_FALSE(with(store::kReplayReasonsMax + 1));
}

TEST_F(SteeringApi, EachRefusalHasAProblemOfItsOwn) {
  const std::tuple<Why, int, const char*> rows[] = {
      {Why::kUnknownEvent, 404, "unknown-event"},
      {Why::kFinished, 409, "event-finished"},
      {Why::kNotCompleted, 409, "event-not-completed"},
      {Why::kExpired, 409, "event-expired"},
      {Why::kTooMany, 429, "too-many-steered"},
      {Why::kUnknownApp, 404, "unknown-app"},
      {Why::kBusy, 503, "overloaded"},
      {Why::kDraining, 503, "draining"},
      {Why::kStoreFull, 507, "store-full"},
      {Why::kStoreFailed, 503, "store-unavailable"},
  };
  for (const auto& [kind, status, slug] : rows) {
    const fanout::SteeringRefusal refusal{.kind = kind, .message = "so it is"};
    room_.publisher.steer_answer = [refusal](const auto&, const auto&) {
      return tl::unexpected(refusal);
    };
    room_.publisher.replay_answer = [refusal] { return tl::unexpected(refusal); };
    for (const auto& [action, body] : {std::pair("pause", ""), std::pair("replay", "{}")}) {
      const Answered answer = post(action, body);
      EXPECT_EQ(answer.status, status) << slug;
      EXPECT_EQ(answer.problem(), slug);
    }
  }
}

TEST_F(SteeringApi, NeedsTheScopeAndAnIdThatIsOne) {
  EXPECT_EQ(post("pause", "", "s").status, 403);
  EXPECT_EQ(post("replay", "{}", "s").status, 403);
  EXPECT_EQ(post("pause", "", "p", "not-a-uuid").problem(), "unknown-event");
  EXPECT_EQ(post("replay", "{}", "p", "not-a-uuid").problem(), "unknown-event");
  EXPECT_TRUE(room_.publisher.steered.empty());
}

}  // namespace
}  // namespace carillon::api::steering_resource_test
