#include "providers/http2/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/providers/test_server_session.h"

namespace carillon::push::http2 {
namespace {

using test::ServerReply;
using test::ServerRequest;
using test::ServerSession;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kHighWater = 64 * 1024;

struct Ended {
  Ending ending;
  std::string word;
  int status;
  std::string body;
  std::string retry_after;
};

// A client and a server with a pipe between them that the test can cut, stop and count.
class SessionTest : public testing::Test {
 protected:
  ~SessionTest() override { settle_all(); }

  void begin(ServerSession::Options options, std::size_t streams_max = 1000) {
    client.emplace(streams_max);
    server.emplace(std::move(options));
  }

  // A request that ends under `name`.
  Stream& start(const std::string& name, std::string_view before = "body",
                std::string_view token = "", std::string_view after = "") {
    Stream& stream = client->acquire();
    stream.path = "/3/device/" + name;
    stream.head = &head;
    stream.body = {before, token, after};
    EXPECT_TRUE(client->start(stream));
    return stream;
  }

  // What the client has for the wire; counted as handed over.
  std::vector<std::uint8_t> from_client() {
    std::vector<std::uint8_t> bytes;
    EXPECT_TRUE(client->produce(bytes, kHighWater).has_value());
    handed += bytes.size();
    return bytes;
  }

  void to_client(const std::vector<std::uint8_t>& bytes, std::size_t cut = SIZE_MAX) {
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::min(cut, bytes.size() - at);
      ASSERT_TRUE(client->receive({bytes.data() + at, size}).has_value());
      at += size;
    }
  }

  // Passes bytes until both are quiet, in pieces of at most `cut`.
  void talk(std::size_t cut = SIZE_MAX) {
    for (;;) {
      const auto up = from_client();
      for (std::size_t at = 0; at < up.size();) {
        const std::size_t size = std::min(cut, up.size() - at);
        server->receive({up.data() + at, size});
        at += size;
      }
      const auto down = server->produce();
      to_client(down, cut);
      take();
      if (up.empty() && down.empty()) return;
    }
  }

  void take() {
    for (auto streams = client->take_ended(); !streams.empty(); streams = client->take_ended()) {
      for (Stream* stream : streams) {
        ended[stream->path.substr(sizeof "/3/device/" - 1)].push_back(
            {stream->ending, stream->word, stream->status, stream->answer_body,
             stream->retry_after});
        client->release(*stream);
      }
    }
  }

  void settle_all() {
    if (!client) return;
    client->abandon(handed, "ConnectionLost");
    take();
  }

  Ended only(const std::string& name) {
    EXPECT_EQ(ended[name].size(), 1u) << name;
    return ended[name].empty() ? Ended{} : ended[name].front();
  }

