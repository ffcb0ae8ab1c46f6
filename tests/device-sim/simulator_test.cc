#include "device-sim/simulator.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_simulator.h"

namespace device_sim {
namespace {

using nlohmann::json;

json reason_of(const Http2Client::Answer& answer) {
  return json::parse(answer.body).at("reason");
}

TEST(ApnsOverTls, AnswersAnAcceptedPushWithOneHeadersFrame) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  EXPECT_EQ(client.tls().alpn(), "h2");
  const auto answer =
      client.fetch(simulator.apns_headers(simulator.token(Platform::kApns)), apns_body("e1"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("apns-id"), "0c6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b");
  EXPECT_TRUE(answer.headers_ended_stream);
  EXPECT_EQ(answer.data_frames, 0);
  EXPECT_EQ(client.max_concurrent_streams(), 1'000U);
  const json event = simulator.get("/sim/events/e1");
  EXPECT_EQ(event["received"], 1);
  EXPECT_EQ(event["unique_devices"], 1);
  EXPECT_EQ(event["by_platform"]["apns"]["accepted"], 1);
}

TEST(ApnsOverTls, AnswersARefusalWithOneDataFrame) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const auto answer = client.fetch(simulator.apns_headers("0123"), apns_body("e1"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, R"({"reason":"BadDeviceToken"})");
  EXPECT_EQ(answer.data_frames, 1);
  EXPECT_FALSE(answer.headers_ended_stream);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(simulator.get("/sim/stats")["apns"]["by_reason"]["BadDeviceToken"], 1);
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 0);
}

TEST(ApnsOverTls, SpeaksHttp2WithoutAlpn) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port(), "");
  EXPECT_EQ(client.fetch(simulator.apns_headers(simulator.token(Platform::kApns)), apns_body("e1"))
                .status,
            200);
}

TEST(ApnsOverTls, RefusesAClientThatOffersOnlyHttp1) {
  TestSimulator simulator;
  EXPECT_FALSE(TlsClient(simulator.apns_port(), "http/1.1").is_connected());
}

