#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_simulator.h"

namespace device_sim {
namespace {

using nlohmann::json;

class FaultsOverTls : public ::testing::Test {
 protected:
  void set(const json& plan) { simulator_.send("PUT", "/sim/faults", plan); }
  json struck(const char* fault) { return simulator_.get("/sim/stats")["faults"][fault]; }
  Headers apns() { return simulator_.apns_headers(simulator_.token(Platform::kApns)); }
  Http2Client::Answer push_fcm() {
    Http2Client client(simulator_.fcm_port());
    return client.fetch(simulator_.fcm_headers(simulator_.fetch_access_token()),
                        fcm_body(simulator_.token(Platform::kFcm), "e1"));
  }
  static json error_code(const Http2Client::Answer& answer) {
    return json::parse(answer.body)["error"]["details"][0]["errorCode"];
  }

  TestSimulator simulator_;
};

TEST_F(FaultsOverTls, UnregisteredDevicesAre410WithATimestampAnd404) {
  set({{"unregistered_share", 1}, {"unregistered_age_s", 60}});
  Http2Client client(simulator_.apns_port());
  const auto answer = client.fetch(apns(), apns_body("e1"));
  EXPECT_EQ(answer.status, 410);
  EXPECT_EQ(json::parse(answer.body),
            json({{"reason", "Unregistered"}, {"timestamp", simulator_.now_ms() - 60'000}}));
  const auto fcm = push_fcm();
  EXPECT_EQ(fcm.status, 404);
  EXPECT_EQ(error_code(fcm), "UNREGISTERED");
  EXPECT_EQ(struck("unregistered"), 2);
  EXPECT_EQ(simulator_.get("/sim/events/e1")["received"], 0);
}

TEST_F(FaultsOverTls, ThrottledAndUnavailableComeWithRetryAfter) {
  const std::tuple<const char*, int, const char*, const char*> kRows[] = {
      {"throttled_share", 429, "TooManyRequests", "QUOTA_EXCEEDED"},
      {"unavailable_share", 503, "ServiceUnavailable", "UNAVAILABLE"}};
  for (const auto& [share, status, reason, code] : kRows) {
    set({{share, 1}, {"retry_after_s", 7}});
    Http2Client client(simulator_.apns_port());
    const auto answer = client.fetch(apns(), apns_body("e1"));
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(json::parse(answer.body), json({{"reason", reason}}));
    EXPECT_EQ(answer.headers.at("retry-after"), "7");
    const auto fcm = push_fcm();
    EXPECT_EQ(fcm.status, status);
    EXPECT_EQ(fcm.headers.at("retry-after"), "7");
    EXPECT_EQ(error_code(fcm), code);
  }
}

TEST_F(FaultsOverTls, DevicesOfAnotherAppAreRefusedAsSuch) {
  set({{"wrong_app_share", 1}});
  Http2Client client(simulator_.apns_port());
  EXPECT_EQ(client.fetch(apns(), apns_body("e1")).body, R"({"reason":"DeviceTokenNotForTopic"})");
  const auto fcm = push_fcm();
  EXPECT_EQ(fcm.status, 403);
  EXPECT_EQ(error_code(fcm), "SENDER_ID_MISMATCH");
}

TEST_F(FaultsOverTls, GoawayNamesTheLastStreamAndLaterOnesAreNotProcessed) {
  set({{"goaway_every", 5}, {"goaway_reason", "Maintenance"}});
  Http2Client client(simulator_.apns_port());
  constexpr int kStreams = 20;
  for (std::size_t i = 0; i < kStreams; ++i) {
    client.submit(simulator_.apns_headers(simulator_.token(Platform::kApns, i)), apns_body("e1"));
  }
  client.run_until([&] { return client.tls().is_closed(); });
  ASSERT_TRUE(client.goaway());
  EXPECT_EQ(client.goaway()->error_code, 0U);
  EXPECT_EQ(json::parse(client.goaway()->debug), json({{"reason", "Maintenance"}}));
  // Stream ids are 1, 3, 5, …; everything up to the last id is answered, nothing beyond is
  // processed.
  const int promised = (client.goaway()->last_stream_id + 1) / 2;
  EXPECT_GE(promised, 5);
  EXPECT_LT(promised, kStreams);
  for (int i = 0; i < promised; ++i) EXPECT_EQ(client.answer(2 * i + 1).status, 200) << i;
  EXPECT_EQ(simulator_.get("/sim/events/e1")["received"], promised);
  EXPECT_FALSE(client.tls().was_reset()) << "the answers must not be overtaken by a reset";
  EXPECT_EQ(struck("goaway"), 1);
}

TEST_F(FaultsOverTls, GoawayLetsAStreamThatHasBegunFinish) {
  Http2Client client(simulator_.apns_port());
  const std::int32_t slow = client.submit_without_end(apns());
  set({{"goaway_every", 1}});
  const std::int32_t quick = client.submit(apns(), apns_body("e1"));
  ASSERT_TRUE(client.run_until([&] { return client.goaway() && client.answer(quick).is_done; }));
  EXPECT_EQ(client.goaway()->last_stream_id, quick);
  EXPECT_FALSE(client.tls().is_closed());
  client.cancel(slow);
  client.run_until([&] { return client.tls().is_closed(); });
  EXPECT_TRUE(client.tls().is_closed()) << "with the last stream gone, so is the connection";
}

TEST_F(FaultsOverTls, ACutComesAfterProcessingAndLosesTheAnswers) {
  set({{"cut_every", 3}});
  Http2Client client(simulator_.apns_port());
  for (std::size_t i = 0; i < 10; ++i) {
    client.submit(simulator_.apns_headers(simulator_.token(Platform::kApns, i)), apns_body("e1"));
  }
  client.run_until([&] { return client.tls().is_closed(); });
  EXPECT_TRUE(client.tls().was_reset());
  EXPECT_FALSE(client.goaway());
  EXPECT_EQ(simulator_.get("/sim/events/e1")["received"], 3);
  EXPECT_EQ(client.done_count(), 0U);
  EXPECT_EQ(struck("cut"), 1);
}

TEST_F(FaultsOverTls, LatencyHoldsAnswersBack) {
  // One by one they would take nine seconds: whatever holds the machine up is shorter.
  constexpr int kStreams = 90;
  constexpr std::chrono::milliseconds kLatency{100};
  set({{"latency_ms", kLatency.count()}});
  Http2Client client(simulator_.apns_port());
  ASSERT_TRUE(client.run_until([&] { return client.has_settings(); }));
  const Headers headers = simulator_.apns_headers(simulator_.token(Platform::kApns, 0));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kStreams; ++i) client.submit(headers, apns_body("e1"));
  ASSERT_TRUE(client.run_until([&] { return client.done_count() == std::size_t{kStreams}; }));
  const auto taken = std::chrono::steady_clock::now() - start;
  EXPECT_GE(taken, kLatency);
  EXPECT_LT(taken, (kStreams - 1) * kLatency) << "they wait side by side, not one by one";
}

TEST_F(FaultsOverTls, AStreamThatWasCancelledWhileItWaitedIsNotAnswered) {
  set({{"latency_ms", 200}});
  Http2Client client(simulator_.apns_port());
  const std::int32_t cancelled = client.submit(apns(), apns_body("e1"));
  const std::int32_t kept = client.submit(apns(), apns_body("e1"));
  client.flush();
  client.cancel(cancelled);
  ASSERT_TRUE(client.run_until([&] { return client.answer(kept).is_done; }));
  EXPECT_EQ(client.answer(kept).status, 200);
  EXPECT_EQ(client.answer(cancelled).status, 0);
}

TEST_F(FaultsOverTls, AreShownSetAndTakenBack) {
  EXPECT_EQ(simulator_.get("/sim/faults")["plan"]["latency_ms"], 0);
  set({{"unavailable_share", 0.5}});
  EXPECT_EQ(simulator_.get("/sim/faults")["plan"]["unavailable_share"], 0.5);
  const json refused =
      simulator_.send("PUT", "/sim/faults", {{"latency", 5}, {"cut_every", -1}}, 400);
  EXPECT_EQ(refused["problems"].size(), 2U);
  EXPECT_EQ(simulator_.get("/sim/faults")["plan"]["unavailable_share"], 0.5);
  simulator_.send("DELETE", "/sim/faults", nullptr);
  EXPECT_EQ(simulator_.get("/sim/faults")["plan"]["unavailable_share"], 0.0);
}

}  // namespace
}  // namespace device_sim
