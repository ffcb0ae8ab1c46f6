#include "providers/apns/apns_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "providers/auth/token_shelf.h"
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

constexpr std::chrono::milliseconds kGrace{20'000};  // longer than any test waits

// An app, Apple's part played by a TestServer.
class ApnsProviderTest : public testing::Test {
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

TEST_F(ApnsProviderTest, SendsWhatIsUrgentBeforeWhatIsQueued) {
  constexpr std::uint64_t kUrgentTag = 5'000;
  const auto answers = std::make_shared<std::atomic<bool>>(false);
  serve({.streams_max = 2, .handler = [answers](const ServerRequest&) {
           return *answers ? ServerReply::ok() : ServerReply::silence();
         }});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(config);
  const auto message = render_shared(*provider, hello());
  provider->submit(batch_of(message, 1, 50));
  ASSERT_TRUE(eventually([&] { return server->requests().size() == 2; }));
  auto urgent = batch_of(message, kUrgentTag, 1);
  urgent.urgent = true;
  provider->submit(std::move(urgent));
  *answers = true;
  server->each_session([](test::ServerSession& session) {
    const auto unanswered = session.unanswered;
    for (const auto& [id, request] : unanswered) session.reply(id, ServerReply::ok());
  });
  EXPECT_THAT(sink.wait_for(51), SizeIs(51));
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(51));
  EXPECT_EQ(requests[2].headers.at(":path"), "/3/device/" + test::token_of(kUrgentTag));
}

TEST_F(ApnsProviderTest, KeepsOneOfSeveralConnectionsForWhatIsUrgentWhileItComes) {
  constexpr std::uint64_t kBulkTag = 10'000, kUrgentTag = 20'000;
  const auto is_bulk = [](const ServerRequest& request) {
    const std::string& path = request.headers.at(":path");
    return path >= "/3/device/" + test::token_of(kBulkTag) &&
           path < "/3/device/" + test::token_of(kUrgentTag);
  };
  serve({.streams_max = 5, .handler = [=](const ServerRequest& request) {
           return is_bulk(request) ? ServerReply::silence() : ServerReply::ok();
         }});
  auto config = config_for(server->url());
  config.connections_max = 2;
  connect(config);
  const auto message = render_shared(*provider, hello());
  std::uint64_t tag = 0;
  ASSERT_TRUE(eventually([&] {  // until both connections have answered
    provider->submit(batch_of(message, tag, 100));
    tag += 100;
    sink.wait_for(tag);
    std::set<int> connections;
    for (const auto& request : server->requests()) connections.insert(request.connection);
    return connections.size() == 2;
  }));
  const auto submit_urgent = [&](std::uint64_t number) {
    auto batch = batch_of(message, kUrgentTag + number, 1);
    batch.urgent = true;
    provider->submit(std::move(batch));
    ++tag;
    const auto verdicts = sink.wait_for(tag);
    EXPECT_THAT(verdicts, SizeIs(tag));
    EXPECT_THAT(verdicts, Contains(Field(&Verdict::tag, kUrgentTag + number)));
  };
  submit_urgent(0);
  provider->submit(batch_of(message, kBulkTag, 50));
  const auto bulk_on_the_wire = [&] {
    const auto requests = server->requests();
    return std::count_if(requests.begin(), requests.end(), is_bulk);
  };
  ASSERT_TRUE(eventually([&] { return bulk_on_the_wire() >= 5; }));
  for (std::uint64_t number = 1; number <= 20; ++number) submit_urgent(number);
  EXPECT_EQ(bulk_on_the_wire(), 5) << "they have taken the streams of both connections";
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

TEST_F(ApnsProviderTest, ObeysALimitThatFallsAndRises) {
  serve({.streams_max = 1, .handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(std::move(config));
  submit(0, 100);
  // Waits until the provider has as many requests open as it may, and answers them.
  const auto answer = [&](std::size_t expected) {
    std::size_t waiting = 0;
    EXPECT_TRUE(eventually([&] {
      server->each_session(
          [&](test::ServerSession& session) { waiting = session.unanswered.size(); });
      return waiting >= expected;
    }));
    EXPECT_EQ(waiting, expected);
    server->each_session([](test::ServerSession& session) {
      const auto unanswered = session.unanswered;
      for (const auto& [id, request] : unanswered) session.reply(id, ServerReply::ok());
    });
  };
  answer(1);
  answer(1);
  server->each_session([](test::ServerSession& session) { session.set_streams_max(20); });
  answer(20);
  answer(20);
  // Falls while 20 are open: those stay, no more come than there may be.
  ASSERT_TRUE(eventually([&] { return server->requests().size() == 62; }));
  server->each_session([](test::ServerSession& session) { session.set_streams_max(1); });
  ASSERT_TRUE(eventually([&] { return provider->health().stream_slots == 1; }));
  answer(20);
  for (int i = 62; i < 100; ++i) answer(1);
  const auto verdicts = sink.wait_for(100);
  EXPECT_THAT(kinds(verdicts), AllOf(SizeIs(100), Each(VerdictKind::kAccepted)));
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(ApnsProviderTest, SaysHowMuchMayUsefullyBeOutstanding) {
  serve({.streams_max = 500});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(std::move(config));
  EXPECT_GT(provider->window(), 0u) << "there must be something to connect for";
  submit(0, 1);
  sink.wait_for(1);
  EXPECT_TRUE(eventually([&] { return provider->window() == 1000; }));
  EXPECT_EQ(provider->health().stream_slots, 500u);
  EXPECT_EQ(provider->health().connections, 1u);
  server->each_session([](test::ServerSession& session) { session.set_streams_max(100); });
  submit(1, 1);
  sink.wait_for(2);
  EXPECT_TRUE(eventually([&] { return provider->window() == 200; }));
}

TEST_F(ApnsProviderTest, OpensMoreConnectionsWhenOneIsNotEnough) {
  serve({.streams_max = 5, .handler = [](const ServerRequest& request) {
           return request.stream_id == 1 ? ServerReply::ok() : ServerReply::silence();
         }});
  auto config = config_for(server->url());
  config.connections_max = 3;
  connect(std::move(config));
  submit(0, 64);
  EXPECT_TRUE(eventually([&] { return provider->health().connections == 3; }));
  EXPECT_EQ(server->accepted(), 3) << "and not one more";
}

TEST_F(ApnsProviderTest, ReportsWhatAGoawayCutOffAsNotSentAndGoesOnElsewhere) {
  serve({.streams_max = 100, .handler = [](const ServerRequest& request) {
           if (request.connection > 0) return ServerReply::ok();
           if (request.stream_id == 21) {
             return ServerReply{.kind = ServerReply::Kind::kGoaway,
                                .error_code = NGHTTP2_NO_ERROR,
                                .last_stream_id = 9,
                                .debug_data = R"({"reason":"Shutdown"})"};
           }
           return request.stream_id <= 9 ? ServerReply::ok() : ServerReply::silence();
         }});
  connect();
  submit(0, 11);
  const auto verdicts = sink.wait_for(11);
  ASSERT_THAT(verdicts, SizeIs(11));
  EXPECT_EQ(std::count_if(verdicts.begin(), verdicts.end(),
                          [](const Verdict& v) { return v.kind == VerdictKind::kAccepted; }),
            5);
  EXPECT_EQ(std::count_if(verdicts.begin(), verdicts.end(),
                          [](const Verdict& v) { return v.kind == VerdictKind::kNotSent; }),
            6);
  submit(100, 10);
  EXPECT_THAT(sink.wait_for(21), SizeIs(21));
  EXPECT_EQ(server->accepted(), 2);
}

TEST_F(ApnsProviderTest, KeepsTheReasonOfAGoaway) {
  serve({.streams_max = 10, .handler = [](const ServerRequest&) {
           return ServerReply{.kind = ServerReply::Kind::kGoaway,
                              .error_code = NGHTTP2_NO_ERROR,
                              .last_stream_id = 0,
                              .debug_data = R"({"reason":"BadCertificateEnvironment"})"};
         }});
  connect();
  submit(0, 1);
  const auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdicts[0].reason, "GoAway: BadCertificateEnvironment");
  EXPECT_TRUE(eventually([&] {
    return provider->health().last_error.find("BadCertificateEnvironment") != std::string::npos;
  }));
}

TEST_F(ApnsProviderTest, WhoeverHasAVerdictFindsInItsHealthWhy) {
  class AskingSink final : public VerdictSink {
   public:
    void on_verdicts(std::span<const Verdict>) noexcept override {
      said.set_value(asked->health().last_error);
    }
    Provider* asked = nullptr;
    std::promise<std::string> said;
  };
  serve({.streams_max = 10, .handler = [](const ServerRequest&) {
           return ServerReply{.kind = ServerReply::Kind::kGoaway,
                              .error_code = NGHTTP2_NO_ERROR,
                              .last_stream_id = 0,
                              .debug_data = R"({"reason":"BadCertificateEnvironment"})"};
         }});
  AskingSink asking;
  auto made = make_apns_provider(config_for(server->url()), asking, loop);
  ASSERT_TRUE(made.has_value());
  provider = std::move(*made);
  asking.asked = provider.get();
  submit(0, 1);
  auto said = asking.said.get_future();
  ASSERT_EQ(said.wait_for(test::kPatience), std::future_status::ready);
  EXPECT_THAT(said.get(), HasSubstr("BadCertificateEnvironment"));
  provider.reset();  // before its sink
}

TEST_F(ApnsProviderTest, MovesWhatIsQueuedToAnotherConnectionSilently) {
  serve({.streams_max = 1, .handler = [](const ServerRequest& request) {
           return request.connection == 0 ? ServerReply::cut() : ServerReply::ok();
         }});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(std::move(config));
  submit(0, 20);
  const auto verdicts = sink.wait_for(20);
  ASSERT_THAT(verdicts, SizeIs(20));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kUnanswered);
  EXPECT_EQ(verdicts[0].reason, "ConnectionLost");
  EXPECT_EQ(std::count_if(verdicts.begin(), verdicts.end(),
                          [](const Verdict& v) { return v.kind == VerdictKind::kAccepted; }),
            19);
}

TEST_F(ApnsProviderTest, GivesUpARequestThatIsNotAnsweredInTime) {
  serve(
      {.streams_max = 10, .handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  auto config = config_for(server->url());
  config.request_timeout = 100ms;
  connect(std::move(config));
  submit(0, 3);
  const auto verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kUnanswered)));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::reason, "Timeout")));
  EXPECT_TRUE(eventually([&] { return server->resets() == 3; })) << "the peer is told";
  EXPECT_EQ(provider->health().connections, 1u) << "the connection stays";
}

