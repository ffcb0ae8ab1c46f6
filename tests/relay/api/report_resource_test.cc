// Failures device by device, and why a device did or did not get an event, over HTTP.
#include "relay/api/report_resource.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "relay/api/http_server.h"
#include "relay/config/scopes.h"
#include "relay/fanout/event_id.h"
#include "storage/event_report.h"
#include "tests/relay/api/raw_client.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api::report_resource_test {
namespace {

using Json = nlohmann::json;

class ReportApi : public testing::Test {
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
    for (int i = 0; i < 5; ++i) {
      const std::string name = "d-" + std::to_string(i), token = "t" + std::to_string(i);
      ASSERT_TRUE(room_.store->put_device({.app = "video",
                                           .device = name,
                                           .platform = store::Platform::kFcm,
                                           .token = token,
                                           .subscriber = {},
                                           .topics = topics},
                                          1));
    }
    store::NewEvent event{.app = "video", .audience = {.topics = {"news"}}};
    event.id = fanout::make_event_id(1'767'355'200'000, {1});
    event.content = "x";
    event.accepted_ms = 1'767'355'200'000;
    event.expires_ms = event.accepted_ms + 60'000;
    ASSERT_TRUE(room_.store->accept(event));
    path_ = "/v1/events/" + fanout::to_string(event.id);
    // d-0 accepted, d-1 and d-2 failed, d-3 to be tried again, d-4 to come.
    job_ = {event.id, store::Platform::kFcm};
    auto scan = room_.store->scan(job_);
    store::DevicePage page;
    ASSERT_TRUE((*scan)->read(0, 100, page));
    ASSERT_EQ(page.devices.size(), 5u);
    const auto at = [&](std::size_t i) { return page.devices[i].position; };
    last_ = at(4);
    retried_ = at(3);
    store::Checkpoint step{.job = job_, .cursor = at(3)};
    step.added = {.accepted = 1, .rejected = 1, .dead_lettered = 1};
    step.reasons = {{"INTERNAL", 1}, {"UNREGISTERED", 1}};
    step.failures = {{.position = at(1),
                      .outcome = store::Failure::Outcome::kRejected,
                      .reason = "UNREGISTERED",
                      .attempts = 1,
                      .at_ms = 1'767'355'201'000,
                      .token_dead = true},
                     {.position = at(2),
                      .outcome = store::Failure::Outcome::kDeadLettered,
                      .reason = "INTERNAL",
                      .attempts = 5,
                      .at_ms = 1'767'355'202'000}};
    step.retries = {
        {.position = at(3), .due_ms = 1'767'355'260'000, .attempts = 2, .reason = "BUSY"}};
    record(step);
  }
  void record(const store::Checkpoint& step) {
    std::promise<store::Result<void>> done;
    room_.store->record({step}, 1'767'355'202'000,
                        [&](store::Result<void> result) { done.set_value(std::move(result)); });
    ASSERT_TRUE(done.get_future().get());
  }
  void complete(store::Counters added = {.accepted = 2}) {
    store::Checkpoint step{.job = job_, .cursor = last_};
    step.added = added;
    if (added.suppressed > 0) step.reasons = {{std::string(store::kNoProvider), added.suppressed}};
    step.retries_done = {retried_};
    step.exhausted = true;
    step.state = store::EventState::kCompleted;
    record(step);
  }
  Json get(const std::string& rest, int status = 200, const std::string& key = "p") {
    RawClient client(server_->port());
    client.say(request("GET", path_ + rest,
                       "Connection: close\r\nAuthorization: Bearer " + key + "\r\n", ""));
    const auto answer = client.answer(/*head_only=*/false);
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->status, status) << rest << " " << answer->body;
    return Json::parse(answer->body, nullptr, false);
  }

  RelayRoom room_;
  std::unique_ptr<HttpServer> server_;
  std::string path_;
  store::JobKey job_;
  store::DevicePosition last_ = 0, retried_ = 0;
};

TEST_F(ReportApi, FailuresComeDeviceByDevice) {
  const Json page = get("/failures");
  EXPECT_EQ(page["next"], nullptr);
  EXPECT_EQ(page["counted_only"], 0);
  ASSERT_EQ(page["failures"].size(), 2u);
  EXPECT_EQ(page["failures"][0], (Json{{"device", "d-1"},
                                       {"provider", "fcm"},
                                       {"outcome", "rejected"},
                                       {"reason", "UNREGISTERED"},
                                       {"attempts", 1},
                                       {"at", "2026-01-02T12:00:01.000Z"},
                                       {"token_dead", true}}));
  EXPECT_EQ(page["failures"][1]["attempts"], 5);
}

