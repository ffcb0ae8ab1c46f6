// What each platform keeps for a phone that is offline, asked for over its own protocol.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_push_sender.h"
#include "tests/device-sim/test_simulator.h"

namespace device_sim::offline_test {
namespace {

using nlohmann::json;
using Events = std::vector<std::string>;

constexpr std::int64_t kMinuteS = 60;

SimulatorOptions with_browsers() {
  SimulatorOptions options = TestSimulator::default_options();
  options.mix = Mix::parse("apns:1,fcm:1,webpush:1").value();
  options.webpush =
      WebPushAccount{.vapid_key = apns_test_key().public_key(PublicKey::Kind::kEcP256)};
  options.webpush_listen.port = 0;
  return options;
}

class OfflinePhone : public ::testing::Test {
 protected:
  void add(const char* platform) {
    phone_ = simulator_.send("POST", "/sim/phones", {{"count", 1}, {"platform", platform}},
                             201)["phones"][0];
    online(false);
  }
  json online(bool online) { return simulator_.send("POST", path(), {{"online", online}}); }
  std::string path() { return "/sim/devices/" + phone_["device"].get<std::string>(); }
  Events kept() {
    Events events;
    const json device = simulator_.get(path());
    for (const json& push : device["kept"]) events.push_back(push["event"]);
    return events;
  }
  Events shown_when_back() {
    Events events;
    const json device = online(true);
    for (const json& message : device["inbox"]) events.push_back(message["event"]);
    return events;
  }
  int count(const std::string& event, const char* what) {
    return simulator_.get("/sim/events/" + event)[what];
  }

