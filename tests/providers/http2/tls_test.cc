// Whom a provider talks to: everything about TLS, seen from a provider's outside.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
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
  // Sends one notification and returns what became of it. With `error`: not before the provider has
  // said that as well, which may take longer than the notification waits.
  Verdict send(const std::string& endpoint, const std::string& trusted, std::string_view error = {},
               std::chrono::milliseconds connect_max = 10s) {
    ApnsConfig config;
    config.endpoint = endpoint;
    config.ca_file = trusted;
    config.key_file = TestCredentials::shared().apns_key_file();
    config.key_id = "KEY1234567";
    config.team_id = "TEAM123456";
    config.bundle_id = "com.example.bells";
    if (!error.empty()) config.queued_max = 400ms;
    config.connect_max = connect_max;
    // Where the server is; a machine's localhost may be ::1 as well, with errors of its own.
    if (endpoint.starts_with("https://localhost:")) {
      config.resolve = [](const std::string&) { return std::vector<std::string>{"127.0.0.1"}; };
    }
    auto provider = make_apns_provider(config, sink, loop).value();
    provider->submit(test::batch_of(test::render_shared(*provider, test::hello()), 1, 1));
    std::set<std::string> errors;
    std::vector<Verdict> verdicts;
    test::eventually([&] {
      verdicts = sink.wait_for(1, 1ms);
      errors.insert(provider->health().last_error);
      last_error = fmt::format("{}", fmt::join(errors, "; "));
      return !verdicts.empty() && last_error.find(error) != std::string::npos;
    });
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
  expect_not_sent(send(server.url(), ca_file, "hostname mismatch"));
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted: hostname mismatch"));
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(TlsTest, RefusesACertificateOfAnotherAddress) {
  TestServer server({.certificate = TestCredentials::shared().elsewhere()});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file, "IP address mismatch"));
  EXPECT_THAT(last_error, HasSubstr("IP address mismatch"));
}

TEST_F(TlsTest, RefusesACertificateOfAnUnknownAuthority) {
  TestServer server({});
  expect_not_sent(send(server.url("127.0.0.1"), TestCredentials::shared().other_ca_file(),
                       "unable to get local issuer"));
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted: unable to get local issuer"));
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(TlsTest, RefusesItWithTheSystemsStoreAsWell) {
  TestServer server({});
  expect_not_sent(send(server.url("127.0.0.1"), "", "certificate is not accepted"));
  EXPECT_THAT(last_error, HasSubstr("certificate is not accepted"));
}

TEST_F(TlsTest, RefusesAnExpiredCertificate) {
  TestServer server({.certificate = TestCredentials::shared().expired()});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file, "certificate has expired"));
  EXPECT_THAT(last_error, HasSubstr("certificate has expired"));
}

TEST_F(TlsTest, RefusesAServerThatDoesNotSpeakHttp2) {
  TestServer server({.speaks_h2 = false});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file, "does not speak HTTP/2"));
  EXPECT_THAT(last_error, HasSubstr("does not speak HTTP/2"));
}

TEST_F(TlsTest, GivesUpAServerThatNeverSaysAWord) {
  TestServer server({.mute = true});
  expect_not_sent(send(server.url("127.0.0.1"), ca_file, "not ready in time", 200ms));
  EXPECT_THAT(last_error, HasSubstr("not ready in time"));
}

TEST_F(TlsTest, TellsThatNobodyListens) {
  TestServer server({.address = "127.0.0.1"});  // keeps the port; nobody is at the next address
  expect_not_sent(send(server.url("127.0.0.2"), ca_file, "Connection refused"));
  EXPECT_THAT(last_error, HasSubstr("Connection refused"));
}

TEST_F(TlsTest, TellsThatAHostHasNoAddress) {
  expect_not_sent(send("https://no-such-host.invalid:1", ca_file, "cannot be resolved"));
  EXPECT_THAT(last_error, HasSubstr("cannot be resolved"));
}

}  // namespace
}  // namespace carillon::push
