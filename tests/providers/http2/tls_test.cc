// Whom a provider talks to: everything about TLS, seen from a provider's outside.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "providers/apns/apns_provider.h"
#include "providers/http2/tls_context.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push {
namespace {

using namespace std::chrono_literals;
using test::RecordingSink;
using test::TestCredentials;
using test::TestServer;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class TlsTest : public testing::Test {
 protected:
  // Sends one notification and returns what became of it.
  Verdict send(const std::string& endpoint, const std::string& trusted,
               std::chrono::milliseconds queued_max = 400ms) {
    ApnsConfig config;
    config.endpoint = endpoint;
    config.ca_file = trusted;
    config.key_file = TestCredentials::shared().apns_key_file();
    config.key_id = "KEY1234567";
    config.team_id = "TEAM123456";
    config.bundle_id = "com.example.bells";
    config.queued_max = queued_max;
    config.connect_max = 200ms;
    auto provider = make_apns_provider(config, sink, loop).value();
    provider->submit(test::batch_of(test::render_shared(*provider, test::hello()), 1, 1));
    // A host may have several addresses, and not all of them this server's: every error is noted.
    std::set<std::string> errors;
    std::vector<Verdict> verdicts;
    test::eventually([&] {
      errors.insert(provider->health().last_error);
      verdicts = sink.wait_for(1, 1ms);
      return !verdicts.empty();
    });
    errors.insert(provider->health().last_error);
    last_error = fmt::format("{}", fmt::join(errors, "; "));
    return verdicts.empty() ? Verdict{} : verdicts.front();
  }

  void expect_not_sent(const Verdict& verdict) {
    EXPECT_EQ(verdict.kind, VerdictKind::kNotSent);
    EXPECT_EQ(verdict.reason, "NoConnection");
  }

  EventLoop loop;
  RecordingSink sink;
  std::string last_error;
  const std::string ca_file = TestCredentials::shared().ca_file();
};

TEST_F(TlsTest, TrustsACertificateOfItsAuthorityThatNamesTheHost) {
  TestServer server({});
  EXPECT_EQ(send(server.url(), ca_file).kind, VerdictKind::kAccepted);
}

TEST_F(TlsTest, TrustsACertificateThatNamesTheAddress) {
  TestServer server({});
  EXPECT_EQ(send(server.url("127.0.0.1"), ca_file).kind, VerdictKind::kAccepted);
}

TEST_F(TlsTest, SaysWhyAnAuthoritysFileCannotBeUsed) {
  const auto missing = http2::TlsContext::make("/no/such/ca.pem");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error(), "/no/such/ca.pem cannot be read: No such file or directory");
  const auto empty = http2::TlsContext::make("/dev/null");
  ASSERT_FALSE(empty.has_value());
  EXPECT_THAT(empty.error(), StartsWith("/dev/null cannot be read as PEM certificates: no "));
}

TEST_F(TlsTest, RefusesACertificateOfAnotherHost) {
  TestServer server({.certificate = TestCredentials::shared().elsewhere()});
  expect_not_sent(send(server.url(), ca_file, 2s));  // time for every address of localhost
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted: hostname mismatch"));
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(TlsTest, RefusesACertificateOfAnotherAddress) {
  TestServer server({.certificate = TestCredentials::shared().elsewhere()});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file));
  EXPECT_THAT(last_error, HasSubstr("IP address mismatch"));
}

TEST_F(TlsTest, RefusesACertificateOfAnUnknownAuthority) {
  TestServer server({});
  expect_not_sent(send(server.url("127.0.0.1"), TestCredentials::shared().other_ca_file()));
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted: unable to get local issuer"));
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(TlsTest, RefusesItWithTheSystemsStoreAsWell) {
  TestServer server({});
  expect_not_sent(send(server.url("127.0.0.1"), ""));
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted"));
}

TEST_F(TlsTest, RefusesAnExpiredCertificate) {
  TestServer server({.certificate = TestCredentials::shared().expired()});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file));
  EXPECT_THAT(last_error, HasSubstr("certificate has expired"));
}

TEST_F(TlsTest, RefusesAServerThatDoesNotSpeakHttp2) {
  TestServer server({.speaks_h2 = false});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file));
  EXPECT_THAT(last_error, HasSubstr("does not speak HTTP/2"));
}

TEST_F(TlsTest, GivesUpAServerThatNeverSaysAWord) {
  TestServer server({.mute = true});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file));
  EXPECT_THAT(last_error, HasSubstr("not ready in time"));
}

TEST_F(TlsTest, TellsThatNobodyListens) {
  std::string url;
  {
    TestServer server({});
    url = server.url();
  }
  expect_not_sent(send(url, ca_file));
  EXPECT_THAT(last_error, HasSubstr("Connection refused"));
}

TEST_F(TlsTest, TellsThatAHostHasNoAddress) {
  expect_not_sent(send("https://no-such-host.invalid:1", ca_file));
  EXPECT_THAT(last_error, HasSubstr("cannot be resolved"));
}

}  // namespace
}  // namespace carillon::push