TEST_F(ApnsProviderTest, AsksAPeerForLifeWhenRequestsAreStuckAndLeavesItWhenThereIsNone) {
  serve({.streams_max = 10, .handler = [](const ServerRequest& request) {
           return request.connection == 0 && request.stream_id > 1 ? ServerReply::silence()
                                                                   : ServerReply::ok();
         }});
  auto config = config_for(server->url());
  config.stuck_after = 50ms;
  config.ping_max = 3s;  // a peer that is alive may be slow to say so; the deaf one costs all of it
  connect(std::move(config));
  submit(0, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  submit(1, 2);
  EXPECT_TRUE(eventually([&] { return server->pings() >= 2; })) << "alive, but slow: asked again";
  EXPECT_THAT(sink.verdicts(), SizeIs(1));
  server->go_deaf();
  const auto verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kUnanswered);
  EXPECT_EQ(verdicts[1].reason, "ConnectionLost");
  EXPECT_THAT(provider->health().last_error, HasSubstr("did not answer a PING"));
  submit(3, 1);
  EXPECT_THAT(sink.wait_for(4), SizeIs(4));
  EXPECT_EQ(sink.verdicts().back().kind, VerdictKind::kAccepted);
}

TEST_F(ApnsProviderTest, KeepsAnIdleConnectionWarmWithPings) {
  serve({.streams_max = 10});
  auto config = config_for(server->url());
  config.idle_after = 40ms;
  connect(std::move(config));
  submit(0, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  EXPECT_TRUE(eventually([&] { return server->pings() >= 3; }));
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(ApnsProviderTest, WaitsForAServiceThatComesBack) {
  // It keeps its port meanwhile; nobody is at the other address.
  serve({.streams_max = 10, .address = "127.0.0.1"});
  auto config = config_for(server->url());
  const auto is_back = std::make_shared<std::atomic<bool>>(false);
  config.resolve = [is_back](const std::string&) {
    return std::vector<std::string>{*is_back ? "127.0.0.1" : "127.0.0.2"};
  };
  connect(std::move(config));
  submit(0, 5);
  EXPECT_TRUE(eventually([&] { return !provider->health().last_error.empty(); }));
  EXPECT_THAT(sink.verdicts(), IsEmpty()) << "queued, not lost";
  EXPECT_EQ(provider->health().queued, 5u);
  *is_back = true;
  EXPECT_THAT(sink.wait_for(5), SizeIs(5));
  EXPECT_THAT(kinds(sink.verdicts()), Each(VerdictKind::kAccepted));
}

TEST_F(ApnsProviderTest, RenewsATokenThatAppleCallsExpiredOnANewConnection) {
  std::atomic<std::int64_t> now{1'900'000'000};
  std::atomic<bool> expired{false};
  serve({.streams_max = 10, .handler = [&](const ServerRequest& request) {
           return expired && request.connection == 0
                      ? ServerReply::error(403, R"({"reason":"ExpiredProviderToken"})")
                      : ServerReply::ok();
         }});
  auto config = config_for(server->url());
  config.calendar = [&] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  connect(std::move(config));
  submit(0, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1));
  now += 30 * 60;  // not yet time to renew it by itself
  expired = true;
  submit(1, 1);
  auto verdicts = sink.wait_for(2);
  ASSERT_THAT(verdicts, SizeIs(2));
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdicts[1].reason, "ExpiredProviderToken");
  submit(2, 1);
  verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_EQ(verdicts[2].kind, VerdictKind::kAccepted);
  const auto requests = server->requests();
  EXPECT_EQ(requests[2].connection, 1);
  EXPECT_EQ(requests[0].headers.at("authorization"), requests[1].headers.at("authorization"));
  EXPECT_NE(requests[1].headers.at("authorization"), requests[2].headers.at("authorization"));
}

TEST_F(ApnsProviderTest, SharesItsTokenWithEveryOtherAppOfTheKeyAndWithItsOwnSuccessor) {
  serve({.streams_max = 10});
  const auto tokens = std::make_shared<auth::TokenShelf>();
  RecordingSink other_sink;
  auto other_app = config_for(server->url());
  other_app.bundle_id = "com.example.chimes";
  other_app.connections_max = 1;
  auto other_team = other_app;
  other_team.team_id = "TEAM999999";
  std::size_t sent = 0;
  std::unique_ptr<Provider> first_app;
  for (const ApnsConfig& config : {config_for(server->url()), other_app, other_team}) {
    const auto one = make_apns_provider(config, other_sink, loop, tokens).value();
    // As a candidate beside it, which is made before the one in service goes.
    const auto successor = make_apns_provider(config, other_sink, loop, tokens).value();
    for (Provider* const asked : {one.get(), successor.get()}) {
      asked->submit(batch_of(render_shared(*asked, hello()), sent, 1));
      ++sent;
      ASSERT_THAT(other_sink.wait_for(sent), SizeIs(sent));
    }
    if (first_app == nullptr)
      first_app = make_apns_provider(config, other_sink, loop, tokens).value();
  }
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(6));
  const auto token = [&](std::size_t i) { return requests[i].headers.at("authorization"); };
  for (const std::size_t i : {1u, 2u, 3u}) EXPECT_EQ(token(i), token(0)) << i;
  EXPECT_NE(token(4), token(0));
  EXPECT_EQ(token(5), token(4));
}

