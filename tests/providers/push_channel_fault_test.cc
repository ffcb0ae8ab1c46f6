// A provider under a service that does everything wrong, by a seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include "providers/apns/apns_provider.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push {
namespace {

using namespace std::chrono_literals;
using test::RecordingSink;
using test::ServerReply;
using test::ServerRequest;
using test::TestCredentials;
using test::TestServer;

constexpr std::uint32_t kSeeds = 8;
constexpr std::uint64_t kTargets = 1500;

// Called on the server's thread only.
class Faults {
 public:
  explicit Faults(std::uint32_t seed) : random_(seed) {}

  ServerReply operator()(const ServerRequest& request) {
    seen.insert(request.headers.at(":path"));
    // What it said of a stream stays true: none above a GOAWAY's last one is looked at.
    auto& connection = connections_[request.connection];
    if (connection.leaving) return ServerReply::silence();
    const auto per_mille = random_() % 1000;
    if (per_mille < 5) return ServerReply::cut();
    if (per_mille < 10) {
      connection.leaving = true;
      return {.kind = ServerReply::Kind::kGoaway,
              .error_code = NGHTTP2_NO_ERROR,
              .last_stream_id = connection.last_accepted};
    }
    if (per_mille < 11) {
      return ServerReply::error(429, R"({"reason":"TooManyProviderTokenUpdates"})");
    }
    if (per_mille < 40) return ServerReply::reset(NGHTTP2_REFUSED_STREAM);
    if (per_mille < 50) return ServerReply::reset(NGHTTP2_INTERNAL_ERROR);
    if (per_mille < 60) return ServerReply::silence();
    if (per_mille < 80) {
      return ServerReply::error(410, R"({"reason":"Unregistered","timestamp":1})");
    }
    if (per_mille < 90) return ServerReply::error(500, "<html>");
    ++accepted;
    connection.last_accepted = std::max(connection.last_accepted, request.stream_id);
    accepted_paths.insert(request.headers.at(":path"));
    return ServerReply::ok();
  }

  std::set<std::string> seen;
  std::set<std::string> accepted_paths;
  std::size_t accepted = 0;

 private:
  struct Connection {
    std::int32_t last_accepted = 0;
    bool leaving = false;
  };
  std::map<int, Connection> connections_;
  std::mt19937 random_;
};

class PushChannelFaults : public testing::TestWithParam<std::uint32_t> {};

TEST_P(PushChannelFaults, SettlesEveryTargetExactlyOnceAndNeverLies) {
  const std::uint32_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed * 7919);
  auto faults = std::make_shared<Faults>(seed);
  std::optional<TestServer> server;
  server.emplace(TestServer::Options{
      .streams_max = static_cast<std::uint32_t>(1 + random() % 50),
      .handler = [faults](const ServerRequest& request) { return (*faults)(request); }});
  EventLoop loop;
  RecordingSink sink;
  ApnsConfig config;
  config.endpoint = server->url();
  config.ca_file = TestCredentials::shared().ca_file();
  config.key_file = TestCredentials::shared().apns_key_file();
  config.key_id = "KEY1234567";
  config.team_id = "TEAM123456";
  config.bundle_id = "com.example.bells";
  config.connections_max = 1 + random() % 4;
  config.request_timeout = 150ms;
  config.queued_max = 30s;
  auto provider = make_apns_provider(config, sink, loop).value();
  const auto message = test::render_shared(*provider, test::hello());
  for (std::uint64_t tag = 0; tag < kTargets;) {
    const std::size_t count = std::min<std::uint64_t>(1 + random() % 200, kTargets - tag);
    provider->submit(test::batch_of(message, tag, count));
    tag += count;
  }
  const bool closes_early = seed % 2 == 0;
  if (closes_early) sink.wait_for(kTargets / 3);
  if (!closes_early) sink.wait_for(kTargets);
  provider->close(closes_early ? 20ms : 0ms);

  const auto verdicts = sink.verdicts();
  EXPECT_EQ(verdicts.size(), kTargets);
  std::map<std::uint64_t, Verdict> by_tag;
  for (const auto& verdict : verdicts) {
    EXPECT_TRUE(by_tag.emplace(verdict.tag, verdict).second) << "twice: " << verdict.tag;
  }
  provider.reset();
  server.reset();  // its thread, which may still have had requests to read, is over
  std::size_t accepted = 0;
  for (const auto& [tag, verdict] : by_tag) {
    const std::string path = "/3/device/" + test::token_of(tag);
    if (verdict.kind == VerdictKind::kAccepted) {
      ++accepted;
      EXPECT_TRUE(faults->accepted_paths.contains(path)) << "nobody accepted " << tag;
    }
    if (verdict.kind == VerdictKind::kNotSent) {
      EXPECT_FALSE(faults->accepted_paths.contains(path)) << "accepted, yet NotSent: " << tag;
    }
    if (verdict.kind == VerdictKind::kTokenDead) {
      EXPECT_TRUE(faults->seen.contains(path));
    }
  }
  EXPECT_LE(accepted, faults->accepted);
  if (!closes_early) {
    EXPECT_GT(accepted, kTargets / 4) << "hardly anything got through";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PushChannelFaults, testing::Range(1u, kSeeds + 1));

}  // namespace
}  // namespace carillon::push
