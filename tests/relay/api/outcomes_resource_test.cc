// The outcome feed over HTTP: in order, again, waited for, forgotten.
#include "relay/api/outcomes_resource.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "relay/api/http_server.h"
#include "relay/api/target.h"
#include "relay/config/scopes.h"
#include "relay/fanout/event_id.h"
#include "tests/relay/api/raw_client.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api::outcomes_resource_test {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

class OutcomesApi : public testing::Test {
 protected:
  void SetUp() override {
    room_.add_key("publisher", "p", config::kScopePublish);
    room_.add_key("admin", "a", config::kScopeAdmin);
    serve(4);
  }
  void serve(std::size_t threads) {
    server_.reset();
    config::Http http;
    http.listen = "127.0.0.1:0";
    http.threads = threads;
    server_ = std::make_unique<HttpServer>(http, HttpServer::Parts{.publisher = room_.publisher,
                                                                   .store = *room_.store,
                                                                   .apps = {"video"},
                                                                   .clocks = real_clocks(),
                                                                   .watchers_max = 2});
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error();
  }
  // An event that ends at once, as nobody hears it: one row.
  void happen() {
    store::NewEvent event{.app = "video", .audience = {.topics = {"nobody hears it"}}};
    event.id = fanout::make_event_id(1'767'355'200'000 + ++events_, {1});
    event.content = "x";
    event.accepted_ms = 1'767'355'200'000 + events_;
    event.expires_ms = event.accepted_ms + 60'000;
    ASSERT_TRUE(room_.store->accept(event));
  }
  Json get(const std::string& query, int status = 200, const std::string& key = "a") {
    RawClient client(server_->port());
    client.say(request("GET", "/v1/outcomes" + query,
                       "Connection: close\r\nAuthorization: Bearer " + key + "\r\n", ""));
    const auto answer = client.answer(/*head_only=*/false);
    EXPECT_TRUE(answer) << query;
    if (!answer) return {};
    EXPECT_EQ(answer->status, status) << query << " " << answer->body;
    return Json::parse(answer->body, nullptr, false);
  }

  RelayRoom room_;
  std::unique_ptr<HttpServer> server_;
  std::int64_t events_ = 0;
};

TEST_F(OutcomesApi, ComeInOrderAndSayHowToGoOn) {
  happen();
  happen();
  const Json first = get("?limit=1");
  ASSERT_EQ(first["outcomes"].size(), 1u);
  EXPECT_EQ(first["outcomes"][0]["kind"], "completed");
  EXPECT_EQ(first["outcomes"][0]["app"], "video");
  EXPECT_TRUE(first["outcomes"][0].contains("event"));
  EXPECT_EQ(first["outcomes"][0]["failures_untold"], 0);
  EXPECT_EQ(first["next"], 1);
  const Json second = get("?after=1");
  ASSERT_EQ(second["outcomes"].size(), 1u);
  EXPECT_EQ(second["next"], 2);
  const Json none = get("?after=2");
  EXPECT_EQ(none["outcomes"], Json::array());
  EXPECT_EQ(none["next"], 2) << "to be asked again";
  EXPECT_EQ(get("")["outcomes"].size(), 2u) << "as often as anybody asks";
}

TEST_F(OutcomesApi, ARequestWaitsForTheFirstThatComes) {
  auto waiting = std::async(std::launch::async, [&] { return get("?wait_s=20"); });
  happen();
  EXPECT_EQ(waiting.get()["outcomes"].size(), 1u);
}

TEST_F(OutcomesApi, NobodyWaitsWhereThereIsNoWorkerToSpare) {
  serve(3);
  const auto began = Clock::now();
  EXPECT_TRUE(get("?wait_s=30")["outcomes"].empty());
  EXPECT_LT(Clock::now() - began, 10s);
}

TEST_F(OutcomesApi, WhoWaitsIsAnsweredWhenTheRelayStops) {
  OutcomesResource resource(*room_.store, 1);
  const Admission admission{.target = parse_target("/v1/outcomes?wait_s=30").value()};
  const auto began = Clock::now();
  auto waiting = std::async(std::launch::async, [&] { return resource.list(admission); });
  resource.stop();  // whether it waits already or will only ask
  EXPECT_EQ(waiting.get().status, 200);
  EXPECT_LT(Clock::now() - began, 10s);
}

TEST_F(OutcomesApi, WhatWasForgottenIsGoneAndTheAnswerSaysWhereToBegin) {
  happen();
  happen();
  happen();
  ASSERT_EQ(room_.store->forget_outcomes(1'767'355'200'003), 2u);
  const Json gone = get("?after=1", 410);
  EXPECT_EQ(gone["type"], "urn:carillon:problem:outcomes-forgotten");
  EXPECT_NE(gone["detail"].get<std::string>().find("after=2"), std::string::npos);
  EXPECT_EQ(get("?after=2")["outcomes"].size(), 1u);
}

TEST_F(OutcomesApi, ParametersHaveTheirLimitsAndTheScopeIsAdmins) {
  EXPECT_EQ(get("?limit=1000&wait_s=0&after=0").size(), 2u);
  for (const char* const bad : {"?limit=0", "?limit=1001", "?after=-1", "?after=x", "?wait_s=31",
                                "?after=99999999999999999999", "?other=1"}) {
    get(bad, 400);
  }
  get("", 403, "p");
}

}  // namespace
}  // namespace carillon::api::outcomes_resource_test
