// Broadcast channels: Apple's words for them, and requests over TLS.
#include "providers/apns/apns_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "providers/apns/apns_provider.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push::apns_channel_test {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using Kind = ChannelAnswer::Kind;
using Asked = ChannelRequest::Kind;
using test::RecordingSink;
using test::ServerReply;
using test::ServerRequest;
using test::TestCredentials;
using test::TestServer;
using testing::ElementsAre;
using testing::SizeIs;

constexpr const char* kChannel = "dHN0LXNyY2gtY2hubA==";

TEST(ApnsChannelsEndpoint, BelongsToTheOneThatIsPushedTo) {
  EXPECT_EQ(apns_channels_endpoint("https://api.push.apple.com"),
            "https://api-manage-broadcast.push.apple.com:2196");
  EXPECT_EQ(apns_channels_endpoint("https://api.push.apple.com:443/"),
            "https://api-manage-broadcast.push.apple.com:2196");
  EXPECT_EQ(apns_channels_endpoint("https://api.sandbox.push.apple.com"),
            "https://api-manage-broadcast.sandbox.push.apple.com:2195");
  EXPECT_EQ(apns_channels_endpoint("https://localhost:9443"), "https://localhost:9443");
}

TEST(ApnsChannelId, IsBase64WithinItsLimit) {
  EXPECT_TRUE(is_apns_channel_id("+/azAZ09=="));
  EXPECT_TRUE(is_apns_channel_id(std::string(kApnsChannelIdBytesMax, 'a')));
  EXPECT_FALSE(is_apns_channel_id(std::string(kApnsChannelIdBytesMax + 1, 'a')));
  for (const char* const text : {"", "a b", "a\r\nb: c", "a-b", "\xc3\xa9"}) {
    EXPECT_FALSE(is_apns_channel_id(text)) << text;
  }
}

TEST(ApnsChannelRequest, IsWrittenAsAppleTakesIt) {
  const auto create =
      apns_channel_request({.kind = Asked::kCreate, .storage = ChannelStorage::kLatest}, "a.b");
  EXPECT_EQ(create.method, "POST");
  EXPECT_EQ(create.path, "/1/apps/a.b/channels");
  EXPECT_EQ(Json::parse(create.body),
            Json({{"message-storage-policy", 1}, {"push-type", "LiveActivity"}}));
  const auto list = apns_channel_request({.kind = Asked::kList}, "a.b");
  EXPECT_EQ(list.method, "GET");
  EXPECT_EQ(list.path, "/1/apps/a.b/all-channels");
  const auto erase = apns_channel_request({.kind = Asked::kDelete, .channel = kChannel}, "a.b");
  EXPECT_EQ(erase.method, "DELETE");
  EXPECT_EQ(erase.path, "/1/apps/a.b/channels");
  EXPECT_THAT(erase.headers, SizeIs(1));
  const auto send = apns_channel_request({.kind = Asked::kBroadcast,
                                          .channel = kChannel,
                                          .payload = "{}",
                                          .expires_at = std::chrono::sys_seconds(7s),
                                          .urgent = false},
                                         "a.b");
  EXPECT_EQ(send.method, "POST");
  EXPECT_EQ(send.path, "/4/broadcasts/apps/a.b");
  EXPECT_EQ(send.body, "{}");
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : send.headers) headers[name] = value;
  EXPECT_EQ(headers, (std::map<std::string, std::string>{{"apns-channel-id", kChannel},
                                                         {"apns-push-type", "Liveactivity"},
                                                         {"apns-expiration", "7"},
                                                         {"apns-priority", "5"}}));
}

