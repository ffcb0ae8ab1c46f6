#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_push_sender.h"
#include "tests/device-sim/test_simulator.h"

namespace device_sim::simulator_webpush_test {
namespace {

using nlohmann::json;

SimulatorOptions browsers_too() {
  SimulatorOptions options = TestSimulator::default_options();
  options.webpush_listen.port = 0;
  options.webpush =
      WebPushAccount{.vapid_key = apns_test_key().public_key(PublicKey::Kind::kEcP256)};
  options.mix = Mix::parse("apns:1,fcm:1,webpush:1").value();
  return options;
}

class WebPushOverTls : public ::testing::Test {
 protected:
  std::uint16_t port() { return simulator_.simulator().webpush_address()->port; }
  std::string origin() { return "https://localhost:" + std::to_string(port()); }
  std::uint64_t browser(std::size_t n = 0) { return simulator_.device(Platform::kWebPush, n); }

  Headers headers(std::size_t n = 0) {
    return {{":method", "POST"},
            {":scheme", "https"},
            {":authority", "localhost:" + std::to_string(port())},
            {":path", "/push/" + simulator_.token(Platform::kWebPush, n)},
            {"authorization", vapid_authorization(origin(), simulator_.now_s())},
            {"content-encoding", "aes128gcm"},
            {"ttl", "60"},
            {"urgency", "high"},
            {"topic", "topic-1"}};
  }
  std::string sealed(const std::string& event, std::size_t n = 0) {
    return seal_push_for(simulator_.population(), browser(n), webpush_text(event));
  }

