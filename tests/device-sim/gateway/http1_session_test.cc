#include "device-sim/gateway/http1_session.h"

#include <gtest/gtest.h>

#include <vector>

namespace device_sim {
namespace {

// Answers with what it was asked, and remembers it.
class EchoGateway final : public Gateway {
 public:
  explicit EchoGateway(LoopContext& context) : context_(context) {}

  ConnectionFate answer(Request& request, Response& response) override {
    asked.push_back(std::string(request.get(Field::kMethod)) + " " +
                    std::string(request.get(Field::kPath)) + " " + request.body);
    response.body = request.body;
    return fate;
  }
  LoopContext& context() override { return context_; }
  GatewayCounters& counters() override { return counters_; }

  std::vector<std::string> asked;
  ConnectionFate fate = ConnectionFate::kStays;

 private:
  LoopContext& context_;
  GatewayCounters counters_;
};

class Http1SessionTest : public ::testing::Test {
 protected:
  using State = ProtocolSession::State;

  std::string receive(const std::string& bytes) {
    session_.receive(bytes);
    std::string out;
    session_.produce(out);
    return out;
  }

  Population population_{1, Mix{}, 10};
  Journal journal_{{.devices_max = 10}};
  DeviceBook book_{population_};
  FaultBoard faults_;
  LoopContext context_{population_, journal_, book_, faults_, 1};
  EchoGateway gateway_{context_};
  Http1Session session_{gateway_};
};

const std::string kPost = "POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
const std::string kChunked =
    "POST /send HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: "
    "1\r\n\r\n";

TEST_F(Http1SessionTest, AnswersABodyByLength) {
  EXPECT_EQ(receive(kPost), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
  EXPECT_EQ(session_.state(), State::kOpen);
}

TEST_F(Http1SessionTest, AnswersAChunkedBody) {
  EXPECT_EQ(receive(kChunked), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
}

TEST_F(Http1SessionTest, ReadsARequestCutAtEveryByte) {
  for (const std::string& request : {kPost, kChunked}) {
    for (std::size_t cut = 1; cut < request.size(); ++cut) {
      gateway_.asked.clear();
      const std::string first = receive(request.substr(0, cut));
      const std::string second = receive(request.substr(cut));
      ASSERT_EQ(gateway_.asked, std::vector<std::string>{"POST /send abc"}) << cut;
      ASSERT_TRUE((first + second).ends_with("\r\n\r\nabc")) << cut;
    }
  }
}

TEST_F(Http1SessionTest, AnswersPipelinedRequestsInOrder) {
  const std::string answers = receive("\r\n" + kPost + kChunked + "GET /next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(gateway_.asked,
            (std::vector<std::string>{"POST /send abc", "POST /send abc", "GET /next "}));
  EXPECT_TRUE(answers.ends_with("content-length: 0\r\n\r\n"));
}

TEST_F(Http1SessionTest, InvitesABodyThatIsExpected) {
  EXPECT_EQ(receive("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(receive("a").starts_with("HTTP/1.1 200"));
}

TEST_F(Http1SessionTest, ClosesWhenTheClientAsks) {
  const std::string answer = receive("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("connection: close"), std::string::npos);
  EXPECT_EQ(session_.state(), State::kFinished);
}

TEST_F(Http1SessionTest, ClosesWhenItIsSentAway) {
  gateway_.fate = ConnectionFate::kGoesAway;
  EXPECT_NE(receive(kPost).find("connection: close"), std::string::npos);
  EXPECT_EQ(session_.state(), State::kFinished);
}

TEST_F(Http1SessionTest, SaysNothingWhenItIsCut) {
  gateway_.fate = ConnectionFate::kIsCut;
  EXPECT_EQ(receive(kPost), "");
  EXPECT_EQ(session_.state(), State::kCut);
  EXPECT_EQ(gateway_.asked.size(), 1U) << "the request was processed, only its answer is lost";
}

TEST_F(Http1SessionTest, HoldsAnswersBackForTheLatency) {
  faults_.set({.latency_ms = 20});
  const auto start = ProtocolSession::Time{} + std::chrono::hours(1);
  context_.begin_batch({.unix_ms = 1, .steady = start});
  EXPECT_EQ(receive(kPost + kPost), "");
  ASSERT_EQ(session_.next_due(), start + std::chrono::milliseconds(20));
  session_.release_due(start + std::chrono::milliseconds(19));
  EXPECT_EQ(receive(""), "");
  session_.release_due(start + std::chrono::milliseconds(20));
  EXPECT_TRUE(receive("").ends_with("abc"));
  EXPECT_EQ(gateway_.asked.size(), 2U) << "the pipelined request came after the first was answered";
}

TEST_F(Http1SessionTest, IsCutWhenTheClientSendsMoreThanAMebibyteAhead) {
  faults_.set({.latency_ms = 20});
  context_.begin_batch({.unix_ms = 1, .steady = {}});
  receive(kPost + std::string((1 << 20) - 1, 'x'));
  receive("x");
  EXPECT_EQ(session_.state(), State::kOpen);
  receive("x");
  EXPECT_EQ(session_.state(), State::kCut);
}

TEST_F(Http1SessionTest, RefusesWhatIsMalformedAndEndsTheConnection) {
  for (const std::string& request :
       {std::string("GET / HTTP/1.0\r\n\r\n"), std::string("GET /\r\n\r\n"),
        std::string("G T / HTTP/1.1x\r\n\r\n"), std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nbad name: 1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc"),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(300, '1')}) {
    Http1Session session(gateway_);
    session.receive(request);
    std::string out;
    session.produce(out);
    EXPECT_TRUE(out.starts_with("HTTP/1.1 400")) << request << out;
    EXPECT_EQ(session.state(), State::kFinished);
  }
  EXPECT_TRUE(gateway_.asked.empty());
}

TEST_F(Http1SessionTest, TakesAHeadUpTo16KiB) {
  const std::string start = "GET / HTTP/1.1\r\nx: ";
  const std::string fits = start + std::string(kRequestHeadBytesMax - start.size(), 'a');
  EXPECT_TRUE(receive(fits + "\r\n\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(receive(fits + "a\r\n\r\n").starts_with("HTTP/1.1 431"));
}

}  // namespace
}  // namespace device_sim