TEST(ApnsOverTls, TakesHostForAuthorityAndMakesAnIdWhenNoneIsGiven) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  Headers headers = simulator.apns_headers(simulator.token(Platform::kApns));
  headers = with(without(without(headers, ":authority"), "apns-id"), "host", "localhost:8443");
  const auto answer = client.fetch(headers, apns_body("e1"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(is_uuid(answer.headers.at("apns-id")));
  EXPECT_NE(client.fetch(headers, apns_body("e1")).headers.at("apns-id"),
            answer.headers.at("apns-id"));
}

TEST(ApnsOverTls, ChecksTheCredentialBeforeTheDevice) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers good = simulator.apns_headers(simulator.token(Platform::kApns));
  const auto reason = [&](const Headers& headers) {
    return reason_of(client.fetch(headers, apns_body("e1")));
  };
  EXPECT_EQ(reason(without(good, "authorization")), "MissingProviderToken");
  EXPECT_EQ(reason(with(good, "authorization", "bearer x")), "InvalidProviderToken");
  EXPECT_EQ(reason(with(good, "authorization", apns_authorization(simulator.now_s() - 3'601))),
            "ExpiredProviderToken");
  EXPECT_EQ(reason(with(without(good, "authorization"), ":path", "/3/device/00")),
            "MissingProviderToken");
  EXPECT_EQ(reason(with(good, ":path", "/3/device/00")), "BadDeviceToken");
}

TEST(ApnsOverTls, TakesAnotherTokenOnAConnectionNoSoonerThanAfterTwentyMinutes) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers headers = simulator.apns_headers(simulator.token(Platform::kApns));
  const auto answer = [&](std::int64_t issued_s) {
    return client.fetch(with(headers, "authorization", apns_authorization(issued_s)),
                        apns_body("e1"));
  };
  const std::int64_t first = simulator.now_s() - 3'000;  // old, but nobody has seen it
  EXPECT_EQ(answer(first).status, 200);
  simulator.advance_clock(600'000);
  EXPECT_EQ(answer(first).status, 200);
  const auto early = answer(simulator.now_s());
  EXPECT_EQ(early.status, 429);
  EXPECT_EQ(reason_of(early), "TooManyProviderTokenUpdates");
  EXPECT_EQ(answer(first).status, 200) << "the old one still is good";
  Http2Client other(simulator.apns_port());
  EXPECT_EQ(other
                .fetch(with(headers, "authorization", apns_authorization(simulator.now_s())),
                       apns_body("e1"))
                .status,
            200)
      << "another connection has its own";
  simulator.advance_clock(599'000);
  EXPECT_EQ(answer(simulator.now_s()).status, 429) << "1,199 seconds since it was seen";
  simulator.advance_clock(1'000);
  EXPECT_EQ(answer(simulator.now_s()).status, 200);
  EXPECT_EQ(simulator.get("/sim/stats")["provider_tokens"]["brought"], 3);
}

TEST(ApnsOverTls, LetsAKnownTokenExpireAsTimePasses) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers headers = simulator.apns_headers(simulator.token(Platform::kApns));
  EXPECT_EQ(client.fetch(headers, apns_body("e1")).status, 200);
  simulator.advance_clock(3'601'000);
  EXPECT_EQ(client.fetch(headers, apns_body("e1")).status, 403);
}

TEST(ApnsOverTls, KnowsOnlyTheDevicesOfItsPopulation) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Population larger(7, Mix::parse("apns:1").value(), 100'000);
  const auto answer = client.fetch(
      simulator.apns_headers(larger.tokens().token(Platform::kApns, 1'001)), apns_body("e1"));
  EXPECT_EQ(reason_of(answer), "BadDeviceToken");
  const std::string wrong_platform =
      larger.tokens().token(Platform::kApns, simulator.device(Platform::kFcm));
  EXPECT_EQ(reason_of(client.fetch(simulator.apns_headers(wrong_platform), apns_body("e1"))),
            "BadDeviceToken");
}

TEST(ApnsOverTls, RefusesAnOversizedAndAnEmptyPayload) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers headers = simulator.apns_headers(simulator.token(Platform::kApns));
  EXPECT_EQ(client.fetch(headers, std::string(300'000, 'x')).status, 413);
  EXPECT_EQ(reason_of(client.fetch(headers, "")), "PayloadEmpty");
  EXPECT_EQ(client.fetch(headers, apns_body("e1")).status, 200) << "the connection goes on";
}

TEST(ApnsOverTls, AnswersManyStreamsOfOneBatch) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  for (std::size_t i = 0; i < 90; ++i) {
    client.submit(simulator.apns_headers(simulator.token(Platform::kApns, i)), apns_body("e1"));
  }
  ASSERT_TRUE(client.run_until([&] { return client.done_count() == 90; }));
  const json event = simulator.get("/sim/events/e1");
  EXPECT_EQ(event["unique_devices"], 90);
  EXPECT_EQ(event["duplicates"], 0);
  EXPECT_EQ(simulator.get("/sim/stats")["apns"]["streams_open"], 0);
}

TEST(ApnsOverTls, SharesConnectionsAmongItsLoops) {
  SimulatorOptions options = TestSimulator::default_options();
  options.threads = 3;
  TestSimulator simulator(std::move(options));
  const Headers headers = simulator.apns_headers(simulator.token(Platform::kApns));
  for (int i = 0; i < 6; ++i) {
    Http2Client client(simulator.apns_port());
    EXPECT_EQ(client.fetch(headers, apns_body("e1")).status, 200);
  }
  const json event = simulator.get("/sim/events/e1");
  EXPECT_EQ(event["received"], 6);
  EXPECT_EQ(event["unique_devices"], 1) << "the loops share one journal";
  const json device = simulator.get("/sim/devices/" + device_id(simulator.device(Platform::kApns)));
  EXPECT_EQ(device["recent"].size(), 6U) << "asked from every loop";
}

TEST(ApnsOverTls, ResetsARequestWithoutAPathAndGoesOn) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers good = simulator.apns_headers(simulator.token(Platform::kApns));
  EXPECT_EQ(client.fetch(without(good, ":path"), apns_body("e1")).reset_code, 1U)
      << "PROTOCOL_ERROR";
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
}

TEST(ApnsOverTls, ResetsARequestWhoseHeadIsTooLarge) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  const Headers good = simulator.apns_headers(simulator.token(Platform::kApns));
  EXPECT_TRUE(client.fetch(with(good, "x", std::string(17'000, 'x')), "{}").reset_code);
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
}

TEST(ApnsOverTls, TellsAClientThatBreaksTheHeaderCompressionWhyItEnds) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  EXPECT_EQ(client.fetch(simulator.apns_headers(simulator.token(Platform::kApns)), apns_body("e1"))
                .status,
            200);
  // HEADERS of the next stream with an index that the table does not have.
  client.tls().send(std::string_view("\0\0\2\1\5\0\0\0\3\xff\x7f", 11));
  EXPECT_TRUE(client.run_until([&] { return client.goaway().has_value(); }));
  ASSERT_TRUE(client.goaway());
  EXPECT_EQ(client.goaway()->error_code, 9U) << "COMPRESSION_ERROR";
}

TEST(ApnsOverTls, EndsAConnectionThatDoesNotSpeakHttp2) {
  TestSimulator simulator;
  TlsClient client(simulator.apns_port(), "h2");
  client.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  while (!client.receive().empty()) {
  }
  EXPECT_TRUE(client.is_closed());
}

std::string http1_request(const std::string& path, const std::string& token,
                          const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: fcm.googleapis.com\r\nAuthorization: Bearer " +
         token +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

constexpr const char* kSendPath = "/v1/projects/carillon-demo/messages:send";

TEST(FcmOverTls, AnswersWithTheMessagesName) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  const Headers headers = simulator.fcm_headers(simulator.fetch_access_token());
  const auto answer = client.fetch(headers, fcm_body(simulator.token(Platform::kFcm), "e1"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(json::parse(answer.body)["name"].get<std::string>().starts_with(
      "projects/carillon-demo/messages/"));
  EXPECT_EQ(client.max_concurrent_streams(), 100U);
  EXPECT_EQ(simulator.get("/sim/events/e1")["by_platform"]["fcm"]["received"], 1);
}

TEST(FcmOverTls, TakesTheSchemeThatTheAdminSdkSends) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  const Headers headers =
      with(simulator.fcm_headers(simulator.fetch_access_token()), ":scheme", "https:");
  EXPECT_EQ(client.fetch(headers, fcm_body(simulator.token(Platform::kFcm), "e1")).status, 200);
}

TEST(FcmOverTls, SpeaksHttp1OnTheSamePortByAlpnOrByItsFirstBytes) {
  TestSimulator simulator;
  const std::string token = simulator.fetch_access_token();
  const std::string body = fcm_body(simulator.token(Platform::kFcm), "e1");
  for (const char* alpn : {"http/1.1", ""}) {
    TlsClient client(simulator.fcm_port(), alpn);
    for (int i = 0; i < 2; ++i) {  // kept alive
      client.send(http1_request(kSendPath, token, body));
      EXPECT_TRUE(client.receive_http1_answer().starts_with("HTTP/1.1 200 OK")) << alpn;
    }
  }
  Http2Client prior_knowledge(simulator.fcm_port(), "");
  EXPECT_EQ(prior_knowledge.fetch(simulator.fcm_headers(token), body).status, 200);
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 5);
}

TEST(FcmOverTls, IssuesAccessTokensToItsServiceAccountOnly) {
  TestSimulator simulator;
  TlsClient client(simulator.fcm_port(), "http/1.1");
  const auto post = [&](const std::string& form) {
    client.send("POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                std::to_string(form.size()) + "\r\n\r\n" + form);
    const std::string answer = client.receive_http1_answer();
    return std::pair(answer.substr(9, 3), json::parse(answer.substr(answer.find("\r\n\r\n") + 4)));
  };
  const auto [status, body] = post(oauth_form(simulator.now_s()));
  EXPECT_EQ(status, "200");
  EXPECT_EQ(body["expires_in"], 3'599);
  EXPECT_EQ(body["token_type"], "Bearer");
  const auto [old_status, old_body] = post(oauth_form(simulator.now_s() - 10'000));
  EXPECT_EQ(old_status, "400");
  EXPECT_EQ(old_body["error"], "invalid_grant");
  EXPECT_EQ(simulator.get("/sim/stats")["oauth"]["tokens_issued"], 1);
  EXPECT_EQ(simulator.get("/sim/stats")["oauth"]["tokens_refused"], 1);
}

TEST(FcmOverTls, RefusesWithGooglesStatusAndCode) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  const std::string access = simulator.fetch_access_token();
  const Headers good = simulator.fcm_headers(access);
  const std::string token = simulator.token(Platform::kFcm);
  const auto status = [&](const Headers& headers, const std::string& body) {
    return client.fetch(headers, body).status;
  };
  EXPECT_EQ(status(without(good, "authorization"), fcm_body(token, "e1")), 401);
  EXPECT_EQ(status(with(good, "authorization", "Bearer ya29.x"), fcm_body(token, "e1")), 401);
  EXPECT_EQ(status(with(good, ":path", "/v1/projects/other/messages:send"), fcm_body(token, "e1")),
            404);
  EXPECT_EQ(status(with(good, ":method", "GET"), ""), 404);
  EXPECT_EQ(status(good, "{"), 400);
  const auto bad_token = client.fetch(good, fcm_body("x", "e1"));
  EXPECT_EQ(bad_token.status, 400);
  EXPECT_EQ(json::parse(bad_token.body)["error"]["details"][0]["errorCode"], "INVALID_ARGUMENT");
  EXPECT_EQ(status(good, fcm_body(simulator.token(Platform::kApns), "e1")), 400);
  EXPECT_EQ(status(good, fcm_body(token, std::string(5'000, 'e'))), 400);
  EXPECT_EQ(status(good, std::string(300'000, ' ')), 400);
  simulator.advance_clock(3'599'000);
  EXPECT_EQ(status(good, fcm_body(token, "e1")), 401) << "the access token has expired";
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 0);
}

TEST(FcmOverTls, OnlyValidatesWhenAsked) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  json request = json::parse(fcm_body(simulator.token(Platform::kFcm), "e1"));
  request["validateOnly"] = true;
  const auto answer =
      client.fetch(simulator.fcm_headers(simulator.fetch_access_token()), request.dump());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["name"], "projects/carillon-demo/messages/fake_message_id");
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 0);
}

TEST(FcmOverTls, ReachesADeviceByItsInstallationIdAndTakesTopics) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  const Headers headers = simulator.fcm_headers(simulator.fetch_access_token());
  const auto send = [&](const json& message) {
    return client.fetch(headers, json{{"message", message}}.dump()).status;
  };
  const json data{{"carillon_event", "e1"}};
  EXPECT_EQ(send({{"fid", simulator.token(Platform::kFcm).substr(0, 22)}, {"data", data}}), 200);
  EXPECT_EQ(send({{"topic", "news"}, {"data", data}}), 200);
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 1);
  EXPECT_EQ(simulator.get("/sim/stats")["fcm"]["accepted_without_device"], 1);
}

TEST(FcmOverTls, FoldsByTagAndDataMessagesByTheirEvent) {
  TestSimulator simulator;
  Http2Client client(simulator.fcm_port());
  const Headers headers = simulator.fcm_headers(simulator.fetch_access_token());
  const std::string token = simulator.token(Platform::kFcm);
  const auto twice = [&](const std::string& body) {
    EXPECT_EQ(client.fetch(headers, body).status, 200);
    EXPECT_EQ(client.fetch(headers, body).status, 200);
  };
  twice(fcm_body(token, "tagged", "tag-1"));
  twice(fcm_body(token, "untagged"));
  twice(json{{"message", {{"token", token}, {"data", {{"carillon_event", "data"}}}}}}.dump());
  EXPECT_EQ(simulator.get("/sim/events/tagged")["shown_twice"], 0);
  EXPECT_EQ(simulator.get("/sim/events/tagged")["duplicates"], 1);
  EXPECT_EQ(simulator.get("/sim/events/untagged")["shown_twice"], 1);
  EXPECT_EQ(simulator.get("/sim/events/data")["shown_twice"], 0);
}

TEST(SimulatorStart, SaysWhichPortsAreInUseAndHowToChooseOthers) {
  TestSimulator first;
  SimulatorOptions options = TestSimulator::default_options();
  options.apns_listen.port = first.apns_port();
  options.fcm_listen.port = first.fcm_port();
  options.control_listen.port = first.control().port;
  const auto second = Simulator::start(std::move(options));
  ASSERT_FALSE(second);
  ASSERT_EQ(second.error().size(), 3U);
  EXPECT_NE(second.error()[0].find("--apns"), std::string::npos) << second.error()[0];
  EXPECT_NE(second.error()[1].find("--fcm"), std::string::npos);
  EXPECT_NE(second.error()[2].find("--control"), std::string::npos);
}

TEST(SimulatorStart, SaysWhatIsWrongWithTheCertificateOrKey) {
  const auto problem = [](const std::string& certificate, const std::string& key) {
    SimulatorOptions options = TestSimulator::default_options();
    options.certificate_pem = certificate;
    options.private_key_pem = key;
    return Simulator::start(std::move(options)).error().front();
  };
  const SimulatorOptions good = TestSimulator::default_options();
  EXPECT_NE(problem("x", good.private_key_pem).find("certificate"), std::string::npos);
  EXPECT_NE(problem(good.certificate_pem, "x").find("private key"), std::string::npos);
  EXPECT_NE(problem(good.certificate_pem, fcm_test_key().private_pem()).find("does not belong"),
            std::string::npos);
}

TEST(SimulatorStop, EndsOpenConnections) {
  TestSimulator simulator;
  Http2Client client(simulator.apns_port());
  ASSERT_TRUE(client.run_until([&] { return client.has_settings(); }));
  simulator.simulator().stop();
  EXPECT_FALSE(client.run_until([] { return false; }));
  EXPECT_TRUE(client.tls().is_closed());
}

}  // namespace
}  // namespace device_sim