TEST(ApnsChannelReply, IsJudgedByItsReasonAndAnUnknownOneByItsStatus) {
  const struct {
    std::uint16_t status;
    const char* reason;
    Kind kind;
  } kRows[] = {
      {400, "FeatureNotEnabled", Kind::kCredentialRefused},
      {400, "MissingChannelId", Kind::kRefused},
      {400, "BadChannelId", Kind::kUnknownChannel},
      {400, "ChannelNotRegistered", Kind::kUnknownChannel},
      {400, "BadRequestParams", Kind::kRefused},
      {400, "BadRequestPayload", Kind::kRefused},
      {400, "PayloadEmpty", Kind::kRefused},
      {400, "BadMessageId", Kind::kRefused},
      {400, "MissingPushType", Kind::kRefused},
      {400, "InvalidPushType", Kind::kRefused},
      {400, "CannotCreateChannelConfig", Kind::kRefused},
      {400, "BadExpirationDate", Kind::kRefused},
      {400, "TopicDisallowed", Kind::kCredentialRefused},
      {400, "BadPriority", Kind::kRefused},
      {403, "BadCertificate", Kind::kCredentialRefused},
      {403, "BadCertificateEnvironment", Kind::kCredentialRefused},
      {403, "TopicMismatch", Kind::kCredentialRefused},
      {403, "MissingProviderToken", Kind::kCredentialRefused},
      {403, "ExpiredProviderToken", Kind::kCredentialRefused},
      {403, "InvalidProviderToken", Kind::kCredentialRefused},
      {404, "BadPath", Kind::kRefused},
      {405, "MethodNotAllowed", Kind::kRefused},
      {413, "PayloadTooLarge", Kind::kRefused},
      {429, "TooManyRequests", Kind::kUnavailable},
      {429, "TooManyProviderTokenUpdates", Kind::kUnavailable},
      {500, "InternalServerError", Kind::kUnavailable},
      {503, "ServiceUnavailable", Kind::kUnavailable},
      {503, "Shutdown", Kind::kUnavailable},
      {400, "AWordThatIsNew", Kind::kRefused},
      {401, "AWordThatIsNew", Kind::kCredentialRefused},
      {403, "AWordThatIsNew", Kind::kCredentialRefused},
      {429, "AWordThatIsNew", Kind::kUnavailable},
      {502, "AWordThatIsNew", Kind::kUnavailable},
      {302, "AWordThatIsNew", Kind::kNotUnderstood},
  };
  for (const auto& row : kRows) {
    const std::string body = Json{{"reason", row.reason}}.dump();
    const ChannelAnswer answer =
        read_apns_channel_reply(Asked::kDelete, {.status = row.status, .body = body});
    EXPECT_EQ(answer.kind, row.kind) << row.status << " " << row.reason;
    EXPECT_EQ(answer.reason, row.reason);
    EXPECT_EQ(answer.status, row.status);
  }
  for (const char* const body : {"", "<html>", "[]", R"({"reason":7})"}) {
    const auto answer = read_apns_channel_reply(Asked::kList, {.status = 503, .body = body});
    EXPECT_EQ(answer.kind, Kind::kUnavailable) << body;
    EXPECT_EQ(answer.reason, "") << body;
  }
}

TEST(ApnsChannelReply, SaysWhatWasAskedForOrIsNotUnderstood) {
  const struct {
    Asked asked;
    ApnsChannelReply reply;
    Kind kind;
  } kRows[] = {
      {Asked::kCreate, {.status = 201, .channel_id = kChannel}, Kind::kDone},
      {Asked::kCreate, {.status = 201}, Kind::kNotUnderstood},
      {Asked::kCreate, {.status = 201, .channel_id = "no base64"}, Kind::kNotUnderstood},
      {Asked::kShow, {.status = 200, .body = R"({"message-storage-policy":1})"}, Kind::kDone},
      {Asked::kShow,
       {.status = 200, .body = R"({"message-storage-policy":2})"},
       Kind::kNotUnderstood},
      {Asked::kShow, {.status = 200, .body = "[]"}, Kind::kNotUnderstood},
      {Asked::kList, {.status = 200, .body = R"({"channels":[]})"}, Kind::kDone},
      {Asked::kList, {.status = 200, .body = R"({"channels":[7]})"}, Kind::kNotUnderstood},
      {Asked::kList, {.status = 200, .body = R"({"channels":["YQ==")"}, Kind::kNotUnderstood},
      {Asked::kDelete, {.status = 204}, Kind::kDone},
      {Asked::kBroadcast, {.status = 200, .request_id = "r"}, Kind::kDone},
  };
  for (const auto& row : kRows) {
    const ChannelAnswer answer = read_apns_channel_reply(row.asked, row.reply);
    EXPECT_EQ(answer.kind, row.kind) << int(row.asked) << " " << row.reply.body;
    EXPECT_EQ(answer.reason, row.kind == Kind::kDone ? "" : "AnswerNotUnderstood");
  }
}

