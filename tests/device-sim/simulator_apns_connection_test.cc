// What Apple's service makes of a whole connection: its certificate, its streams, its bad tokens.
#include <gtest/gtest.h>

#include "device-sim/faults/fault_plan.h"
#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_simulator.h"

namespace device_sim::apns_connection_test {
namespace {

using nlohmann::json;

// An authority and what it, or another one, gives out.
const TestKey& ca_key() {
  static const TestKey kKey = TestKey::ec_p256();
  return kKey;
}

ClientIdentity identity(const ClientCertificateOrder& order, const TestKey& issuer = ca_key()) {
  static const TestKey kKey = TestKey::ec_p256();
  return {.certificate_pem = kKey.client_certificate_pem(order, issuer),
          .key_pem = kKey.private_pem()};
}

SimulatorOptions with_certificates() {
  SimulatorOptions options = TestSimulator::default_options();
  options.apns_client_ca_pem = ca_key().authority_certificate_pem();
  return options;
}

std::string reason_of(const Http2Client::Answer& answer) {
  return answer.body.empty() ? "" : json::parse(answer.body).at("reason").get<std::string>();
}

class ApnsCertificates : public testing::Test {
 protected:
  std::string reason(const ClientIdentity& who, const Headers& headers) {
    Http2Client client(simulator_.apns_port(), "h2", &who);
    const auto answer = client.fetch(headers, apns_body("e1"));
    return answer.status == 200 ? "200" : std::to_string(answer.status) + " " + reason_of(answer);
  }
  Headers push() const {
    return without(simulator_.apns_headers(simulator_.token(Platform::kApns)), "authorization");
  }
  Headers push(const std::string& type, const std::string& suffix) const {
    return with(with(push(), "apns-push-type", type), "apns-topic", "com.example.video" + suffix);
  }

  TestSimulator simulator_{with_certificates()};
};

TEST_F(ApnsCertificates, AuthenticateAConnectionWhateverElseARequestSaysOfItself) {
  const auto who = identity({.uid = "com.example.video"});
  EXPECT_EQ(reason(who, push()), "200");
  EXPECT_EQ(reason(who, with(push(), "authorization", "bearer nonsense")), "200");
}

TEST_F(ApnsCertificates, MaySendToTheTopicsThatTheyNameAlone) {
  const auto several = identity(
      {.uid = "com.example.video", .topics = {"com.example.video", "com.example.video.voip"}});
  EXPECT_EQ(reason(several, push("voip", ".voip")), "200");
  EXPECT_EQ(reason(several, push("complication", ".complication")), "400 TopicDisallowed");
  EXPECT_EQ(reason(identity({.uid = "com.example.other"}), push()), "400 TopicDisallowed");
  EXPECT_EQ(reason(identity({}), push("complication", ".complication")), "200")
      << "one that names nothing may send to all";
}

TEST_F(ApnsCertificates, AreTheTopicWhereTheyNameOneAndTheRequestNone) {
  EXPECT_EQ(reason(identity({.uid = "com.example.video"}), without(push(), "apns-topic")), "200");
  EXPECT_EQ(reason(identity({.topics = {"com.example.video", "com.example.video.voip"}}),
                   without(push(), "apns-topic")),
            "400 MissingTopic");
}

TEST_F(ApnsCertificates, AreTakenForDeviceManagementAndNotForLiveActivitiesOrLocation) {
  const auto any = identity({});
  EXPECT_EQ(reason(any, push("mdm", "")), "200");
  EXPECT_EQ(reason(any, push("liveactivity", ".push-type.liveactivity")), "400 TopicDisallowed");
  EXPECT_EQ(reason(any, push("location", ".location-query")), "400 TopicDisallowed");
}

TEST_F(ApnsCertificates, OfAnotherAuthorityOrThatHaveEndedAreBad) {
  EXPECT_EQ(reason(identity({.uid = "com.example.video"}, TestKey::ec_p256()), push()),
            "403 BadCertificate");
  EXPECT_EQ(reason(identity({.uid = "com.example.video", .valid_seconds = -60}), push()),
            "403 BadCertificate");
}

TEST_F(ApnsCertificates, LeaveThoseWithoutOneToTheirTokens) {
  Http2Client client(simulator_.apns_port());
  EXPECT_EQ(reason_of(client.fetch(push(), apns_body("e1"))), "MissingProviderToken");
  const auto good = simulator_.apns_headers(simulator_.token(Platform::kApns));
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
  EXPECT_EQ(reason_of(client.fetch(with(good, "apns-push-type", "mdm"), apns_body("e1"))),
            "TopicDisallowed")
      << "device management has certificates only";
}

SimulatorOptions with_one_stream_first() {
  SimulatorOptions options = with_certificates();
  options.apns_limits = {.max_concurrent_streams = 50, .one_until_authenticated = true};
  return options;
}

TEST(ApnsStreams, AreOneUntilATokenWasTakenAndAfterOneWasRefused) {
  TestSimulator simulator(with_one_stream_first());
  Http2Client client(simulator.apns_port());
  const Headers good = simulator.apns_headers(simulator.token(Platform::kApns));
  ASSERT_TRUE(client.run_until([&] { return client.has_settings(); }));
  EXPECT_EQ(client.max_concurrent_streams(), 1U);
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
  ASSERT_TRUE(client.run_until([&] { return client.max_concurrent_streams() == 50; }));
  const std::int32_t begun = client.submit_without_end(good);
  EXPECT_EQ(reason_of(client.fetch(with(good, "authorization", "bearer x"), apns_body("e1"))),
            "InvalidProviderToken");
  ASSERT_TRUE(client.run_until([&] { return client.max_concurrent_streams() == 1; }));
  ASSERT_TRUE(client.run_until([&] { return client.answer(begun).is_done; }));
  EXPECT_EQ(client.answer(begun).reset_code, 7U) << "REFUSED_STREAM: it was not processed";
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
  EXPECT_TRUE(client.run_until([&] { return client.max_concurrent_streams() == 50; }));
  EXPECT_EQ(simulator.get("/sim/events/e1")["received"], 2);
}

TEST(ApnsStreams, AreManyAtOnceForACertificate) {
  TestSimulator simulator(with_one_stream_first());
  const auto who = identity({.uid = "com.example.video"});
  Http2Client client(simulator.apns_port(), "h2", &who);
  ASSERT_TRUE(client.run_until([&] { return client.has_settings(); }));
  EXPECT_EQ(client.max_concurrent_streams(), 50U);
}

TEST(ApnsBadTokens, EndTheirConnectionAfterSoManyAndNoOther) {
  SimulatorOptions options = TestSimulator::default_options();
  options.faults.bad_tokens_per_connection = 3;
  TestSimulator simulator(std::move(options));
  const Headers bad = simulator.apns_headers("00aa");
  const Headers good = simulator.apns_headers(simulator.token(Platform::kApns));
  Http2Client other(simulator.apns_port());
  EXPECT_EQ(reason_of(other.fetch(bad, apns_body("e1"))), "BadDeviceToken");
  Http2Client client(simulator.apns_port());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(reason_of(client.fetch(bad, apns_body("e1"))), "BadDeviceToken");
  }
  EXPECT_EQ(client.fetch(good, apns_body("e1")).status, 200);
  EXPECT_FALSE(client.goaway());
  EXPECT_EQ(reason_of(client.fetch(bad, apns_body("e1"))), "BadDeviceToken");
  EXPECT_TRUE(client.run_until([&] { return client.goaway().has_value(); }));
  EXPECT_EQ(other.fetch(good, apns_body("e1")).status, 200);
}

}  // namespace
}  // namespace device_sim::apns_connection_test