TEST_F(ApnsProviderTest, SuspectsTheClockWhenAFreshTokenIsCalledExpired) {
  serve({.streams_max = 10, .handler = [](const ServerRequest&) {
           return ServerReply::error(403, R"({"reason":"ExpiredProviderToken"})");
         }});
  connect();
  submit(0, 1);
  const auto verdicts = sink.wait_for(1);
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kCredentialRefused);
  EXPECT_TRUE(
      eventually([&] { return provider->health().last_error.find("clock") != std::string::npos; }));
}

TEST_F(ApnsProviderTest, DoesNotSendATokenThatWouldBreakOutOfThePath) {
  serve({.streams_max = 10});
  connect();
  auto batch = batch_of(render_shared(*provider, hello()), 1, 3);
  batch.tokens[64] = '/';
  provider->submit(std::move(batch));
  const auto verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  const auto bad = std::find_if(verdicts.begin(), verdicts.end(),
                                [](const Verdict& verdict) { return verdict.tag == 2; });
  EXPECT_EQ(bad->kind, VerdictKind::kTokenUnusable);
  EXPECT_EQ(bad->reason, "MalformedToken");
  EXPECT_THAT(server->requests(), SizeIs(2));
}

TEST_F(ApnsProviderTest, SettlesEverythingWhenItIsClosed) {
  serve(
      {.streams_max = 10, .handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(std::move(config));
  submit(0, 100);
  ASSERT_TRUE(eventually([&] { return server->requests().size() == 10; }));
  provider->close(0ms);
  const auto verdicts = sink.verdicts();
  ASSERT_THAT(verdicts, SizeIs(100));
  EXPECT_EQ(std::count_if(verdicts.begin(), verdicts.end(),
                          [](const Verdict& v) { return v.kind == VerdictKind::kUnanswered; }),
            10);
  EXPECT_EQ(std::count_if(verdicts.begin(), verdicts.end(),
                          [](const Verdict& v) { return v.kind == VerdictKind::kNotSent; }),
            90);
  EXPECT_THAT(verdicts, Each(Field(&Verdict::reason, "Closed")));
  submit(100, 1);
  provider->close(0ms);
  provider.reset();
  EXPECT_THAT(sink.verdicts(), SizeIs(100)) << "nothing reaches the sink after close";
}

TEST_F(ApnsProviderTest, GivesWhatIsOnTheWireItsGrace) {
  serve(
      {.streams_max = 10, .handler = [](const ServerRequest&) { return ServerReply::silence(); }});
  connect();
  submit(0, 5);
  ASSERT_TRUE(eventually([&] { return server->requests().size() == 5; }));
  std::thread closer([&] { provider->close(kGrace); });
  ASSERT_TRUE(
      eventually([&] { return server->saw_goaway() || provider->health().connections == 0; }));
  server->each_session([](test::ServerSession& session) {
    const auto unanswered = session.unanswered;
    for (const auto& [id, request] : unanswered) session.reply(id, ServerReply::ok());
  });
  closer.join();
  EXPECT_THAT(kinds(sink.verdicts()), AllOf(SizeIs(5), Each(VerdictKind::kAccepted)));
}

TEST_F(ApnsProviderTest, ClosesWithoutEverHavingConnected) {
  serve({.mute = true});
  connect();
  provider->close(0ms);
  connect();
  submit(0, 5);
  ASSERT_TRUE(eventually([&] { return server->accepted() == 1; }));
  provider->close(0ms);
  EXPECT_THAT(sink.verdicts(),
              AllOf(SizeIs(5), Each(Field(&Verdict::kind, VerdictKind::kNotSent))));
}

TEST_F(ApnsProviderTest, TakesBatchesFromManyThreads) {
  serve({.streams_max = 100});
  connect();
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kBatches = 20;
  const auto message = render_shared(*provider, hello());
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < kBatches; ++i) {
        provider->submit(batch_of(message, (thread * kBatches + i) * 10, 10));
        provider->health();
        provider->window();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto verdicts = sink.wait_for(kThreads * kBatches * 10);
  std::set<std::uint64_t> tags;
  for (const auto& verdict : verdicts) tags.insert(verdict.tag);
  EXPECT_EQ(tags.size(), kThreads * kBatches * 10);
  EXPECT_EQ(verdicts.size(), tags.size());
}

TEST_F(ApnsProviderTest, ReportsAllProblemsOfItsConfigurationAtOnce) {
  ApnsConfig config;
  config.endpoint = "https://api.push.apple.com/3/device";
  config.ca_file = "/nowhere/ca.pem";
  config.key_file = TestCredentials::shared().p384_key_file();
  config.key_id = "short";
  config.team_id = "much too long";
  config.bundle_id = "com example";
  config.streams_max = 0;
  const auto made = make_apns_provider(config, sink, loop);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error(),
              ElementsAre(HasSubstr("endpoint"), HasSubstr("ca_file: /nowhere/ca.pem"),
                          AllOf(HasSubstr("key_file: "), HasSubstr("p384.pem is not an ECDSA key")),
                          HasSubstr("key_id \"short\""), HasSubstr("team_id"),
                          HasSubstr("bundle_id"), HasSubstr("streams_max")));
}

// What is posted is how urgent batches come.
TEST_F(ApnsProviderTest, ABulkBatchLetsOthersOnTheLoopHaveTurnsInBetween) {
  serve({.streams_max = 1'000});
  auto config = config_for(server->url());
  config.connections_max = 1;
  connect(std::move(config));
  submit(1, 1);
  ASSERT_THAT(sink.wait_for(1), SizeIs(1)) << "the connection is there";

  constexpr std::size_t kTargets = 1'200, kStartsPerTurn = 240;  // as connection.cc has it
  // In between two looks a connection may have had a turn by itself and one because answers came;
  // more if the system held the loop up, but not each time.
  constexpr int kRounds = 5;
  std::size_t least = kTargets, submitted = 1;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::size_t> in_flight;  // whenever the loop came by; the loop's thread only
    std::atomic<bool> over{false};
    // Kept by the last look itself: what this thread posts may come before one more of them.
    std::promise<void> ended;
    std::function<void()> look = [&] {
      in_flight.push_back(provider->health().in_flight);
      if (over) return ended.set_value();
      loop.post(look);
    };
    loop.post(look);
    submit(submitted + 1, kTargets);
    submitted += kTargets;
    ASSERT_THAT(sink.wait_for(submitted), SizeIs(submitted));
    over = true;
    ended.get_future().wait();
    std::size_t most_at_once = 0;
    for (std::size_t i = 1; i < in_flight.size(); ++i) {
      most_at_once =
          std::max(most_at_once, in_flight[i] - std::min(in_flight[i], in_flight[i - 1]));
    }
    EXPECT_GT(most_at_once, 0u);
    least = std::min(least, most_at_once);
  }
  EXPECT_LE(least, 2 * kStartsPerTurn);
}

}  // namespace
}  // namespace carillon::push
