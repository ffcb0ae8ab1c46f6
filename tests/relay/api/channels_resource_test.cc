// Broadcast channels over HTTP: what is asked of the provider, what is answered.
#include "relay/api/channels_resource.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "providers/apns/apns_channel.h"
#include "relay/api/channel_form.h"
#include "relay/api/event_parser.h"
#include "relay/api/http_server.h"
#include "relay/config/scopes.h"
#include "tests/relay/api/raw_client.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api::channels_resource_test {
namespace {

using Json = nlohmann::json;
using Kind = push::ChannelAnswer::Kind;
using Asked = push::ChannelRequest::Kind;

constexpr const char* kChannel = "dHN0L/NyY2gtY2hu+A==";
constexpr const char* kInPath = "dHN0L%2FNyY2gtY2hu%2BA%3D%3D";

std::string problem_in(const std::string& body) {
  const std::string type = Json::parse(body, nullptr, false).value("type", "");
  return type.substr(type.rfind(':') + 1);
}

class ChannelsApi : public testing::Test {
 protected:
  void SetUp() override {
    room_.add_key("admin", "a", config::kScopeAdmin);
    room_.add_key("publisher", "p", config::kScopePublish);
    config::Http http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    fanout::Clocks clocks = real_clocks();
    clocks.calendar = [] { return std::chrono::sys_seconds(std::chrono::seconds(1'000)); };
    server_ = std::make_unique<HttpServer>(http, HttpServer::Parts{.publisher = room_.publisher,
                                                                   .store = *room_.store,
                                                                   .apps = {"video"},
                                                                   .clocks = clocks,
                                                                   .watchers_max = 2});
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error();
  }
  // The provider says `answer`, on another thread.
  void provider_says(push::ChannelAnswer answer) {
    room_.publisher.channel_answer = [this, answer](const std::string& app,
                                                    push::ChannelRequest request,
                                                    push::HearChannel hear) {
      EXPECT_EQ(app, "video");
      asked_ = std::move(request);
      std::thread([hear = std::move(hear), answer] { hear(answer); }).join();
    };
  }
  RawAnswer ask(const char* method, const std::string& path, const std::string& body = "",
                const std::string& key = "a") {
    std::string fields = "Connection: close\r\nAuthorization: Bearer " + key + "\r\n";
    if (!body.empty()) fields += "Content-Type: application/json\r\n";
    RawClient client(server_->port());
    client.say(request(method, "/v1/apps/video/channels" + path, fields, body));
    const auto answer = client.answer();
    EXPECT_TRUE(answer);
    return answer.value_or(RawAnswer{});
  }

  RelayRoom room_;
  push::ChannelRequest asked_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ChannelsApi, AChannelIsMadeAndNamedByItsPath) {
  provider_says({.kind = Kind::kDone, .status = 201, .channel = kChannel});
  const RawAnswer made = ask("POST", "", R"({"storage":"latest"})");
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(Json::parse(made.body), Json({{"id", kChannel}, {"storage", "latest"}}));
  EXPECT_EQ(made.fields.at("location"), std::string("/v1/apps/video/channels/") + kInPath);
  EXPECT_EQ(asked_.kind, Asked::kCreate);
  EXPECT_EQ(asked_.storage, push::ChannelStorage::kLatest);
}

TEST_F(ChannelsApi, ChannelsAreListedReadAndDeleted) {
  provider_says({.kind = Kind::kDone, .status = 200, .channels = {"YQ==", "Yg=="}});
  EXPECT_EQ(Json::parse(ask("GET", "").body), Json({{"channels", {"YQ==", "Yg=="}}}));
  EXPECT_EQ(asked_.kind, Asked::kList);
  provider_says({.kind = Kind::kDone, .status = 200, .storage = push::ChannelStorage::kLatest});
  EXPECT_EQ(Json::parse(ask("GET", std::string("/") + kInPath).body),
            Json({{"id", kChannel}, {"storage", "latest"}}));
  EXPECT_EQ(asked_.kind, Asked::kShow);
  provider_says({.kind = Kind::kDone, .status = 204});
  EXPECT_EQ(ask("DELETE", std::string("/") + kInPath).status, 204);
  EXPECT_EQ(asked_.kind, Asked::kDelete);
  EXPECT_EQ(asked_.channel, kChannel);
}

TEST_F(ChannelsApi, ABroadcastIsForPublishersAndManagingForAdmins) {
  provider_says({.kind = Kind::kDone, .status = 200, .request_id = "r-1"});
  const std::string to = std::string("/") + kInPath + "/broadcasts";
  const std::string body = R"({"apns":{"aps":{"event":"update"}},"ttl":60,"priority":"bulk"})";
  const RawAnswer sent = ask("POST", to, body, "p");
  EXPECT_EQ(sent.status, 200) << sent.body;
  EXPECT_EQ(Json::parse(sent.body), Json({{"request_id", "r-1"}}));
  EXPECT_EQ(asked_.kind, Asked::kBroadcast);
  EXPECT_EQ(asked_.channel, kChannel);
  EXPECT_EQ(asked_.payload, R"({"aps":{"event":"update"}})");
  EXPECT_EQ(asked_.expires_at, std::chrono::sys_seconds(std::chrono::seconds(1'060)));
  EXPECT_FALSE(asked_.urgent);
  EXPECT_EQ(ask("POST", to, R"({"apns":{"aps":{}}})", "p").status, 200);
  EXPECT_EQ(asked_.expires_at, std::chrono::sys_seconds()) << "now or never";
  EXPECT_TRUE(asked_.urgent);
  EXPECT_EQ(ask("POST", to, body, "a").status, 200) << "an admin may do all";
  EXPECT_EQ(ask("GET", "", "", "p").status, 403);
  EXPECT_EQ(ask("POST", "", "{}", "p").status, 403);
}

TEST_F(ChannelsApi, WhatIsNoChannelsIdIsNotAskedFor) {
  room_.publisher.channel_answer = [](const auto&, const auto&, const auto& hear) {
    ADD_FAILURE() << "asked";
    hear({});
  };
  EXPECT_EQ(problem_in(ask("GET", "/a-b").body), "unknown-channel");
  EXPECT_EQ(problem_in(ask("DELETE", "/%C3%A9").body), "unknown-channel");
  EXPECT_EQ(problem_in(ask("POST", "/a-b/broadcasts", R"({"apns":{"aps":{}}})", "p").body),
            "unknown-channel");
}

TEST_F(ChannelsApi, AnAppWithoutApnsIsToldSo) {
  const RawAnswer answer = ask("GET", "");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(problem_in(answer.body), "no-channels");
}

TEST(ChannelReply, TellsApplesWordAndWhoseFaultItIs) {
  const struct {
    push::ChannelAnswer answer;
    int status;
    const char* problem;
    const char* detail;
  } kRows[] = {
      {{.kind = Kind::kUnknownChannel, .status = 400, .reason = "ChannelNotRegistered"},
       404,
       "unknown-channel",
       "APNs says ChannelNotRegistered (status 400)"},
      {{.kind = Kind::kRefused, .status = 400, .reason = "BadExpirationDate"},
       422,
       "channel-refused",
       "APNs says BadExpirationDate (status 400)"},
      {{.kind = Kind::kCredentialRefused, .status = 403},
       502,
       "provider-refused",
       "APNs says no reason (status 403)"},
      {{.kind = Kind::kUnavailable, .reason = "NoConnection"},
       503,
       "provider-unavailable",
       "no answer from APNs: NoConnection"},
      {{.kind = Kind::kUnanswered, .reason = "Timeout"},
       504,
       "provider-unanswered",
       "no answer from APNs: Timeout"},
      {{.kind = Kind::kNotUnderstood, .status = 200, .reason = "AnswerNotUnderstood"},
       504,
       "provider-unanswered",
       "APNs says AnswerNotUnderstood (status 200)"},
      {{.kind = Kind::kUnsupported},
       409,
       "no-channels",
       "channels are APNs': the app has no [apps.X.apns]"},
  };
  for (const auto& row : kRows) {
    const Reply reply = channel_reply({}, row.answer, "video");
    EXPECT_EQ(reply.status, row.status) << row.problem;
    EXPECT_EQ(problem_in(reply.body), row.problem);
    EXPECT_EQ(Json::parse(reply.body).value("detail", ""), row.detail);
  }
}

TEST(ChannelCalls, WaitUpToTheirLimitAndNotOneMore) {
  ScriptedPublisher publisher;
  std::vector<push::HearChannel> waiting;
  publisher.channel_answer = [&](const auto&, const auto&, push::HearChannel hear) {
    waiting.push_back(std::move(hear));
  };
  ChannelsResource channels(publisher, real_clocks());
  const Admission admission{.match = {.captures = {"video"}}};
  int answered = 0;
  const Later later = [&](const MakeReply&) { ++answered; };
  for (std::size_t i = 0; i < kChannelCallsMax; ++i) {
    EXPECT_FALSE(channels.list(admission, later).has_value()) << i;
  }
  const auto refused = channels.list(admission, later);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(problem_in(refused->body), "overloaded");
  EXPECT_EQ(waiting.size(), kChannelCallsMax);
  waiting.back()({.kind = Kind::kDone});
  EXPECT_EQ(answered, 1);
  EXPECT_FALSE(channels.list(admission, later).has_value());
  EXPECT_TRUE(channels.list(admission, later).has_value());
}

TEST(ChannelForm, SaysWhatCannotBeTaken) {
  const std::pair<std::string, std::string> kChannels[] = {
      {"[]", ""}, {R"({"storage":7})", "/storage"}, {R"({"name":"x"})", "/name"}};
  for (const auto& [body, pointer] : kChannels) {
    const auto form = parse_channel(body);
    ASSERT_FALSE(form) << body;
    EXPECT_EQ(form.error().errors.front().pointer, pointer) << body;
  }
  EXPECT_EQ(parse_channel("{}").value(), push::ChannelStorage::kNone);
  EXPECT_EQ(parse_channel("{").error().problem, Problem::kInvalidJson);
  const std::pair<std::string, std::string> kBroadcasts[] = {
      {"{}", ""},
      {R"({"apns":{}})", "/apns"},
      {R"({"apns":{"aps":7}})", "/apns"},
      {R"({"apns":{"aps":{}},"ttl":-1})", "/ttl"},
      {R"({"apns":{"aps":{}},"ttl":1.5})", "/ttl"},
      {R"({"apns":{"aps":{}},"priority":10})", "/priority"},
      {R"({"apns":{"aps":{}},"topic":"x"})", "/topic"},
  };
  for (const auto& [body, pointer] : kBroadcasts) {
    const auto form = parse_broadcast(body);
    ASSERT_FALSE(form) << body;
    EXPECT_EQ(form.error().errors.front().pointer, pointer) << body;
  }
}

TEST(ChannelForm, TakesABroadcastUpToItsLimits) {
  const auto with_ttl = [](std::int64_t ttl) {
    return parse_broadcast(Json{{"apns", {{"aps", Json::object()}}}, {"ttl", ttl}}.dump());
  };
  EXPECT_EQ(with_ttl(kTtlMax.count())->ttl, kTtlMax);
  EXPECT_FALSE(with_ttl(kTtlMax.count() + 1));
  const auto of_bytes = [](std::size_t bytes) {
    const std::string frame = R"({"aps":{"x":""}})";
    const Json aps{{"x", std::string(bytes - frame.size(), 'x')}};
    return parse_broadcast(Json{{"apns", {{"aps", aps}}}}.dump());
  };
  EXPECT_EQ(of_bytes(push::kApnsBroadcastBytesMax)->payload.size(), push::kApnsBroadcastBytesMax);
  EXPECT_FALSE(of_bytes(push::kApnsBroadcastBytesMax + 1));
}

}  // namespace
}  // namespace carillon::api::channels_resource_test
