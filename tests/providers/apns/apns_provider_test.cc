#include "providers/apns/apns_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

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
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// An app, Apple's part played by a TestServer.
class ApnsProviderTest : public testing::Test {
 protected:
  ApnsConfig config_for(const std::string& endpoint) {
    return {.endpoint = endpoint,
            .ca_file = TestCredentials::shared().ca_file(),
            .key_file = TestCredentials::shared().apns_key_file(),
            .key_id = "KEY1234567",
            .team_id = "TEAM123456",
            .bundle_id = "com.example.bells"};
  }

  void serve(TestServer::Options options) { server.emplace(std::move(options)); }
  void connect() { connect(config_for(server->url())); }
  void connect(ApnsConfig config) {
    auto made = make_apns_provider(std::move(config), sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }

  void submit(std::uint64_t first_tag, std::size_t count) {
    provider->submit(batch_of(render_shared(*provider, hello()), first_tag, count));
  }

  static std::vector<VerdictKind> kinds(const std::vector<Verdict>& verdicts) {
    std::vector<VerdictKind> result;
    for (const auto& verdict : verdicts) result.push_back(verdict.kind);
    return result;
  }

  std::optional<TestServer> server;
  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

TEST_F(ApnsProviderTest, SendsWhatAppleAsksForAndTellsWhatItAnswered) {
  serve({.streams_max = 100});
  connect();
  submit(7, 1);
  const auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].tag, 7u);
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kAccepted);
  EXPECT_EQ(verdicts[0].status, 200);
  EXPECT_EQ(verdicts[0].reason, "");

  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(1));
  auto headers = requests[0].headers;
  EXPECT_EQ(headers[":method"], "POST");
  EXPECT_EQ(headers[":scheme"], "https");
  EXPECT_EQ(headers[":authority"], "localhost:" + std::to_string(server->port()));
  EXPECT_EQ(headers[":path"], "/3/device/" + test::token_of(7));
  EXPECT_EQ(headers["apns-id"], "00000000-0000-0000-0000-000000000007");
  EXPECT_EQ(headers["apns-topic"], "com.example.bells");
  EXPECT_EQ(headers["apns-push-type"], "alert");
  EXPECT_EQ(headers["apns-priority"], "10");
  EXPECT_EQ(headers["apns-expiration"], "2000000000");
  EXPECT_EQ(headers["apns-collapse-id"], test::kEventId);
  const auto jwt = test::split_jwt(headers["authorization"].substr(sizeof "bearer " - 1));
  EXPECT_TRUE(test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), jwt.signed_text,
                                     jwt.signature));
  EXPECT_EQ(nlohmann::json::parse(requests[0].body)["carillon"]["event"], test::kEventId);
}

TEST_F(ApnsProviderTest, SettlesThousandsOverFewStreams) {
  serve({.streams_max = 10});
  connect();
  for (std::uint64_t first = 0; first < 3000; first += 500) submit(first, 500);
  const auto verdicts = sink.wait_for(3000);
  EXPECT_THAT(verdicts, SizeIs(3000));
  EXPECT_THAT(kinds(verdicts), Each(VerdictKind::kAccepted));
  std::set<std::uint64_t> tags;
  for (const auto& verdict : verdicts) tags.insert(verdict.tag);
  EXPECT_EQ(tags.size(), 3000u);
  EXPECT_LT(sink.calls(), 3000u) << "verdicts are gathered";
}

TEST_F(ApnsProviderTest, TellsTheReasonOfARejection) {
  serve({.streams_max = 10, .handler = [](const ServerRequest&) {
           return ServerReply::error(410, R"({"reason":"Unregistered","timestamp":1700000000123})");
         }});
  connect();
  submit(1, 1);
  const auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kTokenDead);
  EXPECT_EQ(verdicts[0].reason, "Unregistered");
  EXPECT_EQ(verdicts[0].since_ms, 1700000000123ms);
}

}  // namespace
}  // namespace carillon::push
