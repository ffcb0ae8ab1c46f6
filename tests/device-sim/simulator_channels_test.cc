// Broadcast channels as Apple's service has them.
#include <gtest/gtest.h>

#include "device-sim/gateway/apns_channel_check.h"
#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_simulator.h"

namespace device_sim::channels_test {
namespace {

using nlohmann::json;
using Answer = Http2Client::Answer;

constexpr const char* kOrder = R"({"message-storage-policy":1,"push-type":"LiveActivity"})";
constexpr const char* kUpdate = R"({"aps":{"event":"update","timestamp":1,"content-state":{}}})";
constexpr const char* kNobodys = "AAAAAAAAAAAAAAAAAAAAAA==";

std::string reason_of(const Answer& answer) {
  return answer.body.empty() ? "" : json::parse(answer.body).value("reason", "");
}

class Channels : public testing::Test {
 protected:
  Headers call(const std::string& method, const std::string& path,
               const std::string& channel = "") const {
    Headers headers{{":method", method},
                    {":scheme", "https"},
                    {":authority", "localhost"},
                    {":path", path},
                    {"authorization", apns_authorization(simulator_.now_s())}};
    if (!channel.empty()) headers.emplace_back("apns-channel-id", channel);
    return headers;
  }
  Headers broadcast(const std::string& channel) const {
    Headers headers = call("POST", "/4/broadcasts/apps/com.example.video", channel);
    headers.emplace_back("apns-push-type", "Liveactivity");
    headers.emplace_back("apns-expiration", "0");
    headers.emplace_back("apns-priority", "10");
    return headers;
  }
  Answer fetch(const Headers& headers, const std::string& body = "") {
    return client_.fetch(headers, body);
  }
  std::string created(const std::string& order = kOrder) {
    const Answer answer = fetch(call("POST", kChannels), order);
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.headers.at("apns-channel-id");
  }

