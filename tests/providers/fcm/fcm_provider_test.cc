#include "providers/fcm/fcm_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push {
namespace {

using namespace std::chrono_literals;
using test::batch_of;
using test::eventually;
using test::hello;
using test::RecordingSink;
using test::render_shared;
using test::ServerReply;
using test::ServerRequest;
using test::TestCredentials;
using test::TestServer;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ServerReply access_token(const std::string& token, int expires_in = 3599) {
  return {.headers = {{"content-type", "application/json"}},
          .body =
              nlohmann::json{
                  {"access_token", token}, {"expires_in", expires_in}, {"token_type", "Bearer"}}
                  .dump()};
}

// A project, Google's two services played by one TestServer.
class FcmProviderTest : public testing::Test {
 protected:
  void serve(std::function<ServerReply(const ServerRequest&)> oauth,
             std::function<ServerReply(const ServerRequest&)> fcm) {
    server.emplace(TestServer::Options{
        .streams_max = 100, .handler = [oauth, fcm](const ServerRequest& request) {
          return request.headers.at(":path") == "/token" ? oauth(request) : fcm(request);
        }});
  }

  FcmConfig config() {
    FcmConfig config;
    config.endpoint = server->url();
    config.ca_file = TestCredentials::shared().ca_file();
    config.service_account_file = TestCredentials::shared().write(
        "account.json", TestCredentials::shared().service_account_json(server->url() + "/token"));
    return config;
  }

  void connect() { connect(config()); }
  void connect(FcmConfig config) {
    auto made = make_fcm_provider(std::move(config), sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }

  void submit(std::uint64_t first_tag, std::size_t count) {
    provider->submit(batch_of(render_shared(*provider, hello()), first_tag, count));
  }

  std::vector<ServerRequest> requests_to(const std::string& path) {
    std::vector<ServerRequest> result;
    for (auto& request : server->requests()) {
      if (request.headers[":path"] == path) result.push_back(request);
    }
    return result;
  }

  std::optional<TestServer> server;
  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

constexpr const char* kSendPath = "/v1/projects/bell-tower/messages:send";

TEST_F(FcmProviderTest, FetchesATokenFirstAndThenSendsWithIt) {
  serve([](const ServerRequest&) { return access_token("token-1"); },
        [](const ServerRequest&) { return ServerReply::error(200, R"({"name":"x"})"); });
  connect();
  submit(1, 50);
  const auto verdicts = sink.wait_for(50);
  EXPECT_THAT(verdicts, SizeIs(50));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kAccepted)));

  const auto token_requests = requests_to("/token");
  ASSERT_THAT(token_requests, SizeIs(1));
  EXPECT_EQ(token_requests[0].headers.at("content-type"), "application/x-www-form-urlencoded");
  const std::string prefix =
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  ASSERT_TRUE(token_requests[0].body.starts_with(prefix));
  const auto jwt = test::split_jwt(token_requests[0].body.substr(prefix.size()));
  EXPECT_TRUE(test::verify_rs256(TestCredentials::shared().rsa_public_pem(), jwt.signed_text,
                                 jwt.signature));
  const auto claims = nlohmann::json::parse(jwt.claims);
  EXPECT_EQ(claims["aud"], server->url() + "/token");
  EXPECT_EQ(claims["scope"], "https://www.googleapis.com/auth/firebase.messaging");

  const auto sends = requests_to(kSendPath);
  ASSERT_THAT(sends, SizeIs(50));
  EXPECT_EQ(sends[0].headers.at("authorization"), "Bearer token-1");
  EXPECT_EQ(sends[0].headers.at("content-type"), "application/json");
  EXPECT_FALSE(sends[0].headers.contains("apns-id"));
  const auto message = nlohmann::json::parse(sends[0].body)["message"];
  EXPECT_EQ(message["token"], test::token_of(1));
  EXPECT_EQ(message["data"]["carillon_event"], test::kEventId);
}

