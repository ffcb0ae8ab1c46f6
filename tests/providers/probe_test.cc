// What platforms say about a credential when nobody is sent to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "providers/apns/apns_provider.h"
#include "providers/apns/apns_request.h"
#include "providers/apns/apns_verdict.h"
#include "providers/fcm/fcm_provider.h"
#include "providers/fcm/fcm_request.h"
#include "providers/fcm/fcm_verdict.h"
#include "providers/question.h"
#include "providers/webpush/webpush_provider.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push::probe_test {
namespace {

using namespace std::chrono_literals;
using Kind = PlatformWord::Kind;
using test::hello;
using test::RecordingSink;
using test::render_shared;
using test::ServerReply;
using test::ServerRequest;
using test::TestCredentials;
using test::TestServer;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ProbeTest : public testing::Test {
 protected:
  void serve(std::function<ServerReply(const ServerRequest&)> handler) {
    server.emplace(TestServer::Options{.streams_max = 100, .handler = std::move(handler)});
  }
  // Google's two services, the token service always in order.
  void serve_fcm(ServerReply reply) {
    serve([reply](const ServerRequest& request) -> ServerReply {
      if (request.headers.at(":path") != "/token") return reply;
      return {.headers = {{"content-type", "application/json"}},
              .body = R"({"access_token":"access-1","expires_in":3599,"token_type":"Bearer"})"};
    });
  }

  void connect_apns() {
    ApnsConfig config;
    config.endpoint = server->url();
    config.ca_file = TestCredentials::shared().ca_file();
    config.key_file = TestCredentials::shared().apns_key_file();
    config.key_id = "KEY1234567";
    config.team_id = "TEAM123456";
    config.bundle_id = "com.example.bells";
    take(make_apns_provider(std::move(config), sink, loop));
  }
  void connect_fcm() {
    FcmConfig config;
    config.endpoint = server->url();
    config.ca_file = TestCredentials::shared().ca_file();
    config.service_account_file = TestCredentials::shared().write(
        "probe_account.json",
        TestCredentials::shared().service_account_json(server->url() + "/token"));
    take(make_fcm_provider(std::move(config), sink, loop));
  }
  void connect_webpush(std::vector<std::string> origins) {
    WebPushConfig config;
    config.vapid_key_file = TestCredentials::shared().apns_key_file();
    config.subject = "mailto:push@example.com";
    config.origins = std::move(origins);
    config.allow_private_addresses = true;
    config.ca_file = TestCredentials::shared().ca_file();
    config.encryption_threads = 1;
    take(make_webpush_provider(std::move(config), sink, loop));
  }
  template <class Made>
  void take(Made made) {
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }

  // What `ask` hears; a failure if it hears nothing.
  PlatformWord heard(const std::function<void(HearWord)>& ask) {
    const auto promise = std::make_shared<std::promise<PlatformWord>>();
    auto future = promise->get_future();
    ask([promise](PlatformWord word) { promise->set_value(std::move(word)); });
    if (future.wait_for(test::kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "nothing was heard";
      return {};
    }
    return future.get();
  }
  PlatformWord probe() {
    return heard([this](HearWord hear) { provider->probe(std::move(hear)); });
  }
  PlatformWord validate(std::string_view token, const Notification& notification = hello()) {
    return heard([&](HearWord hear) {
      provider->validate(render_shared(*provider, notification), token, std::move(hear));
    });
  }

  std::optional<TestServer> server;
  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

TEST_F(ProbeTest, AppleIsAskedAboutADeviceThatNobodyHasAndTheSinkHearsNothing) {
  serve([](const ServerRequest&) {
    return ServerReply::error(400, R"({"reason":"BadDeviceToken"})");
  });
  connect_apns();
  const PlatformWord word = probe();
  EXPECT_EQ(word.kind, Kind::kGood);
  EXPECT_EQ(word.text, "BadDeviceToken (status 400)");
  ASSERT_THAT(server->requests(), SizeIs(1));
  const ServerRequest request = server->requests().front();
  EXPECT_EQ(request.headers.at(":path"), "/3/device/" + std::string(64, '0'));
  EXPECT_EQ(request.headers.at("apns-topic"), "com.example.bells");
  EXPECT_EQ(request.headers.at("apns-push-type"), "background");
  EXPECT_EQ(request.headers.at("apns-priority"), "5");
  EXPECT_EQ(request.headers.at("apns-expiration"), "0");
  EXPECT_THAT(request.headers.at("authorization"), HasSubstr("bearer "));
  EXPECT_FALSE(nlohmann::json::parse(request.body)["aps"].contains("alert"));
  EXPECT_THAT(sink.verdicts(), IsEmpty());
}

TEST(ApnsProbe, ACertificateForOneServiceIsAskedAboutThat) {
  const auto header = [](const RenderedMessage& message, std::string_view name) -> std::string {
    for (const auto& one : message.headers) {
      if (one.name == name) return one.value;
    }
    return "none";
  };
  const auto any = apns_probe({.bundle_id = "com.example.bells", .by_certificate = true});
  EXPECT_EQ(header(any, "apns-topic"), "com.example.bells");
  const auto both = apns_probe({.bundle_id = "com.example.bells",
                                .topics = {"com.example.bells.voip", "com.example.bells"}});
  EXPECT_EQ(header(both, "apns-push-type"), "background");
  const auto voip =
      apns_probe({.bundle_id = "com.example.bells", .topics = {"com.example.bells.voip"}});
  EXPECT_EQ(header(voip, "apns-topic"), "com.example.bells.voip");
  EXPECT_EQ(header(voip, "apns-push-type"), "voip");
}

TEST(ApnsWord, SaysWhoseFaultAnAnswerIs) {
  const struct {
    std::uint16_t status;
    const char* reason;
    Kind kind;
  } kRows[] = {
      {400, "BadDeviceToken", Kind::kGood},
      {400, "DeviceTokenNotForTopic", Kind::kGood},
      {410, "Unregistered", Kind::kGood},
      {429, "TooManyRequests", Kind::kGood},
      {403, "InvalidProviderToken", Kind::kRefused},
      {403, "MissingProviderToken", Kind::kRefused},
      {403, "BadEnvironmentKeyInToken", Kind::kRefused},
      {403, "UnrelatedKeyIdInToken", Kind::kRefused},
      {403, "AWordThatIsNew", Kind::kRefused},
      {400, "TopicDisallowed", Kind::kRefused},
      {400, "BadTopic", Kind::kRefused},
      {429, "TooManyProviderTokenUpdates", Kind::kUnclear},
      {503, "ServiceUnavailable", Kind::kUnclear},
      {400, "BadPriority", Kind::kUnclear},
  };
  for (const auto& row : kRows) {
    const std::string body = nlohmann::json{{"reason", row.reason}}.dump();
    const auto judged = judge_apns({.status = row.status, .body = body}, {}, ApnsTopic::kApps);
    EXPECT_EQ(apns_word(judged.verdict).kind, row.kind) << row.reason;
  }
  EXPECT_EQ(apns_word({.kind = VerdictKind::kAccepted, .status = 200}).kind, Kind::kGood);
  EXPECT_EQ(apns_word({.kind = VerdictKind::kNotSent, .reason = "NoConnection"}).text,
            "NoConnection");
}

TEST_F(ProbeTest, AWrongKeyIsToldWithApplesWord) {
  serve([](const ServerRequest&) {
    return ServerReply::error(403, R"({"reason":"InvalidProviderToken"})");
  });
  connect_apns();
  const PlatformWord word = probe();
  EXPECT_EQ(word.kind, Kind::kRefused);
  EXPECT_THAT(word.text, HasSubstr("InvalidProviderToken (status 403)"));
}

TEST_F(ProbeTest, AProviderThatClosesTellsWhoeverIsStillListening) {
  serve([](const ServerRequest&) { return ServerReply::silence(); });
  connect_apns();
  const PlatformWord word = heard([this](HearWord hear) {
    provider->probe(std::move(hear));
    provider->close(0ms);
  });
  EXPECT_EQ(word.kind, Kind::kUnclear);
  const PlatformWord late = probe();
  EXPECT_EQ(late.kind, Kind::kUnclear);
  EXPECT_THAT(late.text, HasSubstr("Closed"));
}

TEST_F(ProbeTest, GoogleIsAskedToLookOnly) {
  serve_fcm(ServerReply::error(200, R"({"name":"projects/bell-tower/messages/fake_message_id"})"));
  connect_fcm();
  EXPECT_EQ(probe().kind, Kind::kGood);
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(2));
  const auto body = nlohmann::json::parse(requests.back().body);
  EXPECT_EQ(body["validate_only"], true);
  EXPECT_EQ(body["message"]["topic"], "carillon-nobody");
  EXPECT_FALSE(body["message"].contains("token"));
  EXPECT_THAT(sink.verdicts(), IsEmpty());
}

TEST(FcmWord, WhoeverHearsAboutTheMessageWasLetIn) {
  const auto error_code = [](const char* code) {
    return nlohmann::json{{"error",
                           {{"details",
                             {{{"@type", "type.googleapis.com/google.firebase.fcm.v1.FcmError"},
                               {"errorCode", code}}}}}}}
        .dump();
  };
  const struct {
    std::uint16_t status;
    std::string body;
    Kind on_us, on_message;
  } kRows[] = {
      {400, error_code("INVALID_ARGUMENT"), Kind::kGood, Kind::kRefused},
      {400, "{}", Kind::kGood, Kind::kRefused},
      {401, error_code("THIRD_PARTY_AUTH_ERROR"), Kind::kGood, Kind::kRefused},
      {429, error_code("QUOTA_EXCEEDED"), Kind::kGood, Kind::kUnclear},
      {404, error_code("UNREGISTERED"), Kind::kGood, Kind::kUnclear},
      {403, error_code("SENDER_ID_MISMATCH"), Kind::kGood, Kind::kUnclear},
      {403, "{}", Kind::kRefused, Kind::kUnclear},
      {404, "{}", Kind::kRefused, Kind::kUnclear},
      {503, "<html>", Kind::kUnclear, Kind::kUnclear},
  };
  for (const auto& row : kRows) {
    const Verdict verdict = judge_fcm({.status = row.status, .body = row.body}, {}).verdict;
    EXPECT_EQ(fcm_word_on_us(verdict).kind, row.on_us) << row.status << row.body;
    EXPECT_EQ(fcm_word_on_message(verdict).kind, row.on_message) << row.status << row.body;
  }
  EXPECT_EQ(fcm_word_on_message({.kind = VerdictKind::kAccepted, .status = 200}).kind, Kind::kGood);
}

TEST_F(ProbeTest, ARefusedAccountIsToldWithTheTokenServicesWords) {
  serve([](const ServerRequest&) {
    return ServerReply::error(
        400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
  });
  connect_fcm();
  const PlatformWord word = probe();
  EXPECT_EQ(word.kind, Kind::kRefused);
  EXPECT_THAT(word.text, HasSubstr("AccountRefused"));
  EXPECT_THAT(word.text, HasSubstr("invalid_grant (Invalid JWT Signature.)"));
}

TEST_F(ProbeTest, AMessageIsLookedAtAsItWouldGoToADevice) {
  serve_fcm(ServerReply::error(200, "{}"));
  connect_fcm();
  EXPECT_EQ(validate("device-token-1").kind, Kind::kGood);
  auto asked = nlohmann::json::parse(server->requests().back().body);
  EXPECT_EQ(asked["validate_only"], true);
  EXPECT_EQ(asked["message"]["token"], "device-token-1");
  EXPECT_EQ(asked["message"]["notification"]["title"], hello().title);
  asked.erase("validate_only");
  const auto sent = render_shared(*provider, hello());
  auto body = sent->body;
  body.insert(sent->token_at, "device-token-1");
  EXPECT_EQ(asked, nlohmann::json::parse(body));
}

TEST_F(ProbeTest, WithoutADeviceAMessageIsLookedAtForATopicIfItIsNotTooLargeForOne) {
  serve_fcm(ServerReply::error(400, R"({"error":{"status":"INVALID_ARGUMENT"}})"));
  connect_fcm();
  const PlatformWord refused = validate("");
  EXPECT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(refused.text, "INVALID_ARGUMENT (status 400)");
  const auto asked = nlohmann::json::parse(server->requests().back().body);
  EXPECT_EQ(asked["message"]["topic"], "carillon-nobody");
  EXPECT_FALSE(asked["message"].contains("token"));
  const auto before = server->requests().size();

  Notification notification = hello();
  const auto fits = [&](std::size_t extra) {
    notification.body = std::string(extra, 'x');
    return render_shared(*provider, notification)->body.size() <= kFcmTopicPayloadBytesMax;
  };
  std::size_t extra = 1;
  while (fits(extra + 1)) ++extra;
  notification.body = std::string(extra, 'x');
  EXPECT_EQ(validate("", notification).kind, Kind::kRefused) << "asked: it just fits";
  notification.body += 'x';
  const PlatformWord unasked = validate("", notification);
  EXPECT_EQ(unasked.kind, Kind::kUnclear);
  EXPECT_THAT(unasked.text, HasSubstr("2048 bytes"));
  EXPECT_THAT(server->requests(), SizeIs(before + 1));
}

TEST_F(ProbeTest, PushServicesThatAreListedByHostAreConnectedToAndAskedNothing) {
  serve([](const ServerRequest&) { return ServerReply::ok(); });
  connect_webpush({server->url().substr(8), "*.push.example.com"});
  const PlatformWord word = probe();
  EXPECT_EQ(word.kind, Kind::kGood) << word.text;
  EXPECT_THAT(word.text, HasSubstr("1 of 1"));
  EXPECT_EQ(probe().kind, Kind::kGood) << "as often as one likes";
  EXPECT_THAT(server->requests(), IsEmpty());
}

TEST_F(ProbeTest, AListWithoutAHostHasNothingToReach) {
  serve([](const ServerRequest&) { return ServerReply::ok(); });
  connect_webpush({"*.push.example.com"});
  EXPECT_EQ(probe().kind, Kind::kGood);
  EXPECT_EQ(server->accepted(), 0);
}

TEST_F(ProbeTest, PushServicesThatAreNotReachedAreNamed) {
  TestServer speaks_http1({.speaks_h2 = false});
  const std::string gone = "localhost:1";
  serve([](const ServerRequest&) { return ServerReply::ok(); });
  connect_webpush({server->url().substr(8), gone, speaks_http1.url().substr(8)});
  const PlatformWord word = probe();
  EXPECT_EQ(word.kind, Kind::kUnclear);
  EXPECT_THAT(word.text, HasSubstr(gone));
  EXPECT_THAT(word.text, HasSubstr(speaks_http1.url().substr(8)));
  EXPECT_THAT(word.text, testing::Not(HasSubstr(server->url().substr(8))));
}

TEST_F(ProbeTest, AProbeThatIsUnderWayEndsWithItsProvider) {
  TestServer mute({.mute = true});
  connect_webpush({mute.url().substr(8)});
  const PlatformWord word = heard([this](HearWord hear) {
    provider->probe(std::move(hear));
    provider->close(0ms);
  });
  EXPECT_EQ(word.kind, Kind::kUnclear);
}

}  // namespace
}  // namespace carillon::push::probe_test