  TestSimulator simulator_{browsers_too()};
};

TEST_F(WebPushOverTls, AnswersAnAcceptedPushAsRfc8030Says) {
  Http2Client client(port());
  EXPECT_EQ(client.tls().alpn(), "h2");
  const auto answer = client.fetch(headers(), sealed("e1"));
  EXPECT_EQ(answer.status, 201);
  EXPECT_TRUE(answer.headers.at("location").starts_with("/m/"));
  EXPECT_EQ(answer.headers.at("ttl"), "60");
  EXPECT_EQ(answer.body, "");
  const json event = simulator_.get("/sim/events/e1");
  EXPECT_EQ(event["received"], 1);
  EXPECT_EQ(event["by_platform"]["webpush"]["unique_devices"], 1);
}

TEST_F(WebPushOverTls, SpeaksHttp1OnTheSamePort) {
  TlsClient client(port(), "http/1.1");
  const std::string body = sealed("e1");
  std::string head = "POST /push/" + simulator_.token(Platform::kWebPush) + " HTTP/1.1\r\n" +
                     "Host: localhost:" + std::to_string(port()) +
                     "\r\nAuthorization: " + vapid_authorization(origin(), simulator_.now_s()) +
                     "\r\nTTL: 5\r\nContent-Encoding: aes128gcm\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n";
  for (int i = 0; i < 2; ++i) {  // kept alive
    client.send(head + body);
    const std::string answer = client.receive_http1_answer();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 201 Created\r\n")) << answer;
    EXPECT_NE(answer.find("\r\nlocation: /m/"), std::string::npos);
    EXPECT_NE(answer.find("\r\nttl: 5\r\n"), std::string::npos);
  }
  EXPECT_EQ(simulator_.get("/sim/events/e1")["received"], 2);
  EXPECT_EQ(simulator_.get("/sim/events/e1")["shown_twice"], 0) << "the tag is the same";
}

TEST_F(WebPushOverTls, FoldsByTopic) {
  Http2Client client(port());
  EXPECT_EQ(client.fetch(headers(), sealed("e1")).status, 201);
  EXPECT_EQ(client.fetch(headers(), sealed("e1")).status, 201);
  EXPECT_EQ(simulator_.get("/sim/events/e1")["duplicates"], 1);
  EXPECT_EQ(simulator_.get("/sim/events/e1")["shown_twice"], 0);
  EXPECT_EQ(client.fetch(with(headers(), "topic", "topic-2"), sealed("e1")).status, 201);
  EXPECT_EQ(simulator_.get("/sim/events/e1")["shown_twice"], 1);
}

TEST_F(WebPushOverTls, RefusesInTheOrderOfItsTable) {
  Http2Client client(port());
  const auto answer = [&](const Headers& changed, const std::string& body) {
    const auto got = client.fetch(changed, body);
    return std::to_string(got.status) + " " +
           json::parse(got.body.empty() ? "{}" : got.body).value("error", "");
  };
  const Headers good = headers();
  const std::string body = sealed("e1");
  EXPECT_EQ(answer(with(good, ":path", "/push/x"), body), "404 UnknownSubscription");
  EXPECT_EQ(answer(with(good, ":path", "/"), body), "404 UnknownSubscription");
  EXPECT_EQ(answer(with(good, ":path", "/push/" + simulator_.token(Platform::kFcm)), body),
            "404 UnknownSubscription");
  EXPECT_EQ(answer(with(good, ":method", "PUT"), body), "405 MethodNotAllowed");
  EXPECT_EQ(answer(without(good, "ttl"), body), "400 MissingTtl");
  EXPECT_EQ(answer(with(good, "topic", "a b"), body), "400 BadTopic");
  EXPECT_EQ(answer(with(good, "urgency", "now"), body), "400 BadUrgency");
  EXPECT_EQ(answer(without(good, "authorization"), body), "401 MissingVapid");
  EXPECT_EQ(answer(with(good, "authorization",
                        vapid_authorization("https://localhost", simulator_.now_s())),
                   body),
            "403 BadVapid");
  EXPECT_EQ(answer(good, std::string(4'097, 'x')), "413 PayloadTooLarge");
  EXPECT_EQ(answer(without(good, "content-encoding"), body), "400 BadEncoding");
  EXPECT_EQ(answer(good, sealed("e1", 1)), "400 CannotDecrypt") << "another browser's";
  EXPECT_EQ(simulator_.get("/sim/events/e1")["received"], 0);
  EXPECT_EQ(simulator_.get("/sim/stats")["webpush"]["by_reason"]["UnknownSubscription"], 3);
  EXPECT_EQ(answer(good, body), "201 ");
}

TEST_F(WebPushOverTls, TakesAMessageWithoutContent) {
  Http2Client client(port());
  EXPECT_EQ(client.fetch(without(headers(), "content-encoding"), "").status, 201);
  EXPECT_EQ(simulator_.get("/sim/stats")["webpush"]["accepted_without_event"], 1);
}

TEST_F(WebPushOverTls, SaysThatAnUnsubscribedBrowserIsGone) {
  Http2Client client(port());
  const std::string path = "/sim/devices/" + device_id(browser());
  simulator_.send("POST", path, {{"uninstalled", true}});
  EXPECT_EQ(client.fetch(headers(), sealed("e1")).status, 410);
  simulator_.send("POST", path, {{"uninstalled", false}});
  EXPECT_EQ(client.fetch(headers(), sealed("e1")).status, 201);
}

TEST_F(WebPushOverTls, HasTheFaultsOfTheOthers) {
  Http2Client client(port());
  const auto status_under = [&](const json& faults) {
    simulator_.send("PUT", "/sim/faults", faults);
    return client.fetch(headers(), sealed("e1"));
  };
  EXPECT_EQ(status_under({{"unregistered_share", 1.0}}).status, 410);
  EXPECT_EQ(status_under({{"wrong_app_share", 1.0}}).status, 403);
  const auto throttled = status_under({{"throttled_share", 1.0}, {"retry_after_s", 7}});
  EXPECT_EQ(throttled.status, 429);
  EXPECT_EQ(throttled.headers.at("retry-after"), "7");
  EXPECT_EQ(status_under({{"unavailable_share", 1.0}}).status, 503);
  EXPECT_EQ(status_under(json::object()).status, 201);
}

TEST_F(WebPushOverTls, GivesItsPhonesASubscriptionThatWorks) {
  const json phone =
      simulator_.send("POST", "/sim/phones", {{"count", 1}, {"platform", "webpush"}}, 201)
          .at("phones")
          .at(0);
  const json& subscription = phone.at("subscription");
  EXPECT_FALSE(phone.contains("token"));
  const auto endpoint = subscription.at("endpoint").get<std::string>();
  const std::string address = "https://127.0.0.1:" + std::to_string(port());
  ASSERT_TRUE(endpoint.starts_with(address + "/push/")) << endpoint;
  const auto key = [&](const char* name) {
    return base64url_decode(subscription.at("keys").at(name).get<std::string>()).value();
  };
  Http2Client client(port());
  EXPECT_EQ(client
                .fetch(with(headers(), ":path", endpoint.substr(address.size())),
                       seal_push(key("p256dh"), key("auth"), webpush_text("e1")))
                .status,
            201);
  const json inbox =
      simulator_.get("/sim/devices/" + phone.at("device").get<std::string>()).at("inbox");
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0]["platform"], "webpush");
  EXPECT_EQ(inbox[0]["title"], "New upload");
  EXPECT_EQ(inbox[0]["identity"], "topic-1");
}

TEST(WebPushSimulator, WantsAKeyIfThereAreBrowsers) {
  SimulatorOptions options = TestSimulator::default_options();
  options.mix = Mix::parse("webpush:1").value();
  const auto started = Simulator::start(std::move(options));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error(), std::vector<std::string>{"the mix has webpush: add [webpush] with its "
                                                      "public_key to the config"});
}

TEST(WebPushSimulator, MakesBrowsersOnlyWhereTheMixHasThem) {
  TestSimulator without_browsers;
  const auto platforms = [](const json& made) {
    std::string text;
    for (const json& phone : made.at("phones")) {
      text += phone.at("platform").get<std::string>() + " ";
    }
    return text;
  };
  EXPECT_EQ(platforms(without_browsers.send("POST", "/sim/phones", {{"count", 3}}, 201)),
            "apns fcm apns ");
  TestSimulator all(browsers_too());
  EXPECT_EQ(platforms(all.send("POST", "/sim/phones", {{"count", 4}}, 201)),
            "apns fcm webpush apns ");
}

}  // namespace
}  // namespace device_sim::simulator_webpush_test