TEST_F(FcmProviderTest, TellsThatTheAccountIsRefusedAndAsksAgainOnlyLater) {
  serve(
      [](const ServerRequest&) {
        return ServerReply::error(
            400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
      },
      [](const ServerRequest&) { return ServerReply::ok(); });
  connect();
  submit(1, 10);
  auto verdicts = sink.wait_for(10);
  ASSERT_THAT(verdicts, SizeIs(10));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kCredentialRefused)));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::reason, "AccountRefused")));
  EXPECT_THAT(provider->health().last_error, HasSubstr("invalid_grant (Invalid JWT Signature.)"));

  submit(11, 10);
  EXPECT_THAT(sink.wait_for(20), SizeIs(20));
  EXPECT_THAT(requests_to("/token"), SizeIs(1));
  EXPECT_THAT(requests_to(kSendPath), IsEmpty());
}

TEST_F(FcmProviderTest, WaitsForATokenThatComesLate) {
  std::atomic<int> asked{0};
  serve(
      [&](const ServerRequest&) {
        return asked++ == 0 ? ServerReply::error(503, "") : access_token("late");
      },
      [](const ServerRequest&) { return ServerReply::ok(); });
  connect();
  submit(1, 10);
  EXPECT_THAT(sink.wait_for(10), Each(Field(&Verdict::kind, VerdictKind::kAccepted)));
  EXPECT_EQ(asked, 2);
}

TEST_F(FcmProviderTest, GivesUpARequestThatGetsNoTokenInTime) {
  serve([](const ServerRequest&) { return ServerReply::error(503, "busy"); },
        [](const ServerRequest&) { return ServerReply::ok(); });
  auto impatient = config();
  impatient.queued_max = 200ms;
  connect(impatient);
  submit(1, 3);
  const auto verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kNotSent)));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::reason, "NoCredential")));
  // Which may take longer to come than the requests waited.
  EXPECT_TRUE(eventually([&] {
    return provider->health().last_error.find("answered 503") != std::string::npos;
  })) << provider->health().last_error;
}

