// How many streams, which address, and what goes apart from the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "providers/apns/apns_provider.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"

namespace carillon::push::apns_connection_test {
namespace {

using namespace std::chrono_literals;
using test::batch_of;
using test::eventually;
using test::hello;
using test::RecordingSink;
using test::render_shared;
using test::ServerReply;
using test::ServerRequest;
using test::ServerSession;
using test::TestCredentials;
using test::TestServer;
using testing::SizeIs;

// Of test::token_of.
std::uint64_t tag_of(const ServerRequest& request) {
  const std::string& path = request.headers.at(":path");
  return std::stoull(path.substr(path.size() - 16), nullptr, 16);
}

class ApnsConnectionTest : public testing::Test {
 protected:
  ApnsConfig config_for(const std::string& endpoint) {
    ApnsConfig config;
    config.endpoint = endpoint;
    config.ca_file = TestCredentials::shared().ca_file();
    config.key_file = TestCredentials::shared().apns_key_file();
    config.key_id = "KEY1234567";
    config.team_id = "TEAM123456";
    config.bundle_id = "com.example.bells";
    return config;
  }
  void connect(const ApnsConfig& config) {
    auto made = make_apns_provider(config, sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }
  void submit(std::uint64_t first_tag, std::size_t count, bool doubtful = false) {
    auto batch = batch_of(render_shared(*provider, hello()), first_tag, count);
    batch.doubtful = doubtful;
    provider->submit(std::move(batch));
  }
  std::size_t count_of(VerdictKind kind) {
    const auto verdicts = sink.verdicts();
    return static_cast<std::size_t>(
        std::ranges::count(verdicts, kind, [](const Verdict& verdict) { return verdict.kind; }));
  }

  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

// As Apple's service is reported to do it: SETTINGS_MAX_CONCURRENT_STREAMS is 1, then n, then 1.
TEST_F(ApnsConnectionTest, SendsOneByOneUntilATokenWasTakenAndAgainWhenThePeerSaysSo) {
  constexpr std::size_t kMany = 10;
  TestServer server(
      {.streams_max = 1, .handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  auto config = config_for(server.url());
  config.connections_max = 1;
  connect(config);
  submit(0, 40);
  const auto open_streams = [&server] {
    std::size_t open = 0;
    server.each_session([&](ServerSession& session) { open = session.open.size(); });
    return open;
  };
  const auto answer_all = [](ServerSession& session) {
    for (const auto& [id, request] : std::map(session.open)) session.reply(id, ServerReply::ok());
  };

  ASSERT_TRUE(eventually([&] { return server.requests().size() == 1; }));
  EXPECT_EQ(open_streams(), 1U);
  server.each_session([&](ServerSession& session) {
    session.set_streams_max(kMany);
    answer_all(session);
  });
  ASSERT_TRUE(eventually([&] { return open_streams() == kMany; }));

  // One stream again, and what is under way is not processed.
  server.each_session([&](ServerSession& session) {
    session.set_streams_max(1);
    for (const auto& [id, request] : std::map(session.open)) {
      session.reply(id, ServerReply::reset(NGHTTP2_REFUSED_STREAM));
    }
  });
  ASSERT_TRUE(eventually([&] { return server.requests().size() == 1 + kMany + 1; }));
  EXPECT_EQ(open_streams(), 1U);
  // A request is written before the verdicts of those that made room for it are told.
  ASSERT_THAT(sink.wait_for(1 + kMany), SizeIs(1 + kMany));
  EXPECT_EQ(count_of(VerdictKind::kNotSent), kMany);

  server.each_session([&](ServerSession& session) {
    session.set_streams_max(kMany);
    answer_all(session);
  });
  ASSERT_TRUE(eventually([&] { return open_streams() == kMany; }));
  ASSERT_TRUE(eventually([&] {
    server.each_session(answer_all);
    return sink.verdicts().size() == 40;
  }));
  EXPECT_EQ(count_of(VerdictKind::kAccepted), 40 - kMany);
  EXPECT_EQ(server.accepted(), 1) << "all of it on one connection";
}

// The connection that the token was refused on stays what Apple has made of it. Neither has the
// next one to come at once, nor one for each refusal.
TEST_F(ApnsConnectionTest, ARefusedTokenEndsItsConnectionAndTheNextOneComesASecondLater) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kAtOnce = 20;
  std::mutex mutex;
  Clock::time_point refused_at{}, taken_at{};
  TestServer server({.streams_max = 1, .handler = [&](const ServerRequest& request) {
                       if (request.connection == 0) return ServerReply::silence();
                       const std::lock_guard lock(mutex);
                       taken_at = Clock::now();
                       return ServerReply::ok();
                     }});
  connect(config_for(server.url()));
  submit(0, 1);
  ASSERT_TRUE(eventually([&] { return server.requests().size() == 1; }));
  server.each_session([](ServerSession& session) {
    session.set_streams_max(kAtOnce);
    session.reply(1, ServerReply::ok());
  });
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  submit(1, kAtOnce);
  ASSERT_TRUE(eventually([&] { return server.requests().size() == 1 + kAtOnce; }));
  server.each_session([&](ServerSession& session) {
    const std::lock_guard lock(mutex);
    refused_at = Clock::now();
    session.set_streams_max(1);
    for (const auto& [id, request] : std::map(session.unanswered)) {
      session.reply(id, ServerReply::error(403, R"({"reason":"InvalidProviderToken"})"));
    }
  });
  ASSERT_THAT(sink.wait_for(1 + kAtOnce), SizeIs(1 + kAtOnce));
  EXPECT_EQ(count_of(VerdictKind::kCredentialRefused), kAtOnce);
  submit(100, 1);
  ASSERT_THAT(sink.wait_for(2 + kAtOnce), SizeIs(2 + kAtOnce));
  EXPECT_EQ(sink.verdicts().back().kind, VerdictKind::kAccepted);
  EXPECT_EQ(server.accepted(), 2);
  EXPECT_EQ(server.requests().back().connection, 1);
  const std::lock_guard lock(mutex);
  EXPECT_GE(taken_at - refused_at, 990ms) << "a second, by a clock of milliseconds";
}

TEST_F(ApnsConnectionTest, GoesToTheAddressThatWasUsedLongestAgoAndAsksForThemEachTime) {
  TestServer first({.streams_max = 10, .address = "127.0.0.1"});
  TestServer second({.streams_max = 10, .port = first.port(), .address = "127.0.0.2"});
  auto config = config_for(first.url());
  config.connections_max = 1;
  std::atomic<int> asked{0};
  config.resolve = [&asked](const std::string& host) {
    EXPECT_EQ(host, "localhost");
    ++asked;
    // Nobody is at the third: it is passed over at once.
    return std::vector<std::string>{"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  };
  connect(config);
  constexpr int kRounds = 4;
  for (int round = 1; round <= kRounds; ++round) {
    submit(static_cast<std::uint64_t>(round), 1);
    ASSERT_THAT(sink.wait_for(static_cast<std::size_t>(round)),
                SizeIs(static_cast<std::size_t>(round)));
    EXPECT_EQ(asked, round);
    EXPECT_EQ(first.accepted() + second.accepted(), round);
    EXPECT_LE(std::abs(first.accepted() - second.accepted()), 1) << "in turn";
    first.cut_all();
    second.cut_all();
    ASSERT_TRUE(eventually([&] { return provider->health().connections == 0; }));
  }
  provider->close(0ms);
}

TEST_F(ApnsConnectionTest, SpreadsItsConnectionsOverTheAddresses) {
  const auto silent = [](const ServerRequest& request) {
    // Only the first of a connection is answered: then it is full, and known to work.
    return request.stream_id == 1 ? ServerReply::ok() : ServerReply::silence();
  };
  TestServer first({.streams_max = 1, .handler = silent, .address = "127.0.0.1"});
  TestServer second(
      {.streams_max = 1, .handler = silent, .port = first.port(), .address = "127.0.0.2"});
  auto config = config_for(first.url());
  config.connections_max = 4;
  config.resolve = [](const std::string&) {
    return std::vector<std::string>{"127.0.0.1", "127.0.0.2"};
  };
  connect(config);
  submit(0, 50);
  ASSERT_TRUE(eventually([&] { return provider->health().connections == 4; }));
  EXPECT_EQ(first.accepted(), 2);
  EXPECT_EQ(second.accepted(), 2);
  provider->close(0ms);
}

// Apple slows and closes connections that bring many tokens which are none.
TEST_F(ApnsConnectionTest, WhatIsDoubtfulGoesOnAConnectionOfItsOwn) {
  constexpr std::uint64_t kDoubtfulFrom = 10'000;
  TestServer server({.streams_max = 10, .handler = [](const ServerRequest& request) {
                       return tag_of(request) >= kDoubtfulFrom
                                  ? ServerReply::error(400, R"({"reason":"BadDeviceToken"})")
                                  : ServerReply::ok();
                     }});
  connect(config_for(server.url()));
  for (int round = 0; round < 5; ++round) {
    submit(static_cast<std::uint64_t>(round) * 300, 300);
    submit(kDoubtfulFrom + static_cast<std::uint64_t>(round) * 300, 300, true);
  }
  ASSERT_THAT(sink.wait_for(3'000), SizeIs(3'000));
  std::set<int> sound, doubtful;
  for (const ServerRequest& request : server.requests()) {
    (tag_of(request) >= kDoubtfulFrom ? doubtful : sound).insert(request.connection);
  }
  EXPECT_THAT(doubtful, SizeIs(1)) << "one, whatever there is to send";
  for (const int connection : doubtful) EXPECT_FALSE(sound.contains(connection));
  EXPECT_EQ(count_of(VerdictKind::kAccepted), 1'500U);
}

TEST_F(ApnsConnectionTest, AConnectionThatEndsForBadTokensTakesNoOthersWithIt) {
  // The handler is told apart by connection: the one that has seen a bad token is cut at the third.
  const auto bad_of = std::make_shared<std::map<int, int>>();
  TestServer server({.streams_max = 4, .handler = [bad_of](const ServerRequest& request) {
                       if (tag_of(request) % 16 != 15) return ServerReply::ok();
                       if (++(*bad_of)[request.connection] >= 3) return ServerReply::cut();
                       return ServerReply::error(400, R"({"reason":"BadDeviceToken"})");
                     }});
  connect(config_for(server.url()));
  // Tags that end in f are bad: among the doubtful alone.
  std::size_t sent = 0;
  for (std::uint64_t tag = 0; tag < 32 * 16; tag += 16) {
    submit(tag, 15);
    submit(tag + 15, 1, true);
    sent += 15;
  }
  ASSERT_TRUE(eventually([&] { return count_of(VerdictKind::kAccepted) == sent; }));
  const auto verdicts = sink.verdicts();
  for (const Verdict& verdict : verdicts) {
    const bool is_good = verdict.tag % 16 != 15;
    EXPECT_EQ(is_good && verdict.kind != VerdictKind::kAccepted, false) << verdict.reason;
  }
  provider->close(0ms);
}

TEST_F(ApnsConnectionTest, WithASingleConnectionWhatIsDoubtfulGoesLast) {
  const auto answers = std::make_shared<std::atomic<bool>>(false);
  TestServer server({.streams_max = 1, .handler = [answers](const ServerRequest&) {
                       return *answers ? ServerReply::ok() : ServerReply::silence();
                     }});
  auto config = config_for(server.url());
  config.connections_max = 1;
  connect(config);
  submit(0, 1);
  ASSERT_TRUE(eventually([&] { return server.requests().size() == 1; }));
  submit(100, 3, true);
  submit(200, 3);
  ASSERT_TRUE(eventually([&] { return provider->health().queued == 6; }));
  *answers = true;
  server.each_session([](ServerSession& session) {
    for (const auto& [id, request] : std::map(session.open)) session.reply(id, ServerReply::ok());
  });
  ASSERT_THAT(sink.wait_for(7), SizeIs(7));
  const auto requests = server.requests();
  for (std::size_t i = 4; i < 7; ++i) {
    EXPECT_TRUE(requests[i].headers.at(":path").ends_with(test::token_of(100 + i - 4))) << i;
  }
}

// Apple answers a connection that brings a second token within 20 minutes of the first with 429
// TooManyProviderTokenUpdates.
class ApnsRenewalTest : public ApnsConnectionTest {
 protected:
  void serve_and_connect(std::size_t connections_max) {
    server.emplace(TestServer::Options{
        .streams_max = 1, .handler = [this](const ServerRequest& request) {
          const std::lock_guard lock(mutex);
          seen[request.connection].emplace(request.headers.at("authorization"), minutes);
          return holds ? ServerReply::silence() : ServerReply::ok();
        }});
    auto config = config_for(server->url());
    config.connections_max = connections_max;
    config.calendar = [this] {
      return std::chrono::system_clock::time_point(1'900'000'000s + std::chrono::minutes(minutes));
    };
    connect(config);
  }
  void send_one() {
    submit(sent++, 1);
    ASSERT_THAT(sink.wait_for(sent), SizeIs(sent));
  }
  // The server ends all connections in peace.
  void lose_connections() {
    server->each_session([](ServerSession& session) {
      session.send_goaway(1, NGHTTP2_NO_ERROR, R"({"reason":"Shutdown"})");
    });
    ASSERT_TRUE(eventually([&] { return provider->health().connections == 0; }));
  }
  // By connection, the minute of each token's first request.
  using Seen = std::map<int, std::map<std::string, int>>;
  Seen seen_so_far() {
    const std::lock_guard lock(mutex);
    return seen;
  }
  void expect_every_token_in_peace() {
    for (const auto& [connection, tokens] : seen_so_far()) {
      std::vector<int> minutes_seen;
      for (const auto& [token, minute] : tokens) minutes_seen.push_back(minute);
      std::ranges::sort(minutes_seen);
      for (std::size_t i = 1; i < minutes_seen.size(); ++i) {
        EXPECT_GE(minutes_seen[i] - minutes_seen[i - 1], 20) << "on connection " << connection;
      }
    }
    EXPECT_EQ(count_of(VerdictKind::kAccepted), sent);
  }

  std::atomic<int> minutes{0};
  std::atomic<bool> holds{false};
  std::mutex mutex;
  Seen seen;
  std::optional<TestServer> server;
  std::uint64_t sent = 0;
};

TEST_F(ApnsRenewalTest, AConnectionThatHasHadItsTokenForLongGoesOnWithTheNext) {
  serve_and_connect(1);
  send_one();
  minutes = 50;
  send_one();
  EXPECT_EQ(server->accepted(), 1);
  EXPECT_THAT(seen_so_far().at(0), SizeIs(2));
  expect_every_token_in_peace();
}

TEST_F(ApnsRenewalTest, AConnectionThatHasHadItsTokenForLessThanTwentyMinutesIsReplaced) {
  serve_and_connect(1);
  send_one();
  minutes = 45;
  lose_connections();
  send_one();
  minutes = 50;
  send_one();
  const auto seen_by_now = seen_so_far();
  ASSERT_THAT(seen_by_now, SizeIs(3));
  EXPECT_EQ(seen_by_now.at(0).begin()->first, seen_by_now.at(1).begin()->first);
  EXPECT_NE(seen_by_now.at(1).begin()->first, seen_by_now.at(2).begin()->first);
  expect_every_token_in_peace();
}

// Not the token's age counts, and a minute is kept for what the way to Apple takes.
TEST_F(ApnsRenewalTest, TheTimeCountsFromTheConnectionsFirstRequestAndIsTwentyOneMinutes) {
  serve_and_connect(1);
  send_one();
  minutes = 29;
  lose_connections();
  send_one();
  minutes = 50;
  send_one();
  EXPECT_EQ(server->accepted(), 2) << "21 minutes: it goes on";
  minutes = 80;
  lose_connections();
  send_one();
  minutes = 100;
  send_one();
  EXPECT_EQ(server->accepted(), 4) << "20 minutes: another";
  expect_every_token_in_peace();
}

TEST_F(ApnsRenewalTest, WhatIsOpenOnAReplacedConnectionEndsInPeaceWhileAnotherIsOpened) {
  serve_and_connect(2);
  send_one();
  minutes = 45;
  holds = true;
  // The old connection is full, so a young one opens; that is full, and one request waits.
  submit(sent, 3);
  sent += 3;
  ASSERT_TRUE(eventually([&] { return server->requests().size() == 3; }));
  ASSERT_EQ(server->accepted(), 2);
  holds = false;  // of what comes from now on, and nothing can before there is another connection
  minutes = 50;
  submit(sent++, 1);
  // While both are still held: on a third connection, with the new token.
  ASSERT_THAT(sink.wait_for(3), SizeIs(3));
  EXPECT_EQ(server->accepted(), 3);
  server->each_session([](ServerSession& session) {
    for (const auto& [id, request] : std::map(session.unanswered)) {
      session.reply(id, ServerReply::ok());
    }
  });
  ASSERT_THAT(sink.wait_for(sent), SizeIs(sent));
  EXPECT_THAT(seen_so_far().at(1), SizeIs(1));
  EXPECT_EQ(seen_so_far().at(2).begin()->second, 50);
  expect_every_token_in_peace();
}

}  // namespace
}  // namespace carillon::push::apns_connection_test
