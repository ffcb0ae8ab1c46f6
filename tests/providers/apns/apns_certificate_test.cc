// The way to Apple with a client certificate instead of a token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "providers/apns/apns_provider.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push::apns_certificate_test {
namespace {

using test::batch_of;
using test::eventually;
using test::hello;
using test::RecordingSink;
using test::render_shared;
using test::ServerReply;
using test::ServerRequest;
using test::TestCredentials;
using test::TestServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class ApnsCertificateTest : public testing::Test {
 protected:
  ApnsConfig config_for(const std::string& certificate_file) {
    ApnsConfig config;
    config.endpoint = server ? server->url() : "https://localhost:1";
    config.ca_file = TestCredentials::shared().ca_file();
    config.certificate_file = certificate_file;
    config.bundle_id = "com.example.bells";
    return config;
  }
  void connect(const ApnsConfig& config) {
    auto made = make_apns_provider(config, sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }
  std::vector<std::string> problems(const ApnsConfig& config) {
    const auto made = make_apns_provider(config, sink, loop);
    return made.has_value() ? std::vector<std::string>() : made.error();
  }

  std::optional<TestServer> server;
  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

TEST_F(ApnsCertificateTest, ShowsItsCertificateAndSendsNoAuthorization) {
  server.emplace(
      TestServer::Options{.streams_max = 100, .client_ca = TestCredentials::shared().ca_file()});
  auto config = config_for(TestCredentials::shared().keychain_file());
  config.certificate_password_file = TestCredentials::shared().password_file();
  connect(config);
  provider->submit(batch_of(render_shared(*provider, hello()), 1, 20));
  const auto verdicts = sink.wait_for(20);
  ASSERT_THAT(verdicts, SizeIs(20));
  for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.kind, VerdictKind::kAccepted);
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(20));
  for (const ServerRequest& request : requests) {
    EXPECT_FALSE(request.headers.contains("authorization"));
    EXPECT_EQ(request.headers.at("apns-topic"), "com.example.bells");
  }
  EXPECT_THAT(server->client_uids(), ElementsAre("com.example.bells"));
}

TEST_F(ApnsCertificateTest, TellsThatTheServerDoesNotTakeIt) {
  server.emplace(TestServer::Options{.streams_max = 100,
                                     .client_ca = TestCredentials::shared().other_ca_file()});
  connect(config_for(TestCredentials::shared().push_certificate_file()));
  provider->submit(batch_of(render_shared(*provider, hello()), 1, 1));
  EXPECT_TRUE(eventually([&] {
    return provider->health().last_error.find("unknown ca") != std::string::npos;
  })) << provider->health().last_error;
  provider->close(std::chrono::milliseconds(0));
  const auto verdicts = sink.verdicts();
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kNotSent)
      << "a refused connection has processed nothing";
}

TEST_F(ApnsCertificateTest, IsRefusedWhenAppleSaysSoAndWhenItAsksForATokenAllTheSame) {
  server.emplace(TestServer::Options{.streams_max = 1,
                                     .handler =
                                         [](const ServerRequest& request) {
                                           return ServerReply::error(
                                               403, request.headers.at(":path").ends_with("1")
                                                        ? R"({"reason":"BadCertificate"})"
                                                        : R"({"reason":"ExpiredProviderToken"})");
                                         },
                                     .client_ca = TestCredentials::shared().ca_file()});
  connect(config_for(TestCredentials::shared().push_certificate_file()));
  provider->submit(batch_of(render_shared(*provider, hello()), 1, 2));
  const auto verdicts = sink.wait_for(2);
  ASSERT_THAT(verdicts, SizeIs(2));
  for (const Verdict& verdict : verdicts) {
    EXPECT_EQ(verdict.kind, VerdictKind::kCredentialRefused) << verdict.reason;
  }
}

TEST_F(ApnsCertificateTest, TellsWhenItsCertificateEndsAlsoWhenItHas) {
  connect(config_for(TestCredentials::shared().push_certificate_file()));
  const auto now = std::chrono::system_clock::now();
  EXPECT_GT(provider->health().credential_expires_at, now);
  connect(config_for(TestCredentials::shared().expired_certificate_file()));
  EXPECT_LT(provider->health().credential_expires_at, now);
  EXPECT_GT(provider->health().credential_expires_at, std::chrono::sys_seconds());
}

TEST_F(ApnsCertificateTest, StandsInPlaceOfAKeyNotBesideIt) {
  auto config = config_for(TestCredentials::shared().push_certificate_file());
  config.key_file = TestCredentials::shared().apns_key_file();
  EXPECT_THAT(problems(config), ElementsAre(HasSubstr("must not stand beside key_file")));
  config = config_for("");
  EXPECT_THAT(problems(config), ElementsAre(HasSubstr("key_file is missing"), HasSubstr("key_id"),
                                            HasSubstr("team_id")));
  config.certificate_password_file = TestCredentials::shared().password_file();
  EXPECT_THAT(problems(config), testing::Contains(HasSubstr("certificate_password_file needs")));
  config.certificate_file = "/nowhere/push.p12";
  EXPECT_THAT(problems(config), ElementsAre(HasSubstr("certificate_file: /nowhere/push.p12")));
}

TEST_F(ApnsCertificateTest, MustBeForTheApp) {
  EXPECT_THAT(problems(config_for(TestCredentials::shared().other_certificate_file())),
              ElementsAre(HasSubstr("com.example.other")));
}

TEST_F(ApnsCertificateTest, SendsOnlyToTheTopicsThatItNames) {
  connect(config_for(TestCredentials::shared().push_certificate_file()));
  auto notification = hello();
  const auto now = std::chrono::system_clock::now();
  notification.apns_push_type = "voip";
  EXPECT_TRUE(provider->render(notification, now).has_value());
  for (const char* const type : {"complication", "liveactivity", "location"}) {
    notification.apns_push_type = type;
    const auto rendered = provider->render(notification, now);
    ASSERT_FALSE(rendered.has_value()) << type;
    EXPECT_EQ(rendered.error().pointer, "/apns_push_type") << type;
  }
}

}  // namespace
}  // namespace carillon::push::apns_certificate_test