  std::optional<Session> client;
  std::optional<ServerSession> server;
  RequestHead head{.first = {header_of(":method", "POST"), header_of(":scheme", "https"),
                             header_of(":authority", "a.test")},
                   .path_differs = true};
  std::map<std::string, std::vector<Ended>> ended;
  std::uint64_t handed = 0;
};

ServerReply ok(const ServerRequest&) {
  return ServerReply::ok();
}

TEST_F(SessionTest, StartsNothingBeforeThePeersSettings) {
  begin({.streams_max = 1, .handler = ok});
  EXPECT_EQ(client->room(), 0u);
  EXPECT_FALSE(client->accepting());
  talk();
  EXPECT_EQ(client->room(), 1u);
}

TEST_F(SessionTest, TakesTheLimitFromSettingsAsItChanges) {
  begin({.streams_max = 1});
  talk();
  EXPECT_EQ(client->room(), 1u);
  server->set_streams_max(1000);
  talk();
  EXPECT_EQ(client->room(), 1000u);
  for (int i = 0; i < 3; ++i) start(std::to_string(i));
  talk();
  EXPECT_EQ(client->room(), 997u);
  server->set_streams_max(1);
  talk();
  EXPECT_EQ(client->room(), 0u) << "three are open, one is allowed";
  for (const auto& request : server->complete) server->reply(request.stream_id, ServerReply::ok());
  talk();
  EXPECT_EQ(client->room(), 1u);
}

TEST_F(SessionTest, TakesNoMoreThanItsOwnLimit) {
  begin({.handler = ok}, /*streams_max=*/100);
  talk();
  EXPECT_EQ(client->room(), 100u) << "the peer allows any number";
  server->set_streams_max(1000);
  talk();
  EXPECT_EQ(client->room(), 100u);
}

TEST_F(SessionTest, SendsABodyInThreePiecesAsOne) {
  begin({.streams_max = 10, .handler = ok});
  talk();
  start("a", "{\"token\":\"", "TOKEN", "\"}");
  start("b", "", "TOKEN", "");
  start("c", "", "", "end");
  start("none", "", "", "");
  talk();
  std::map<std::string, std::string> bodies;
  for (auto& request : server->complete) bodies[request.headers[":path"]] = request.body;
  EXPECT_EQ(bodies["/3/device/a"], "{\"token\":\"TOKEN\"}");
  EXPECT_EQ(bodies["/3/device/b"], "TOKEN");
  EXPECT_EQ(bodies["/3/device/c"], "end");
  EXPECT_EQ(bodies["/3/device/none"], "");
  EXPECT_EQ(only("none").ending, Ending::kAnswered);
}

TEST_F(SessionTest, KeepsTheBodyOfAnErrorUpToItsLimitAndSkipsThatOfASuccess) {
  const std::string most(kErrorBodyBytesMax, 'e');
  begin({.streams_max = 10, .handler = [&](const ServerRequest& request) {
           const auto& path = request.headers.at(":path");
           if (path.ends_with("fine")) return ServerReply{.body = "welcome"};
           auto reply = ServerReply::error(503, path.ends_with("most") ? most : most + "x");
           reply.headers["retry-after"] = "7";
           return reply;
         }});
  talk();
  start("fine");
  start("most");
  start("more");
  talk();
  EXPECT_EQ(only("fine").body, "");
  EXPECT_EQ(only("most").body, most);
  EXPECT_EQ(only("more").body, most);
  EXPECT_EQ(only("more").status, 503);
  EXPECT_EQ(only("more").retry_after, "7");
}

TEST_F(SessionTest, ReusesASlotWithoutTheLastAnswersRemains) {
  begin({.streams_max = 1, .handler = [](const ServerRequest& request) {
           auto reply = ServerReply::ok();
           if (request.stream_id == 1) {
             reply = ServerReply::error(410, "gone");
             reply.headers["retry-after"] = "9";
           }
           return reply;
         }});
  talk();
  start("first");
  talk();
  start("second");
  talk();
  EXPECT_EQ(only("first").status, 410);
  EXPECT_EQ(only("second").status, 200);
  EXPECT_EQ(only("second").body, "");
  EXPECT_EQ(only("second").retry_after, "");
}

TEST_F(SessionTest, SplitsItsStreamsAtTheLastOneThatAGoawayNames) {
  begin({.streams_max = 10});
  talk();
  for (const char* name : {"1", "3", "5", "7"}) start(name);
  talk();
  server->send_goaway(3, NGHTTP2_NO_ERROR, R"({"reason":"BadCertificateEnvironment"})");
  talk();
  EXPECT_EQ(only("5").ending, Ending::kNotSent);
  EXPECT_EQ(only("7").ending, Ending::kNotSent);
  EXPECT_EQ(only("7").word, "GoAway: BadCertificateEnvironment");
  EXPECT_TRUE(ended["1"].empty()) << "the peer may still answer";
  EXPECT_FALSE(client->accepting());
  EXPECT_EQ(client->room(), 0u);
  ASSERT_TRUE(client->goaway().has_value());
  EXPECT_EQ(client->goaway()->last_stream_id, 3);
  EXPECT_EQ(client->goaway()->reason, "BadCertificateEnvironment");
  server->reply(1, ServerReply::ok());
  server->reply(3, ServerReply::error(410, "{}"));
  talk();
  EXPECT_EQ(only("1").status, 200);
  EXPECT_EQ(only("3").status, 410);
}

TEST_F(SessionTest, KeepsTheReasonWhenTheNextGoawayHasNone) {
  begin({.streams_max = 10});
  talk();
  start("1");  // silence keeps the connection open
  talk();
  server->send_goaway(5, NGHTTP2_ENHANCE_YOUR_CALM, "Too many\x01 streams");
  talk();
  server->send_goaway(1, NGHTTP2_NO_ERROR, "");
  talk();
  EXPECT_EQ(client->goaway()->last_stream_id, 1);
  EXPECT_EQ(client->goaway()->reason, "Too many? streams");
}

TEST_F(SessionTest, KnowsThatARequestThatWasStillQueuedAtAGoawayWasNotSent) {
  begin({.streams_max = 10});
  talk();
  start("queued");  // not produced
  server->send_goaway(0, NGHTTP2_NO_ERROR, "");
  to_client(server->produce());
  talk();
  EXPECT_EQ(only("queued").ending, Ending::kNotSent);
  EXPECT_TRUE(server->complete.empty());
}

TEST_F(SessionTest, TellsARefusedStreamFromOneThatWasReset) {
  begin({.streams_max = 10, .handler = [](const ServerRequest& request) {
           return ServerReply::reset(request.headers.at(":path").ends_with("refused")
                                         ? NGHTTP2_REFUSED_STREAM
                                         : NGHTTP2_INTERNAL_ERROR);
         }});
  talk();
  start("refused");
  start("reset");
  talk();
  EXPECT_EQ(only("refused").ending, Ending::kNotSent);
  EXPECT_EQ(only("refused").word, "StreamRefused");
  EXPECT_EQ(only("reset").ending, Ending::kUnanswered);
  EXPECT_EQ(only("reset").word, "StreamReset");
}

TEST_F(SessionTest, DoesNotTakeAnInterimAnswerForOne) {
  begin({.streams_max = 10});
  talk();
  start("a");
  talk();
  ASSERT_EQ(client->open_count(), 1u);
  to_client({0, 0, 5, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, 0, 0, 1,  // frame of stream 1
             0x08, 3, '1', '0', '3'});                                        // :status
  to_client({0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, NGHTTP2_NO_ERROR});
  take();
  EXPECT_EQ(only("a").ending, Ending::kUnanswered);
  EXPECT_EQ(only("a").word, "StreamReset");
}

TEST_F(SessionTest, DoesNotTakeARequestForSentThatNeverLeftOurBuffers) {
  begin({.streams_max = 10});
  talk();
  start("sent");
  talk();
  start("in a buffer");
  std::vector<std::uint8_t> buffer;
  ASSERT_TRUE(client->produce(buffer, kHighWater).has_value());
  start("in the session");
  client->abandon(handed, "ConnectionLost");
  take();
  EXPECT_EQ(only("sent").ending, Ending::kUnanswered);
  EXPECT_EQ(only("in a buffer").ending, Ending::kNotSent);
  EXPECT_EQ(only("in the session").ending, Ending::kNotSent);
  EXPECT_EQ(only("sent").word, "ConnectionLost");
}

TEST_F(SessionTest, CountsARequestAsSentFromItsFirstByte) {
  begin({.streams_max = 10});
  talk();
  start("a");
  std::vector<std::uint8_t> buffer;
  ASSERT_TRUE(client->produce(buffer, kHighWater).has_value());
  client->abandon(handed + 1, "ConnectionLost");
  take();
  EXPECT_EQ(only("a").ending, Ending::kUnanswered);
}

TEST_F(SessionTest, ForgetsACancelledRequestAndTellsThePeer) {
  begin({.streams_max = 10});
  talk();
  Stream& stream = start("slow");
  talk();
  stream.timed_out = true;
  client->cancel(stream);
  talk();
  EXPECT_EQ(only("slow").ending, Ending::kUnanswered);
  EXPECT_EQ(only("slow").word, "Timeout");
  EXPECT_THAT(server->reset_by_client, ElementsAre(1));
}

TEST_F(SessionTest, CallsACancelledRequestNotSentIfItHadNotLeft) {
  begin({.streams_max = 10});
  talk();
  Stream& stream = start("slow");
  stream.timed_out = true;
  client->cancel(stream);
  talk();
  EXPECT_EQ(only("slow").ending, Ending::kNotSent);
  EXPECT_TRUE(server->complete.empty());
}

TEST_F(SessionTest, WaitsForThePeersWindowAndGoesOnWhenItOpens) {
  // Stream windows of 10 bytes: a body of 4000 takes hundreds of turns; every turn must go on.
  begin({.streams_max = 10, .window_bytes = 10, .handler = ok});
  talk();
  const std::string text(4000, 'b');
  const std::string_view big = text;
  start("a", big);
  start("b", "", big.substr(0, 1000), big.substr(1000));
  talk();
  EXPECT_EQ(only("a").ending, Ending::kAnswered);
  EXPECT_EQ(only("b").ending, Ending::kAnswered);
  for (const auto& request : server->complete) EXPECT_EQ(request.body, big);
}

TEST_F(SessionTest, UnderstandsBytesCutAnywhere) {
  for (const std::size_t cut : {1u, 2u, 3u, 8u, 9u, 10u, 17u, 23u, 24u, 25u}) {
    SCOPED_TRACE(cut);
    settle_all();
    ended.clear();
    begin({.streams_max = 10, .handler = [](const ServerRequest& request) {
             return request.stream_id % 4 == 1
                        ? ServerReply::ok()
                        : ServerReply::error(400, R"({"reason":"BadDeviceToken"})");
           }});
    for (int round = 0; round < 3; ++round) {
      talk(cut);
      for (int i = 0; i < 4; ++i) start(std::to_string(round * 4 + i), "x", "y", "z");
    }
    talk(cut);
    EXPECT_EQ(ended.size(), 12u);
    for (const auto& [name, endings] : ended) {
      ASSERT_THAT(endings, SizeIs(1));
      EXPECT_EQ(endings[0].ending, Ending::kAnswered);
      if (endings[0].status == 400) {
        EXPECT_EQ(endings[0].body, R"({"reason":"BadDeviceToken"})");
      }
    }
  }
}

TEST_F(SessionTest, SaysWhatIsWrongWithBytesThatAreNoHttp2) {
  begin({});
  const std::string text = "HTTP/1.1 400 Bad Request\r\n\r\n";
  EXPECT_FALSE(client->finished());
  client->receive({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  from_client();
  EXPECT_TRUE(client->finished());
  EXPECT_FALSE(client->accepting());
  EXPECT_THAT(client->complaint(), HasSubstr("expected SETTINGS"));
}

TEST_F(SessionTest, CountsPongs) {
  begin({});
  talk();
  client->submit_ping();
  EXPECT_EQ(client->pongs(), 0u);
  talk();
  EXPECT_EQ(client->pongs(), 1u);
  EXPECT_EQ(server->pings, 1);
}

TEST_F(SessionTest, KeepsTheOrderOfStartsForTimeouts) {
  begin({.streams_max = 10});
  talk();
  start("1");
  start("3");
  start("5");
  talk();
  server->reply(3, ServerReply::ok());
  talk();
  ASSERT_NE(client->oldest(), nullptr);
  EXPECT_EQ(client->oldest()->id, 1);
  EXPECT_EQ(client->oldest()->next->id, 5);
  EXPECT_EQ(client->open_count(), 2u);
}

// Whatever a peer does, in whatever order, every request ends exactly once.
TEST_F(SessionTest, EndsEveryRequestExactlyOnceWhateverThePeerDoes) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto chance = [&random](unsigned of) { return random() % of == 0; };
    ended.clear();
    handed = 0;
    begin({.streams_max = static_cast<std::uint32_t>(1 + random() % 20)});
    std::size_t started = 0;
    for (int turn = 0; turn < 60; ++turn) {
      for (auto room = client->room(); room > 0 && !chance(4); --room) {
        start(std::to_string(started++), std::string_view("0123456789").substr(random() % 10));
      }
      if (chance(10) && client->oldest() != nullptr) {
        client->oldest()->timed_out = true;
        client->cancel(*client->oldest());
      }
      if (chance(8)) server->set_streams_max(static_cast<std::uint32_t>(random() % 20));
      if (chance(40)) {
        server->send_goaway(static_cast<std::int32_t>(2 * (random() % 40) + 1), NGHTTP2_NO_ERROR,
                            "");
      }
      auto requests = std::exchange(server->complete, {});
      for (const auto& request : requests) {
        if (!server->open.contains(request.stream_id)) continue;
        switch (random() % 5) {
          case 0:
            server->reply(request.stream_id, ServerReply::reset(NGHTTP2_REFUSED_STREAM));
            break;
          case 1:
            server->reply(request.stream_id, ServerReply::reset(NGHTTP2_CANCEL));
            break;
          case 2:
            server->reply(request.stream_id, ServerReply::error(503, "busy"));
            break;
          case 3:
            server->reply(request.stream_id, ServerReply::ok());
            break;
          default:  // silence
            break;
        }
      }
      const auto up = from_client();
      server->receive(up);
      const auto down = server->produce();
      if (!client->receive(down).has_value()) break;
      take();
    }
    settle_all();
    EXPECT_EQ(client->open_count(), 0u);
    std::size_t count = 0;
    for (const auto& [name, endings] : ended) {
      EXPECT_THAT(endings, SizeIs(1)) << name;
      count += endings.size();
    }
    EXPECT_EQ(count, started);
  }
}

TEST_F(SessionTest, SplitsHeadersThatNoSingleFrameHolds) {
  for (const std::size_t size : {16'000u, 16'384u, 16'385u, 40'000u}) {
    begin({.handler = [](const ServerRequest&) { return ServerReply::ok(); }});
    const std::string value(size, '\\');  // twice as long if Huffman-coded, so it is not
    head.rest = {header_of("x-long", value, NGHTTP2_NV_FLAG_NO_INDEX)};
    head.number = RequestHead::next_number();
    talk();
    start("long");
    start("after");
    talk();
    ASSERT_THAT(server->complete, SizeIs(2)) << size;
    EXPECT_EQ(server->complete[0].headers["x-long"], value);
    EXPECT_EQ(server->complete[1].headers["x-long"], value);
    EXPECT_EQ(server->complete[0].body, "body");
    settle_all();
  }
}

TEST_F(SessionTest, ARequestCancelledBeforeItsFirstByteTakesNothingFromThoseAfterIt) {
  begin({.handler = [](const ServerRequest&) { return ServerReply::ok(); }});
  head.rest = {header_of("apns-topic", "com.example.video")};
  talk();
  client->cancel(start("cancelled"));
  start("first");
  start("second");
  talk();
  ASSERT_THAT(server->complete, SizeIs(2));
  EXPECT_EQ(server->complete[0].headers["apns-topic"], "com.example.video");
  EXPECT_EQ(server->complete[1].headers["apns-topic"], "com.example.video");
}

TEST_F(SessionTest, EveryTableSizeThatThePeerNamesIsAcknowledgedEvenIfTheLastIsTheFirst) {
  begin({.handler = [](const ServerRequest&) { return ServerReply::ok(); }});
  head.rest = {header_of("apns-topic", "com.example.video"), header_of("apns-priority", "10")};
  talk();
  for (int i = 0; i < 3; ++i) start(std::to_string(i));
  talk();
  server->set_table_sizes({0, 4'096});
  talk();
  for (int i = 3; i < 6; ++i) start(std::to_string(i));
  talk();
  ASSERT_THAT(server->complete, SizeIs(6));
  for (auto& request : server->complete) {
    EXPECT_EQ(request.headers["apns-topic"], "com.example.video");
    EXPECT_EQ(request.headers["apns-priority"], "10");
  }
}

}  // namespace
}  // namespace carillon::push::http2