TEST_F(ReportApi, FailuresAreReadPageByPageAndByWhatTheyAre) {
  const Json first = get("/failures?limit=1");
  ASSERT_EQ(first["failures"].size(), 1u);
  ASSERT_TRUE(first["next"].is_string());
  const Json second = get("/failures?limit=1&after=" + first["next"].get<std::string>());
  EXPECT_EQ(second["failures"][0]["device"], "d-2");
  EXPECT_EQ(second["next"], nullptr);
  EXPECT_EQ(get("/failures?outcome=dead_lettered")["failures"].size(), 1u);
  EXPECT_EQ(get("/failures?provider=apns")["failures"].size(), 0u);
  EXPECT_EQ(get("/failures?provider=fcm&outcome=expired")["failures"].size(), 0u);
}

TEST_F(ReportApi, AFailureOfADeviceThatIsGoneHasNoNameAnyMore) {
  ASSERT_TRUE(room_.store->erase_device("video", "d-1"));
  const Json page = get("/failures");
  EXPECT_EQ(page["failures"][0]["device"], nullptr);
  EXPECT_EQ(page["failures"][0]["gone"], true);
  EXPECT_EQ(page.dump().find("d-1"), std::string::npos);
}

TEST_F(ReportApi, ParametersHaveTheirLimits) {
  EXPECT_EQ(get("/failures?limit=1000")["failures"].size(), 2u);
  for (const char* const bad :
       {"limit=0", "limit=1001", "limit=x", "after=", "after=fcm", "after=fcm-x", "after=sms-1",
        "after=fcm-18446744073709551615", "provider=sms", "outcome=accepted", "other=1"}) {
    get("/failures?" + std::string(bad), 400);
  }
  get("/failures", 403, "s");
}

TEST_F(ReportApi, SaysWhyADeviceDidOrDidNotGetIt) {
  const auto fate = [&](const std::string& device) { return get("/devices/" + device); };
  const Json accepted = fate("d-0");
  EXPECT_EQ(accepted["outcome"], "accepted");
  EXPECT_EQ(accepted["basis"], "derived");
  EXPECT_FALSE(accepted["explanation"].get<std::string>().empty());
  const Json refused = fate("d-1");
  EXPECT_EQ(refused["outcome"], "rejected");
  EXPECT_EQ(refused["basis"], "exact");
  EXPECT_EQ(refused["reason"], "UNREGISTERED");
  EXPECT_EQ(fate("d-2")["attempts"], 5);
  const Json again = fate("d-3");
  EXPECT_EQ(again["outcome"], "pending");
  EXPECT_EQ(again["next_attempt_at"], "2026-01-02T12:01:00.000Z");
  EXPECT_EQ(again["reason"], "BUSY");
  const Json to_come = fate("d-4");
  EXPECT_EQ(to_come["outcome"], "pending");
  EXPECT_FALSE(to_come.contains("next_attempt_at"));
  EXPECT_EQ(fate("nobody")["outcome"], "unknown_device");
  get("/devices/d-0", 403, "s");
}

TEST_F(ReportApi, WhoComesAfterTheEndDidNotGetIt) {
  complete();
  const std::string_view topics[] = {"news"};
  ASSERT_TRUE(room_.store->put_device({.app = "video",
                                       .device = "late",
                                       .platform = store::Platform::kFcm,
                                       .token = "late",
                                       .subscriber = {},
                                       .topics = topics},
                                      2));
  ASSERT_TRUE(room_.store->subscribe_device("video", "sports", "d-4"));
  const Json late = get("/devices/late");
  EXPECT_EQ(late["outcome"], "came_later");
  EXPECT_EQ(late["basis"], "exact");
  const Json changed = get("/devices/d-4");
  EXPECT_EQ(changed["outcome"], "not_known");
  EXPECT_EQ(changed["basis"], "derived");
  EXPECT_NE(changed["explanation"].get<std::string>().find("is not kept"), std::string::npos);
  EXPECT_EQ(get("/devices/d-3")["outcome"], "accepted");
}

TEST_F(ReportApi, WhereThereWasNoProviderNothingIsCalledAccepted) {
  complete({.accepted = 1, .suppressed = 1});
  const Json mixed = get("/devices/d-4");
  EXPECT_EQ(mixed["outcome"], "not_known");
  EXPECT_NE(mixed["explanation"].get<std::string>().find("had no provider"), std::string::npos);
}

TEST_F(ReportApi, AnEventThatIsNotThereIsNotFound) {
  path_ = "/v1/events/00000000-0000-7000-8000-000000000000";
  get("/failures", 404);
  get("/devices/d-0", 404);
  path_ = "/v1/events/not-an-id";
  get("/failures", 404);
  get("/devices/d-0", 404);
}

}  // namespace
}  // namespace carillon::api::report_resource_test