TEST_F(FcmProviderTest, RefreshesATokenBeforeItEndsWhileTheOldOneServes) {
  std::atomic<std::int64_t> now{1'900'000'000};
  std::atomic<int> asked{0};
  serve([&](const ServerRequest&) { return access_token("token-" + std::to_string(++asked)); },
        [](const ServerRequest&) { return ServerReply::ok(); });
  auto timed = config();
  timed.calendar = [&now] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  connect(timed);
  submit(1, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  now += 3599 - 200;  // within the last five minutes
  submit(2, 1);
  ASSERT_THAT(sink.wait_for(2), SizeIs(2));
  ASSERT_TRUE(eventually([&] { return asked == 2; }));
  // The new one is used as soon as it is there.
  std::uint64_t tag = 3;
  EXPECT_TRUE(eventually([&] {
    submit(tag, 1);
    sink.wait_for(tag);
    ++tag;
    return requests_to(kSendPath).back().headers.at("authorization") == "Bearer token-2";
  }));
  EXPECT_EQ(requests_to(kSendPath)[1].headers.at("authorization"), "Bearer token-1");
  EXPECT_EQ(asked, 2);
}

TEST_F(FcmProviderTest, CountsATokensLifeFromWhenItWasAskedFor) {
  std::atomic<std::int64_t> now{1'900'000'000};
  std::atomic<int> asked{0};
  serve(
      [&](const ServerRequest&) {
        if (asked++ == 0) now += 600;  // its answer takes ten minutes
        return access_token("one");
      },
      [](const ServerRequest&) { return ServerReply::ok(); });
  auto timed = config();
  timed.calendar = [&now] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  connect(timed);
  submit(1, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  now += 3599 - 600 - 10;
  submit(2, 1);
  EXPECT_TRUE(eventually([&] { return asked == 2; })) << "ten seconds before its end";
}

TEST_F(FcmProviderTest, UsesTheOldTokenUntilItEndsWhenRefreshingFails) {
  std::atomic<std::int64_t> now{1'900'000'000};
  std::atomic<int> asked{0};
  serve(
      [&](const ServerRequest&) {
        return asked++ == 0 ? access_token("first") : ServerReply::error(500, "");
      },
      [](const ServerRequest&) { return ServerReply::ok(); });
  auto timed = config();
  timed.calendar = [&now] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  timed.queued_max = 3s;  // the first waits for two connections and the token
  connect(timed);
  submit(1, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  now += 3599 - 10;
  submit(2, 1);
  ASSERT_TRUE(eventually([&] { return asked >= 2; }));
  submit(3, 1);
  auto verdicts = sink.wait_for(3);
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kAccepted)));
  now += 11;
  submit(4, 1);
  verdicts = sink.wait_for(4);
  EXPECT_EQ(verdicts.back().kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdicts.back().reason, "NoCredential");
}

TEST_F(FcmProviderTest, FetchesANewTokenWhenTheServiceRefusesAnOldOne) {
  std::atomic<std::int64_t> now{1'900'000'000};
  std::atomic<int> asked{0};
  serve([&](const ServerRequest&) { return access_token("token-" + std::to_string(++asked)); },
        [](const ServerRequest& request) {
          return request.headers.at("authorization") == "Bearer token-2"
                     ? ServerReply::ok()
                     : ServerReply::error(401, R"({"error":{"status":"UNAUTHENTICATED"}})");
        });
  auto timed = config();
  timed.calendar = [&now] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  connect(timed);
  submit(1, 1);
  auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kCredentialRefused) << "a fresh token is not replaced";
  now += 61;
  submit(2, 1);
  verdicts = sink.wait_for(2);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdicts[1].reason, "UNAUTHENTICATED");
  EXPECT_TRUE(eventually([&] { return asked >= 1; }));
  // A fetch follows the last one after a pause of a second at most.
  submit(3, 1);
  verdicts = sink.wait_for(3);
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kAccepted);
}

TEST_F(FcmProviderTest, RefusesATokenThatWouldBreakOutOfTheBody) {
  serve([](const ServerRequest&) { return access_token("t"); },
        [](const ServerRequest&) { return ServerReply::ok(); });
  connect();
  auto batch = batch_of(render_shared(*provider, hello()), 1, 1);
  batch.tokens = R"(a","topic":"all)";
  batch.targets[0].token_length = static_cast<std::uint32_t>(batch.tokens.size());
  provider->submit(std::move(batch));
  const auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kTokenUnusable);
  EXPECT_EQ(verdicts[0].reason, "MalformedToken");
  EXPECT_THAT(requests_to(kSendPath), IsEmpty());
}

TEST_F(FcmProviderTest, ReportsAllProblemsOfItsConfigurationAtOnce) {
  FcmConfig config;
  config.endpoint = "http://fcm.googleapis.com";
  config.ca_file = "/nowhere/ca.pem";
  config.service_account_file = "/nowhere/account.json";
  config.connections_max = 0;
  config.streams_max = kFcmStreamsMax + 1;
  const auto made = make_fcm_provider(config, sink, loop);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error(),
              ElementsAre(HasSubstr("endpoint \"http://fcm.googleapis.com\" must begin with https"),
                          HasSubstr("ca_file: /nowhere/ca.pem cannot be read"),
                          HasSubstr("service_account_file: /nowhere/account.json cannot be read"),
                          HasSubstr("connections_max must be at least 1"),
                          HasSubstr("streams_max must be at most 100: Google closes")));
}

TEST_F(FcmProviderTest, WantsAProjectFromTheConfigurationOrTheFile) {
  auto account = nlohmann::json::parse(
      TestCredentials::shared().service_account_json("https://localhost/token"));
  account.erase("project_id");
  FcmConfig config;
  config.ca_file = TestCredentials::shared().ca_file();
  config.service_account_file = TestCredentials::shared().write("no_project.json", account.dump());
  const auto made = make_fcm_provider(config, sink, loop);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error(), ElementsAre(HasSubstr("no_project.json does not name one")));
  config.project = "bell-tower";
  EXPECT_TRUE(make_fcm_provider(config, sink, loop).has_value());
}

}  // namespace
}  // namespace carillon::push
