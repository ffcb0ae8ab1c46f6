#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_simulator.h"

namespace device_sim {
namespace {

using nlohmann::json;

class ControlApi : public ::testing::Test {
 protected:
  // Makes a phone and returns what the API says of it.
  json add_phone(const char* platform) {
    return simulator_.send("POST", "/sim/phones", {{"count", 1}, {"platform", platform}},
                           201)["phones"][0];
  }
  std::string path_of(const json& phone) {
    return "/sim/devices/" + phone["device"].get<std::string>();
  }
  int push(const json& phone, const std::string& event) {
    Http2Client client(simulator_.apns_port());
    return client.fetch(simulator_.apns_headers(phone["token"]), apns_body(event)).status;
  }

  TestSimulator simulator_;
};

TEST_F(ControlApi, ShowsAPhonesInbox) {
  const json phone = add_phone("apns");
  EXPECT_EQ(phone["device"], "d-0001001");
  EXPECT_EQ(phone["subscriber"], "u-0001001");
  EXPECT_EQ(push(phone, "e1"), 200);
  const json device = simulator_.get(path_of(phone));
  EXPECT_EQ(device["is_phone"], true);
  ASSERT_EQ(device["inbox"].size(), 1U);
  EXPECT_EQ(device["inbox"][0]["title"], "New upload");
  EXPECT_EQ(device["inbox"][0]["event"], "e1");
  EXPECT_EQ(device["inbox"][0]["display"], "shown");
  EXPECT_EQ(device["recent"][0]["event"], "e1");
}

TEST_F(ControlApi, AnswersForAnUninstalledAppAtOnceWithItsTime) {
  const json phone = add_phone("apns");
  EXPECT_EQ(push(phone, "e1"), 200);
  const std::int64_t when = simulator_.now_ms();
  simulator_.send("POST", path_of(phone), {{"uninstalled", true}});
  simulator_.advance_clock(5'000);
  Http2Client client(simulator_.apns_port());
  const auto answer = client.fetch(simulator_.apns_headers(phone["token"]), apns_body("e2"));
  EXPECT_EQ(answer.status, 410);
  EXPECT_EQ(json::parse(answer.body)["timestamp"], when);
  simulator_.send("POST", path_of(phone), {{"uninstalled", false}});
  EXPECT_EQ(push(phone, "e2"), 200);
}

TEST_F(ControlApi, KeepsAPushForAPhoneThatIsOffline) {
  const json phone = add_phone("apns");
  simulator_.send("POST", path_of(phone), {{"online", false}});
  EXPECT_EQ(push(phone, "e1"), 200);
  json event = simulator_.get("/sim/events/e1");
  EXPECT_EQ(event["accepted"], 1);
  EXPECT_EQ(event["received"], 0);
  EXPECT_EQ(event["waiting"], 1);
  const json online = simulator_.send("POST", path_of(phone), {{"online", true}});
  EXPECT_EQ(online["inbox"].size(), 1U);
  event = simulator_.get("/sim/events/e1");
  EXPECT_EQ(event["received"], 1);
  EXPECT_EQ(event["waiting"], 0);
}

TEST_F(ControlApi, SteersADeviceOfThePopulationToo) {
  const std::uint64_t number = simulator_.device(Platform::kApns, 3);
  simulator_.send("POST", "/sim/devices/" + device_id(number), {{"uninstalled", true}});
  Http2Client client(simulator_.apns_port());
  EXPECT_EQ(
      client.fetch(simulator_.apns_headers(simulator_.token(Platform::kApns, 3)), apns_body("e1"))
          .status,
      410);
  EXPECT_EQ(
      client.fetch(simulator_.apns_headers(simulator_.token(Platform::kApns, 4)), apns_body("e1"))
          .status,
      200);
}

TEST_F(ControlApi, GivesMessagesAfterASequenceAndWaitsForThem) {
  const json phone = add_phone("apns");
  const json before = simulator_.get("/sim/phones/messages?wait_ms=0");
  EXPECT_EQ(before["messages"].size(), 0U);
  push(phone, "e1");
  const json after = simulator_.get("/sim/phones/messages?wait_ms=30000&after=" +
                                    std::to_string(before["last_sequence"].get<int>()));
  ASSERT_EQ(after["messages"].size(), 1U);
  EXPECT_EQ(after["messages"][0]["device"], phone["device"]);
}

TEST_F(ControlApi, StreamsStateAndMessages) {
  const json phone = add_phone("apns");
  push(phone, "e1");
  httplib::Client client(simulator_.control().host, simulator_.control().port);
  std::string stream;
  client.Get("/sim/stream", [&](const char* data, std::size_t length) {
    stream.append(data, length);
    return stream.find("event: message\ndata: {") == std::string::npos;
  });
  EXPECT_NE(stream.find("event: state\ndata: {"), std::string::npos);
  EXPECT_NE(stream.find("New upload"), std::string::npos);
}

TEST_F(ControlApi, RefusesWhatItDoesNotUnderstand) {
  const std::tuple<const char*, const char*, json, int> kRows[] = {
      {"POST", "/sim/phones", json::object(), 400},
      {"POST", "/sim/phones", {{"count", 0}}, 400},
      {"POST", "/sim/phones", {{"count", -1}}, 400},
      {"POST", "/sim/phones", {{"count", 10'001}}, 400},
      {"POST", "/sim/phones", {{"count", 1}, {"platform", "pager"}}, 400},
      {"POST", "/sim/phones", json::array(), 400},
      {"POST", "/sim/devices/d-0000001", {{"online", "yes"}}, 400},
      {"POST", "/sim/devices/d-0000001", {{"asleep", true}}, 400},
      {"POST", "/sim/devices/d-0001001", {{"online", true}}, 404},
      {"POST", "/sim/devices/x", {{"online", true}}, 404},
      {"PUT", "/sim/faults", json::array(), 400}};
  for (const auto& [method, path, body, status] : kRows) {
    EXPECT_TRUE(simulator_.send(method, path, body, status).contains("error")) << path << body;
  }
}

TEST_F(ControlApi, ShowsNumbersForPeopleAndForPrometheus) {
  const json phone = add_phone("apns");
  push(phone, "e1");
  httplib::Client client(simulator_.control().host, simulator_.control().port);
  const auto metrics = client.Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_NE(metrics->body.find("device_sim_requests_total{gateway=\"apns\",reason=\"\"} 1"),
            std::string::npos);
  EXPECT_EQ(simulator_.get("/healthz")["status"], "ok");
  EXPECT_EQ(simulator_.get("/sim/events")["events"][0]["event"], "e1");
  EXPECT_EQ(simulator_.get("/sim/events/never")["known"], false);
  EXPECT_EQ(simulator_.get("/sim/stats")["population"]["phones"], 1);
  const auto page = client.Get("/");
  ASSERT_TRUE(page);
  EXPECT_NE(page->body.find("<!doctype html>"), std::string::npos);
  EXPECT_EQ(page->body.find("src=\"http"), std::string::npos) << "no assets from elsewhere";
}

}  // namespace
}  // namespace device_sim