class ApnsChannels : public testing::Test {
 protected:
  void connect(
      TestServer::Options options,
      const std::function<void(ApnsConfig&)>& change = [](ApnsConfig&) {}) {
    options.streams_max = 100;
    server.emplace(std::move(options));
    ApnsConfig config;
    config.endpoint = server->url();
    config.ca_file = TestCredentials::shared().ca_file();
    config.key_file = TestCredentials::shared().apns_key_file();
    config.key_id = "KEY1234567";
    config.team_id = "TEAM123456";
    config.bundle_id = "com.example.bells";
    config.calendar = [this] { return std::chrono::sys_seconds(std::chrono::seconds(now_s)); };
    change(config);
    auto made = make_apns_provider(std::move(config), sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }
  std::future<ChannelAnswer> begin(ChannelRequest request) const {
    const auto promise = std::make_shared<std::promise<ChannelAnswer>>();
    provider->ask_channel(std::move(request), [promise](ChannelAnswer answer) {
      promise->set_value(std::move(answer));
    });
    return promise->get_future();
  }
  static ChannelAnswer heard(std::future<ChannelAnswer> future) {
    if (future.wait_for(test::kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "nothing was heard";
      return {.reason = "nothing was heard"};
    }
    return future.get();
  }
  ChannelAnswer ask(ChannelRequest request) const { return heard(begin(std::move(request))); }

  std::atomic<std::int64_t> now_s{2'000'000'000};
  std::optional<TestServer> server;
  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

TEST_F(ApnsChannels, AreMadeReadListedSentToAndDeletedWithThePushesToken) {
  connect({.handler = [](const ServerRequest& request) -> ServerReply {
    const std::string& method = request.headers.at(":method");
    const std::string& path = request.headers.at(":path");
    if (path.starts_with("/4/")) return {.headers = {{"apns-request-id", "r-1"}}};
    if (path.ends_with("/all-channels")) return {.body = R"({"channels":["YQ==","Yg=="]})"};
    if (method == "POST") return {.status = 201, .headers = {{"apns-channel-id", kChannel}}};
    if (method == "DELETE") return {.status = 204};
    return {.body = R"({"message-storage-policy":1,"push-type":"LiveActivity"})"};
  }});
  const auto created = ask({.kind = Asked::kCreate});
  EXPECT_EQ(created.kind, Kind::kDone) << created.reason;
  EXPECT_EQ(created.channel, kChannel);
  EXPECT_EQ(ask({.kind = Asked::kShow, .channel = kChannel}).storage, ChannelStorage::kLatest);
  EXPECT_THAT(ask({.kind = Asked::kList}).channels, ElementsAre("YQ==", "Yg=="));
  const auto sent = ask({.kind = Asked::kBroadcast, .channel = kChannel, .payload = "{}"});
  EXPECT_EQ(sent.kind, Kind::kDone) << sent.reason;
  EXPECT_EQ(sent.request_id, "r-1");
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(5));
  std::set<std::string> tokens;
  for (const ServerRequest& request : requests) {
    tokens.insert(request.headers.at("authorization"));
    EXPECT_EQ(request.headers.contains("apns-channel-id"),
              request.body.find("push-type") == std::string::npos &&
                  !request.headers.at(":path").ends_with("all-channels"));
  }
  EXPECT_THAT(tokens, SizeIs(1));
  EXPECT_EQ(server->accepted(), 2);
  // What is heard counts until whoever hears has returned.
  EXPECT_TRUE(test::eventually([&] { return provider->health().in_flight == 0; }));
}

TEST_F(ApnsChannels, AreManagedAtAHostOfTheirOwnAndSentToWherePushesGo) {
  TestServer management({.streams_max = 100});
  connect({}, [&](ApnsConfig& config) { config.channels_endpoint = management.url(); });
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  EXPECT_EQ(ask({.kind = Asked::kBroadcast, .channel = kChannel, .payload = "{}"}).kind,
            Kind::kDone);
  EXPECT_THAT(management.requests(), SizeIs(1));
  EXPECT_THAT(server->requests(), SizeIs(1));
}

TEST_F(ApnsChannels, TenThousandAreListedWhole) {
  constexpr std::size_t kChannels = 10'000;  // Apple's most
  const Json all = std::vector<std::string>(kChannels, std::string(22, 'a') + "==");
  connect({.handler = [body = Json{{"channels", all}}.dump()](const ServerRequest&) -> ServerReply {
    return {.body = body};
  }});
  const auto answer = ask({.kind = Asked::kList});
  EXPECT_EQ(answer.kind, Kind::kDone) << answer.reason;
  EXPECT_EQ(answer.channels.size(), kChannels);
}

TEST_F(ApnsChannels, ATokenThatHasAgedIsReplacedOnceOnAnotherConnection) {
  std::mutex mutex;
  std::set<std::string> refused;
  bool refuses = false;
  connect({.handler = [&](const ServerRequest& request) -> ServerReply {
    const std::lock_guard lock(mutex);
    if (refuses && (refused.empty() || refused.contains(request.headers.at("authorization")))) {
      refused.insert(request.headers.at("authorization"));
      return ServerReply::error(403, R"({"reason":"ExpiredProviderToken"})");
    }
    return {.status = 204};
  }});
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  now_s += 21 * 60;
  {
    const std::lock_guard lock(mutex);
    refuses = true;
  }
  const auto answer = ask({.kind = Asked::kDelete, .channel = kChannel});
  EXPECT_EQ(answer.kind, Kind::kDone) << answer.reason;
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].connection, requests[1].connection);
  EXPECT_NE(requests[1].connection, requests[2].connection);
  {
    const std::lock_guard lock(mutex);
    refused.insert(requests[2].headers.at("authorization"));
  }
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).reason, "ExpiredProviderToken")
      << "the token is too young to be replaced";
  provider->close(0ms);
}