  TestSimulator simulator_{with_browsers()};
  json phone_;
};

class OfflineIphone : public OfflinePhone {
 protected:
  void SetUp() override { add("apns"); }
  // `expiration`: of apns-expiration; empty: no such header.
  void push(const std::string& event, const std::string& expiration) {
    Headers headers = simulator_.apns_headers(phone_["token"]);
    if (!expiration.empty()) headers.emplace_back("apns-expiration", expiration);
    ASSERT_EQ(client_.fetch(headers, apns_body(event)).status, 200);
  }
  std::string in(std::int64_t seconds) { return std::to_string(simulator_.now_s() + seconds); }
  Http2Client client_{simulator_.apns_port()};
};

TEST_F(OfflineIphone, IsKeptTheNewestUntilItExpires) {
  push("e1", in(kMinuteS));
  push("e2", in(kMinuteS));
  EXPECT_EQ(kept(), Events{"e2"});
  EXPECT_EQ(count("e1", "superseded"), 1);
  EXPECT_EQ(shown_when_back(), Events{"e2"});
}

TEST_F(OfflineIphone, IsNotKeptWhatHasExpired) {
  push("e1", in(kMinuteS));
  simulator_.advance_clock((kMinuteS - 1) * 1'000);
  EXPECT_EQ(kept(), Events{"e1"});
  simulator_.advance_clock(1'000);
  EXPECT_EQ(count("e1", "expired"), 1);
  EXPECT_TRUE(kept().empty());
  EXPECT_TRUE(shown_when_back().empty());
}

TEST_F(OfflineIphone, IsNotKeptWhatIsNowOrNever) {
  push("e1", "0");
  EXPECT_TRUE(kept().empty());
  EXPECT_EQ(count("e1", "accepted"), 1);
  EXPECT_EQ(count("e1", "expired"), 1);
}

TEST_F(OfflineIphone, IsKeptForThirtyDaysWhatSaysNothingOrMore) {
  for (const char* const expiration : {"", "999999999999999999"}) {
    push("e1", expiration);
    EXPECT_EQ(simulator_.get(path())["kept"][0]["until_ms"], simulator_.now_ms() + kKeptMsMax)
        << expiration;
  }
}

class OfflineAndroid : public OfflinePhone {
 protected:
  void SetUp() override { add("fcm"); }
  void data(const std::string& event, const json& android) {
    push({{"data", {{"carillon_event", event}}}, {"android", android}});
  }
  void push(json message) {
    message["token"] = phone_["token"];
    const auto answer = client_.fetch(headers_, json{{"message", message}}.dump());
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  Headers headers_ = simulator_.fcm_headers(simulator_.fetch_access_token());
  Http2Client client_{simulator_.fcm_port()};
};

TEST_F(OfflineAndroid, IsKeptDataUntilItExpires) {
  data("e1", {{"ttl", "60.9s"}});
  data("e2", {{"ttl", "120s"}});
  EXPECT_EQ(kept(), (Events{"e1", "e2"}));
  simulator_.advance_clock(kMinuteS * 1'000);
  EXPECT_EQ(count("e1", "expired"), 1) << "fractions are cut off";
  EXPECT_EQ(shown_when_back(), Events{"e2"});
}

TEST_F(OfflineAndroid, IsNotKeptWhatIsNowOrNever) {
  data("e1", {{"ttl", "0s"}});
  EXPECT_TRUE(kept().empty());
  EXPECT_EQ(count("e1", "expired"), 1);
}

TEST_F(OfflineAndroid, IsKeptForFourWeeksWhatSaysNothing) {
  data("e1", json::object());
  EXPECT_EQ(simulator_.get(path())["kept"][0]["until_ms"],
            simulator_.now_ms() + std::int64_t{2'419'200'000});
}

TEST_F(OfflineAndroid, DataWithAKeyTakesThePlaceOfDataWithThatKey) {
  data("e1", {{"collapse_key", "score"}});
  data("e2", {{"collapse_key", "other"}});
  data("e3", {{"collapse_key", "score"}});
  EXPECT_EQ(kept(), (Events{"e2", "e3"}));
  EXPECT_EQ(count("e1", "superseded"), 1);
}

TEST_F(OfflineAndroid, ANotificationTakesThePlaceOfTheOneBeforeWhateverItsKey) {
  const auto notification = [&](const char* event, const char* key) {
    push({{"notification", {{"title", event}}},
          {"data", {{"carillon_event", event}}},
          {"android", {{"collapse_key", key}}}});
  };
  notification("e1", "a");
  notification("e2", "b");
  EXPECT_EQ(shown_when_back(), Events{"e2"});
}

TEST_F(OfflineAndroid, IsToldWhenMoreThanAHundredWereThrownAway) {
  for (std::size_t i = 0; i < kFcmKeptMax; ++i) data("filling", json::object());
  EXPECT_EQ(simulator_.get(path())["deletions"], 0);
  data("e1", json::object());
  EXPECT_EQ(simulator_.get(path())["deletions"], 1);
  EXPECT_EQ(count("filling", "dropped"), kFcmKeptMax);
  EXPECT_EQ(count("filling", "accepted"), kFcmKeptMax);
  EXPECT_EQ(shown_when_back(), Events{"e1"});
}

class OfflineBrowser : public OfflinePhone {
 protected:
  void SetUp() override { add("webpush"); }
  void push(const std::string& event, int ttl_s, const std::string& topic) {
    const std::string endpoint = phone_["subscription"]["endpoint"];
    const std::string origin = "https://" + simulator_.simulator().webpush_address()->to_string();
    ASSERT_TRUE(endpoint.starts_with(origin));
    Headers headers = {{":method", "POST"},
                       {":scheme", "https"},
                       {":authority", origin.substr(8)},
                       {":path", endpoint.substr(origin.size())},
                       {"authorization", vapid_authorization(origin, simulator_.now_s())},
                       {"content-encoding", "aes128gcm"},
                       {"ttl", std::to_string(ttl_s)}};
    if (!topic.empty()) headers.emplace_back("topic", topic);
    const std::string device = phone_["device"];
    const auto answer = client_.fetch(
        headers,
        seal_push_for(simulator_.population(), std::stoull(device.substr(2)), webpush_text(event)));
    ASSERT_EQ(answer.status, 201) << answer.body;
  }
  Http2Client client_{simulator_.simulator().webpush_address()->port};
};

TEST_F(OfflineBrowser, IsKeptAMessageForItsTtl) {
  push("now", 0, "");
  push("short", kMinuteS, "");
  push("long", 2 * kMinuteS, "");
  EXPECT_EQ(kept(), (Events{"short", "long"}));
  simulator_.advance_clock(kMinuteS * 1'000);
  EXPECT_EQ(count("now", "expired"), 1);
  EXPECT_EQ(count("short", "expired"), 1);
  EXPECT_EQ(shown_when_back(), Events{"long"});
}

TEST_F(OfflineBrowser, ATopicReplacesWithItsTtl) {
  push("e1", kMinuteS, "score");
  push("e2", 10, "score");
  EXPECT_EQ(kept(), Events{"e2"});
  EXPECT_EQ(count("e1", "superseded"), 1);
  simulator_.advance_clock(10'000);
  EXPECT_TRUE(shown_when_back().empty());
}

}  // namespace
}  // namespace device_sim::offline_test