  static constexpr const char* kChannels = "/1/apps/com.example.video/channels";
  static constexpr const char* kAll = "/1/apps/com.example.video/all-channels";
  TestSimulator simulator_;
  Http2Client client_{simulator_.apns_port()};
};

TEST_F(Channels, AreMadeReadListedAndDeleted) {
  const std::string id = created();
  EXPECT_EQ(check_channel_id(id), ApnsReason::kNone);
  const Answer read = fetch(call("GET", kChannels, id));
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(json::parse(read.body), json::parse(kOrder));
  EXPECT_TRUE(is_uuid(read.headers.at("apns-request-id")));
  EXPECT_FALSE(read.headers.contains("apns-id"));
  EXPECT_EQ(json::parse(fetch(call("GET", kAll)).body), json({{"channels", {id}}}));
  const Answer gone = fetch(call("DELETE", kChannels, id));
  EXPECT_EQ(gone.status, 204);
  EXPECT_TRUE(gone.headers_ended_stream);
  EXPECT_EQ(json::parse(fetch(call("GET", kAll)).body), json({{"channels", json::array()}}));
  EXPECT_EQ(reason_of(fetch(call("DELETE", kChannels, id))), "ChannelNotRegistered");
}

TEST_F(Channels, TakeAMessageAndGiveTheRequestsIdBack) {
  const std::string id = created();
  Headers headers = broadcast(id);
  headers.emplace_back("apns-request-id", "0c6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b");
  const Answer answer = fetch(headers, kUpdate);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.headers.at("apns-request-id"), "0c6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b");
  EXPECT_TRUE(answer.headers_ended_stream);
}

TEST_F(Channels, ShowWhatTheyWereSent) {
  const std::string id = created();
  const auto shown = [&] { return simulator_.get("/sim/channels/com.example.video")["channels"]; };
  EXPECT_EQ(shown(), json({{id, {{"storage_policy", 1}, {"broadcasts", 0}, {"latest", nullptr}}}}));
  EXPECT_EQ(fetch(with(broadcast(id), "apns-expiration", "1800000060"), R"({"n":1})").status, 200);
  EXPECT_EQ(fetch(with(broadcast(id), "apns-priority", "5"), kUpdate).status, 200);
  EXPECT_EQ(reason_of(fetch(broadcast(id), "[]")), "BadRequestPayload") << "and is not counted";
  EXPECT_EQ(shown()[id],
            json({{"storage_policy", 1},
                  {"broadcasts", 2},
                  {"latest",
                   {{"payload", json::parse(kUpdate)}, {"priority", "5"}, {"expiration_s", 0}}}}));
  EXPECT_EQ(simulator_.get("/sim/channels/com.example.other")["channels"], json::object());
}

TEST_F(Channels, RefuseWithApplesReasons) {
  const std::string id = created(R"({"message-storage-policy":0,"push-type":"liveactivity"})");
  const struct {
    Headers headers;
    std::string body;
    const char* reason;
  } kRows[] = {
      {call("PUT", kChannels), "", "MethodNotAllowed"},
      {call("POST", kAll), "", "MethodNotAllowed"},
      {call("GET", "/4/broadcasts/apps/com.example.video"), "", "MethodNotAllowed"},
      {call("GET", "/1/apps/com.example.video"), "", "BadPath"},
      {call("GET", "/1/apps//channels"), "", "BadPath"},
      {call("GET", "/1/apps/com.example.video/people"), "", "BadPath"},
      {call("GET", "/4/broadcasts/apps/"), "", "BadPath"},
      {call("GET", "/1/apps/com.example.other/channels", id), "", "TopicDisallowed"},
      {without(call("GET", kChannels, id), "authorization"), "", "MissingProviderToken"},
      {with(call("GET", kChannels, id), "apns-request-id", "7"), "", "BadMessageId"},
      {call("POST", kChannels), "", "PayloadEmpty"},
      {call("POST", kChannels), "[]", "BadRequestPayload"},
      {call("POST", kChannels), R"({"message-storage-policy":1})", "MissingPushType"},
      {call("POST", kChannels), R"({"message-storage-policy":1,"push-type":"alert"})",
       "InvalidPushType"},
      {call("POST", kChannels), R"({"message-storage-policy":2,"push-type":"LiveActivity"})",
       "BadRequestPayload"},
      {call("GET", kChannels), "", "MissingChannelId"},
      {call("GET", kChannels, "seven"), "", "BadChannelId"},
      {call("GET", kChannels, kNobodys), "", "ChannelNotRegistered"},
      {broadcast(kNobodys), kUpdate, "ChannelNotRegistered"},
      {without(broadcast(id), "apns-push-type"), kUpdate, "MissingPushType"},
      {with(broadcast(id), "apns-push-type", "alert"), kUpdate, "InvalidPushType"},
      {without(broadcast(id), "apns-expiration"), kUpdate, "BadExpirationDate"},
      {with(broadcast(id), "apns-expiration", "1900000000"), kUpdate, "BadExpirationDate"},
      {without(broadcast(id), "apns-priority"), kUpdate, "BadPriority"},
      {broadcast(id), "", "PayloadEmpty"},
      {broadcast(id), "[]", "BadRequestPayload"},
      {broadcast(id), json{{"x", std::string(kBroadcastPayloadBytesMax - 8, 'x')}}.dump(), ""},
      {broadcast(id), json{{"x", std::string(kBroadcastPayloadBytesMax - 7, 'x')}}.dump(),
       "PayloadTooLarge"},
  };
  for (const auto& row : kRows) EXPECT_EQ(reason_of(fetch(row.headers, row.body)), row.reason);
}

TEST(ApnsChannels, AreTenThousandOfAnAppAndNotOneMore) {
  ApnsChannels channels(1);
  for (std::size_t i = 0; i < kChannelsPerAppMax; ++i) ASSERT_TRUE(channels.create("a", 0));
  EXPECT_FALSE(channels.create("a", 0));
  EXPECT_TRUE(channels.create("b", 0));
  EXPECT_EQ(channels.list("a").size(), kChannelsPerAppMax);
}

}  // namespace
}  // namespace device_sim::channels_test