TEST_F(ApnsChannels, AConnectionThatSawItsTokenLatelyDoesNotSeeTheNext) {
  connect({});
  const auto broadcast = [this] {
    return ask({.kind = Asked::kBroadcast, .channel = kChannel, .payload = "{}"}).kind;
  };
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  now_s += 49 * 60;
  EXPECT_EQ(broadcast(), Kind::kDone);
  now_s += 2 * 60;
  EXPECT_EQ(broadcast(), Kind::kDone);
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(4));
  const auto token = [&](std::size_t i) { return requests[i].headers.at("authorization"); };
  EXPECT_EQ(token(0), token(1));
  EXPECT_NE(token(1), token(2));
  EXPECT_NE(requests[1].connection, requests[2].connection) << "two minutes after the first";
  EXPECT_EQ(token(2), token(3));
  EXPECT_EQ(requests[0].connection, requests[3].connection) << "after 51 minutes";
}

TEST_F(ApnsChannels, ARefusalOfWhoAsksEndsTheConnection) {
  connect({.handler = [](const ServerRequest& request) -> ServerReply {
    if (request.connection == 0) return ServerReply::error(403, R"({"reason":"TopicMismatch"})");
    return {.status = 204};
  }});
  const auto refused = ask({.kind = Asked::kDelete, .channel = kChannel});
  EXPECT_EQ(refused.kind, Kind::kCredentialRefused);
  EXPECT_EQ(refused.reason, "TopicMismatch");
  EXPECT_EQ(ask({.kind = Asked::kDelete, .channel = kChannel}).kind, Kind::kDone);
  EXPECT_EQ(server->accepted(), 2);
}

TEST_F(ApnsChannels, WhoWaitsForAConnectionOrAnAnswerHearsWithinTheDeadline) {
  connect({.mute = true}, [](ApnsConfig& config) { config.queued_max = 50ms; });
  const auto unreached = ask({.kind = Asked::kList});
  EXPECT_EQ(unreached.kind, Kind::kUnavailable);
  EXPECT_EQ(unreached.reason, "NoConnection");
  provider.reset();
  connect({.handler = [](const ServerRequest&) { return ServerReply::silence(); }},
          [](ApnsConfig& config) { config.request_timeout = 50ms; });
  const auto unanswered = ask({.kind = Asked::kCreate});
  EXPECT_EQ(unanswered.kind, Kind::kUnanswered);
  EXPECT_EQ(unanswered.reason, "Timeout");
}

TEST_F(ApnsChannels, AProviderThatClosesTellsWhoWaitsAndWhoComesLate) {
  connect({.handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  auto waits = begin({.kind = Asked::kCreate});
  ASSERT_TRUE(test::eventually([&] { return server->requests().size() == 1; }));
  EXPECT_EQ(provider->health().in_flight, 1u);
  provider->close(0ms);
  EXPECT_EQ(heard(std::move(waits)).kind, Kind::kUnanswered);
  EXPECT_EQ(ask({.kind = Asked::kCreate}).reason, "Closed");
}

}  // namespace
}  // namespace carillon::push::apns_channel_test
