// FCM's own topics, as an app server subscribes devices to them and sends to them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_simulator.h"

namespace device_sim::topics_test {
namespace {

using nlohmann::json;

class FcmTopics : public ::testing::Test {
 protected:
  Headers iid_headers(const std::string& method) {
    return {{":method", "POST"},
            {":scheme", "https"},
            {":authority", "iid.googleapis.com"},
            {":path", "/iid/v1:" + method},
            {"access_token_auth", "true"},
            {"authorization", "Bearer " + access_token_},
            {"content-type", "application/json"}};
  }
  json change(const std::string& method, const std::string& topic, const json& tokens) {
    const auto answer =
        client_.fetch(iid_headers(method),
                      json{{"to", "/topics/" + topic}, {"registration_tokens", tokens}}.dump());
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body)["results"];
  }
  Http2Client::Answer send(const json& to, const std::string& event) {
    json message = to;
    message["data"] = {{"carillon_event", event}};
    return client_.fetch(simulator_.fcm_headers(access_token_), json{{"message", message}}.dump());
  }
  int received(const std::string& event) {
    return simulator_.get("/sim/events/" + event)["received"];
  }
  std::string token(std::size_t n) { return simulator_.token(Platform::kFcm, n); }

  TestSimulator simulator_;
  std::string access_token_ = simulator_.fetch_access_token();
  Http2Client client_{simulator_.fcm_port()};
};

TEST_F(FcmTopics, ASendReachesWhoSubscribed) {
  EXPECT_EQ(change("batchAdd", "news", {token(0), token(1), token(2)}), json::parse("[{},{},{}]"));
  EXPECT_EQ(change("batchAdd", "sports", {token(2), token(3)}), json::parse("[{},{}]"));
  EXPECT_EQ(send({{"topic", "news"}}, "news").status, 200);
  EXPECT_EQ(received("news"), 3);
  EXPECT_EQ(send({{"condition", "'news' in topics || 'sports' in topics"}}, "any").status, 200);
  EXPECT_EQ(received("any"), 4);
  EXPECT_EQ(send({{"condition", "'news' in topics && !('sports' in topics)"}}, "but").status, 200);
  EXPECT_EQ(received("but"), 2);
  EXPECT_EQ(change("batchRemove", "news", {token(0), token(9)}), json::parse("[{},{}]"));
  EXPECT_EQ(send({{"topic", "news"}}, "later").status, 200);
  EXPECT_EQ(received("later"), 2);
  EXPECT_EQ(
      simulator_.get("/sim/devices/" + device_id(simulator_.device(Platform::kFcm, 2)))["topics"],
      (json{"news", "sports"}));
}

TEST_F(FcmTopics, EachTokenIsAnsweredForItself) {
  simulator_.send("POST", "/sim/devices/" + device_id(simulator_.device(Platform::kFcm, 1)),
                  {{"uninstalled", true}});
  EXPECT_EQ(change("batchAdd", "news", {token(0), token(1), "nonsense"}),
            json::parse(R"([{},{"error":"NOT_FOUND"},{"error":"INVALID_ARGUMENT"}])"));
}

TEST_F(FcmTopics, WhoUninstallsLeavesTheTopicsWithTheNextSend) {
  change("batchAdd", "news", {token(0), token(1)});
  const std::string path = "/sim/devices/" + device_id(simulator_.device(Platform::kFcm, 0));
  simulator_.send("POST", path, {{"uninstalled", true}});
  send({{"topic", "news"}}, "e1");
  simulator_.send("POST", path, {{"uninstalled", false}});
  send({{"topic", "news"}}, "e2");
  EXPECT_EQ(received("e1"), 1);
  EXPECT_EQ(received("e2"), 1);
}

TEST_F(FcmTopics, ADeviceThatIsOfflineGetsItLater) {
  const std::string path = "/sim/devices/" + device_id(simulator_.device(Platform::kFcm, 0));
  change("batchAdd", "news", {token(0)});
  simulator_.send("POST", path, {{"online", false}});
  send({{"topic", "news"}}, "e1");
  EXPECT_EQ(received("e1"), 0);
  simulator_.send("POST", path, {{"online", true}});
  EXPECT_EQ(received("e1"), 1);
}

TEST_F(FcmTopics, RefusesAConditionThatIsNone) {
  change("batchAdd", "t0", {token(0)});
  const auto answer = send({{"condition", "'t0' in topic"}}, "e1");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("message.condition"), std::string::npos);
  std::string six = "'t0' in topics";
  for (int i = 1; i <= 5; ++i) six += " || 't" + std::to_string(i) + "' in topics";
  EXPECT_EQ(send({{"condition", six}}, "e1").status, 400);
  EXPECT_EQ(received("e1"), 0);
}

TEST_F(FcmTopics, WantsAnAccessToken) {
  Headers headers = iid_headers("batchAdd");
  const std::string body = json{{"to", "/topics/news"}, {"registration_tokens", {token(0)}}}.dump();
  EXPECT_EQ(client_.fetch(with(headers, "authorization", "Bearer forged"), body).status, 401);
  EXPECT_EQ(client_.fetch(without(headers, "access_token_auth"), body).status, 401);
}

TEST_F(FcmTopics, SpeaksHttp1OnTheSamePort) {
  const std::string body = json{{"to", "/topics/news"}, {"registration_tokens", {token(0)}}}.dump();
  TlsClient client(simulator_.fcm_port(), "http/1.1");
  client.send(
      "POST /iid/v1:batchAdd HTTP/1.1\r\nHost: iid.googleapis.com\r\n"
      "access_token_auth: true\r\nAuthorization: Bearer " +
      access_token_ + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  const std::string answer = client.receive_http1_answer();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with(R"({"results":[{}]})")) << answer;
}

}  // namespace
}  // namespace device_sim::topics_test
