#include "relay/api/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/relay/api/raw_client.h"

namespace carillon::api {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::uint64_t kBodyMax = 100;

// Answers with what it was asked: the method, the path, the body. "/refuse" is not let in,
// "/throw" throws, "/hold" waits for `release`, an "import" is read as it comes. "/later" is
// answered by `answer_late`, "/at-once" by another thread before the desk returns.
class EchoDesk : public Desk {
 public:
  tl::expected<Admission, Reply> admit(const RequestHead& head) override {
    ++admitted;
    auto target = parse_target(head.target);
    if (!target) return tl::unexpected(problem_reply(Problem::kMalformedRequest, target.error()));
    if (head.target == "/refuse") return tl::unexpected(problem_reply(Problem::kForbidden, ""));
    if (head.target == "/throw") throw std::runtime_error("a secret");
    const bool import = head.target.ends_with("/import");
    const std::string_view like = import ? "/v1/apps/a/import" : "/v1/events";
    Admission admission{.match = match_route("POST", parse_target(like)->segments),
                        .target = std::move(*target),
                        .body_bytes_max = kBodyMax};
    return admission;
  }
  std::optional<Reply> answer(const RequestHead& head, const Admission&, std::string_view body,
                              Later later) override {
    if (head.target == "/hold") wait_for_release();
    Reply reply;
    reply.body = head.method + " " + head.target + " " + std::string(body);
    if (head.target == "/large") reply.body.assign(8 * 1024 * 1024, 'x');
    if (head.target == "/at-once") {
      std::thread([&] { later([reply] { return reply; }); }).join();
      return std::nullopt;
    }
    if (head.target.starts_with("/later")) {
      const std::lock_guard lock(mutex_);
      awaited_.push_back([later, reply, fails = head.target == "/later-throw"] {
        later([reply, fails] { return fails ? throw std::runtime_error("a secret") : reply; });
      });
      changed_.notify_all();
      return std::nullopt;
    }
    return reply;
  }
  // Waits until as many answers are awaited, then gives them all.
  bool answer_late(std::size_t count) {
    std::vector<std::function<void()>> awaited;
    {
      std::unique_lock lock(mutex_);
      const auto all = [&] { return awaited_.size() >= count; };
      if (!changed_.wait_for(lock, RawClient::kDeadline, all)) return false;
      awaited.swap(awaited_);
    }
    for (const auto& give : awaited) give();
    return true;
  }
  bool wait_until_awaited(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, RawClient::kDeadline, [&] { return awaited_.size() >= count; });
  }
  Reply answer(const RequestHead&, const Admission&, BodySource& body) override {
    std::string all;
    while (true) {
      const auto part = body.next();
      if (!part) return problem_reply(part.error(), "");
      if (part->empty()) break;
      all += *part;
      ++parts;
    }
    Reply reply;
    reply.body = "imported " + all;
    return reply;
  }
  void on_answered(const RequestHead&, const Route*, int, std::chrono::nanoseconds) override {
    ++answered;
  }

  void wait_for_release() {
    std::unique_lock lock(mutex_);
    ++held;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  bool wait_until_held(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, RawClient::kDeadline, [&] { return held >= count; });
  }

  std::atomic<int> admitted{0}, answered{0}, parts{0};
  int held = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  std::vector<std::function<void()>> awaited_;
};

class GateTest : public testing::Test {
 protected:
  GateTest() {
    limits_.threads = 2;
    limits_.connections_max = 64;
    limits_.head_bytes_max = 2'000;
    limits_.streams_max = 1;
  }
  ~GateTest() override {
    desk_.release();
    desk_.answer_late(0);
    gate_.reset();
  }

  void open() {
    auto listener = listen_on("127.0.0.1:0");
    ASSERT_TRUE(listener) << listener.error();
    port_ = listener->port;
    gate_ = std::make_unique<Gate>(limits_, desk_);
    gate_->start(*listener);
  }
  RawClient client() const { return RawClient(port_); }
  bool eventually(const std::function<bool()>& holds) const {
    const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  GateLimits limits_;
  EchoDesk desk_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Gate> gate_;
};

TEST_F(GateTest, AnswersManyRequestsOnOneConnection) {
  open();
  RawClient client(port_);
  for (int i = 0; i < 100; ++i) {
    const auto answer = client.ask(request("GET", "/" + std::to_string(i)));
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, "GET /" + std::to_string(i) + " ");
  }
  EXPECT_EQ(gate_->stats().accepted, 1u);
}

TEST_F(GateTest, AnswersPipelinedRequestsInTheirOrder) {
  open();
  RawClient client(port_);
  client.say(request("POST", "/1", "", "one") + request("GET", "/2") +
             request("POST", "/3", "Transfer-Encoding: chunked\r\n") + "5\r\nthree\r\n0\r\n\r\n" +
             request("GET", "/4"));
  for (const char* const expected : {"POST /1 one", "GET /2 ", "POST /3 three", "GET /4 "}) {
    const auto answer = client.answer();
    ASSERT_TRUE(answer) << expected;
    EXPECT_EQ(answer->body, expected);
  }
}

TEST_F(GateTest, TakesARequestThatArrivesByteByByte) {
  open();
  RawClient client(port_);
  const std::string bytes = "\r\n" + request("POST", "/slow", "", "body");
  for (const char c : bytes) client.say(std::string_view(&c, 1));
  const auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "POST /slow body");
}

TEST_F(GateTest, ClosesWhenAskedTo) {
  open();
  RawClient client(port_);
  const auto answer = client.ask(request("GET", "/", "Connection: close\r\n"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->fields.at("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST_F(GateTest, ServesANinthClientWhileManyMoreThanItsThreadsAreSilentOrSlow) {
  open();
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(std::make_unique<RawClient>(port_));
    if (i % 4 == 1) silent.back()->say("GET / HT");
    if (i % 4 == 2)
      silent.back()->say("POST /x HTTP/1.1\r\nHost: r\r\nContent-Length: 50\r\n\r\nsome");
    if (i % 4 == 3) {
      silent.back()->say(
          "POST /x HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
    }
  }
  RawClient client(port_);
  const auto answer = client.ask(request("GET", "/alive"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "GET /alive ");
}

TEST_F(GateTest, ServesOthersWhileAClientDoesNotReadItsAnswers) {
  limits_.threads = 1;
  open();
  std::vector<std::unique_ptr<RawClient>> deaf;
  for (int i = 0; i < 3; ++i) {
    deaf.push_back(std::make_unique<RawClient>(port_));
    deaf.back()->say(request("GET", "/large"));
  }
  RawClient client(port_);
  const auto answer = client.ask(request("GET", "/alive"));
  ASSERT_TRUE(answer);
  const auto large = deaf[0]->answer();
  ASSERT_TRUE(large);
  EXPECT_EQ(large->body.size(), 8u * 1024 * 1024);
}

TEST_F(GateTest, GivesAHeadItsTimeFromTheFirstByteHoweverSlowlyItComes) {
  limits_.head_timeout = milliseconds(300);
  limits_.idle_timeout = milliseconds(60'000);
  open();
  RawClient client(port_);
  client.say("GET / HTTP/1.1\r\nX: ");
  // A byte every now and then, as long as no answer comes.
  while (!client.readable(milliseconds(20)) && client.say("x")) {
  }
  auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_TRUE(client.closed());

  RawClient stalled(port_);
  stalled.say("GET / HTTP/1.1\r\n");
  answer = stalled.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_TRUE(stalled.closed());
  EXPECT_GE(gate_->stats().timed_out, 1u);
}

TEST_F(GateTest, GivesABodyItsTime) {
  limits_.body_timeout = milliseconds(200);
  open();
  RawClient client(port_);
  client.say("POST / HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\n\r\nhel");
  const auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_TRUE(client.closed());
}

TEST_F(GateTest, ClosesAnIdleConnectionWithoutAWord) {
  limits_.idle_timeout = milliseconds(200);
  open();
  RawClient fresh(port_);
  RawClient kept(port_);
  ASSERT_TRUE(kept.ask(request("GET", "/")));
  EXPECT_FALSE(fresh.answer());
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(kept.closed());
  EXPECT_EQ(gate_->stats().timed_out, 0u);
}

TEST_F(GateTest, BoundsAHead) {
  open();
  const std::string frame = request("GET", "/", "X: \r\n");
  const std::string filling(limits_.head_bytes_max - frame.size(), 'x');
  const auto at_limit = client().ask(request("GET", "/", "X: " + filling + "\r\n"));
  ASSERT_TRUE(at_limit);
  EXPECT_EQ(at_limit->status, 200);
  const auto over = client().ask(request("GET", "/", "X: x" + filling + "\r\n"));
  ASSERT_TRUE(over);
  EXPECT_EQ(over->status, 431);
  // One that never ends, too.
  RawClient endless(port_);
  endless.say("GET / HTTP/1.1\r\nX: " + std::string(limits_.head_bytes_max, 'x'));
  const auto refused = endless.answer();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 431);
  EXPECT_TRUE(endless.closed());
}

TEST_F(GateTest, BoundsABodyWhicheverWayItComes) {
  open();
  const std::string most(kBodyMax, 'b');
  EXPECT_EQ(client().ask(request("POST", "/", "", most))->body, "POST / " + most);
  RawClient declared(port_);
  declared.say("POST / HTTP/1.1\r\nHost: r\r\nContent-Length: 101\r\n\r\n");
  EXPECT_EQ(declared.answer()->status, 413);
  EXPECT_TRUE(declared.closed());

  const std::string chunked = request("POST", "/", "Transfer-Encoding: chunked\r\n");
  const std::string half = "32\r\n" + std::string(50, 'c') + "\r\n";
  EXPECT_EQ(client().ask(chunked + half + half + "0\r\n\r\n")->status, 200);
}

TEST_F(GateTest, BoundsAChunkedBodyAtItsFirstByteTooMuch) {
  open();
  const std::string chunked = request("POST", "/", "Transfer-Encoding: chunked\r\n");
  const std::string half = "32\r\n" + std::string(50, 'c') + "\r\n";
  RawClient over(port_);
  over.say(chunked + half + half + "1\r\nx");
  const auto answer = over.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
  EXPECT_TRUE(over.closed());
  RawClient malformed(port_);
  malformed.say(chunked + "zz\r\n");
  EXPECT_EQ(malformed.answer()->status, 400);
}

TEST_F(GateTest, RefusesTwoFramings) {
  open();
  RawClient client(port_);
  client.say(request("POST", "/", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") +
             "0\r\n\r\n" + request("GET", "/smuggled"));
  const auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->fields.at("content-type"), "application/problem+json");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(desk_.admitted, 0);
}

TEST_F(GateTest, DoesNotReadOnBehindABodyThatWasNotLetIn) {
  open();
  RawClient client(port_);
  client.say(request("POST", "/refuse", "", request("GET", "/smuggled")));
  EXPECT_EQ(client.answer()->status, 403);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(desk_.admitted, 1);

  RawClient without_body(port_);
  EXPECT_EQ(without_body.ask(request("GET", "/refuse"))->status, 403);
  EXPECT_EQ(without_body.ask(request("GET", "/"))->status, 200) << "the connection goes on";
}

TEST_F(GateTest, AsksForABodyOnlyWhenItIsLetIn) {
  open();
  RawClient let_in(port_);
  let_in.say("POST / HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(let_in.read_through("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(let_in.ask("body")->body, "POST / body");
  RawClient refused(port_);
  refused.say(
      "POST /refuse HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(refused.answer()->status, 403);
}

TEST_F(GateTest, AnswersHeadWithoutABody) {
  open();
  RawClient client(port_);
  client.say(request("HEAD", "/x") + request("GET", "/y"));
  const auto head = client.answer(/*head_only=*/true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->fields.at("content-length"), "8");
  EXPECT_EQ(client.answer()->body, "GET /y ");
}

TEST_F(GateTest, KeepsWhatWentWrongToItself) {
  open();
  const auto answer = client().ask(request("GET", "/throw"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body.find("secret"), std::string::npos);
}

TEST_F(GateTest, TellsConnectionsOverTheLimitToComeBack) {
  limits_.connections_max = 4;
  open();
  std::vector<std::unique_ptr<RawClient>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(std::make_unique<RawClient>(port_));
    ASSERT_TRUE(held.back()->ask(request("GET", "/")));
  }
  RawClient over(port_);
  const auto answer = over.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->fields.at("retry-after"), "1");
  EXPECT_TRUE(over.closed());
  EXPECT_EQ(held[0]->ask(request("GET", "/"))->status, 200);
  EXPECT_EQ(gate_->stats().overflowed, 1u);
}

TEST_F(GateTest, BoundsTheMemoryOfBodiesOnTheirWay) {
  limits_.buffered_bytes_max = 150;
  open();
  const std::string begun = "POST / HTTP/1.1\r\nHost: r\r\nContent-Length: 100\r\n\r\nx";
  RawClient first(port_);
  first.say(begun);
  // The second is refused once the first is counted; until then it is the first.
  RawClient second(port_);
  second.say(begun);
  const auto is_refused = [](const std::optional<RawAnswer>& answer) {
    return answer && answer->status == 503;
  };
  RawClient third(port_);
  third.say(begun);
  EXPECT_TRUE(is_refused(third.answer()) || is_refused(second.answer()));
}

// --- answers that come later --------------------------------------------------------------------

TEST_F(GateTest, AnswersOthersWithItsOnlyWorkerWhileManyAnswersAreAwaited) {
  limits_.threads = 1;
  open();
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<RawClient>(port_));
    waiting.back()->say(request("POST", "/later", "", std::to_string(i)));
  }
  ASSERT_TRUE(desk_.wait_until_awaited(20));
  EXPECT_EQ(client().ask(request("GET", "/alive"))->body, "GET /alive ");
  EXPECT_EQ(desk_.answered, 1) << "none of those that wait";
  ASSERT_TRUE(desk_.answer_late(20));
  for (int i = 0; i < 20; ++i) {
    const auto answer = waiting[static_cast<std::size_t>(i)]->answer();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, "POST /later " + std::to_string(i));
  }
}

TEST_F(GateTest, TakesAnAnswerThatComesBeforeTheDeskReturns) {
  open();
  RawClient client(port_);
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.ask(request("POST", "/at-once", "", std::to_string(i)));
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, "POST /at-once " + std::to_string(i));
  }
}

TEST_F(GateTest, AnswersPipelinedRequestsInTheirOrderAlsoIfOneIsAwaited) {
  open();
  RawClient client(port_);
  client.say(request("POST", "/later", "", "one") + request("GET", "/2"));
  ASSERT_TRUE(desk_.answer_late(1));
  EXPECT_EQ(client.answer()->body, "POST /later one");
  EXPECT_EQ(client.answer()->body, "GET /2 ");
}

TEST_F(GateTest, KeepsWhatWentWrongWithALateAnswerToItself) {
  open();
  RawClient client(port_);
  client.say(request("POST", "/later-throw", "", "x"));
  ASSERT_TRUE(desk_.answer_late(1));
  const auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body.find("secret"), std::string::npos);
}

TEST_F(GateTest, ForgetsAClientThatLeavesBeforeItsAnswer) {
  open();
  {
    RawClient gone(port_);
    gone.say(request("POST", "/later", "", "x"));
    ASSERT_TRUE(desk_.wait_until_awaited(1));
  }
  ASSERT_TRUE(desk_.answer_late(1));
  EXPECT_TRUE(eventually([&] { return gate_->stats().connections == 0; }));
  EXPECT_EQ(desk_.answered, 1) << "the request has happened all the same";
}

TEST_F(GateTest, ChargesTheBodiesOfAwaitedRequestsUntilTheyAreAnswered) {
  limits_.buffered_bytes_max = 150;
  open();
  RawClient awaited(port_);
  awaited.say(request("POST", "/later", "", std::string(100, 'a')));
  ASSERT_TRUE(desk_.wait_until_awaited(1));
  EXPECT_EQ(client().ask(request("POST", "/", "", std::string(50, 'b')))->status, 200);
  EXPECT_EQ(client().ask(request("POST", "/", "", std::string(51, 'b')))->status, 503);
  EXPECT_EQ(client().ask(request("GET", "/"))->status, 200) << "has no body";
  ASSERT_TRUE(desk_.answer_late(1));
  ASSERT_TRUE(awaited.answer());
  EXPECT_EQ(client().ask(request("POST", "/", "", std::string(51, 'b')))->status, 200);
}

TEST_F(GateTest, ChargesAChunkedBodyForWhatItHasWhenItIsThere) {
  limits_.buffered_bytes_max = kBodyMax + 10;
  open();
  RawClient awaited(port_);
  awaited.say(request("POST", "/later", "Transfer-Encoding: chunked\r\n") +
              "a\r\n0123456789\r\n0\r\n\r\n");
  ASSERT_TRUE(desk_.wait_until_awaited(1));
  EXPECT_EQ(client().ask(request("POST", "/", "", std::string(kBodyMax, 'b')))->status, 200);
}

TEST_F(GateTest, WaitsForAwaitedAnswersWhenItStopsHoweverShortTheGrace) {
  for (const milliseconds grace : {milliseconds(0), milliseconds(60'000)}) {
    open();
    auto waiting = std::make_optional<RawClient>(port_);
    waiting->say(request("POST", "/later", "", "x"));
    ASSERT_TRUE(desk_.wait_until_awaited(1));
    std::atomic<bool> stopped{false};
    std::thread stopping([&] {
      gate_->stop(grace);
      stopped = true;
    });
    EXPECT_TRUE(eventually([&] { return !client().ask(request("GET", "/")); }));
    EXPECT_FALSE(stopped);
    const bool cut = grace == milliseconds(0);
    // Seen before the answer comes: otherwise either may be first.
    if (cut) {
      EXPECT_TRUE(waiting->closed());
    }
    EXPECT_TRUE(desk_.answer_late(1));
    if (!cut) {
      EXPECT_TRUE(waiting->answer());
    }
    waiting.reset();
    stopping.join();
  }
}

TEST_F(GateTest, ReadsAnImportAsItComesAndBoundsTheirNumber) {
  open();
  RawClient import(port_);
  import.say(request("POST", "/import", "Transfer-Encoding: chunked\r\n") + "3\r\none\r\n");
  const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
  while (desk_.parts == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  ASSERT_EQ(desk_.parts, 1) << "before the rest was sent";
  EXPECT_EQ(client().ask(request("POST", "/import", "", "x"))->status, 503);
  const auto answer = import.ask("4\r\n two\r\n0\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "imported one two");
  EXPECT_EQ(import.ask(request("POST", "/import", "", "again"))->body, "imported again");
}

TEST_F(GateTest, BoundsAnImportAndGivesItItsTime) {
  limits_.body_timeout = milliseconds(200);
  open();
  RawClient over(port_);
  over.say(request("POST", "/import", "Transfer-Encoding: chunked\r\n") + "65\r\n" +
           std::string(101, 'x'));
  EXPECT_EQ(over.answer()->status, 413);
  RawClient stalled(port_);
  stalled.say("POST /import HTTP/1.1\r\nHost: r\r\nContent-Length: 9\r\n\r\nx");
  EXPECT_EQ(stalled.answer()->status, 408);
}

TEST_F(GateTest, LetsARequestThatHasBegunEndWhenItStops) {
  open();
  RawClient idle(port_);
  RawClient busy(port_);
  busy.say(request("GET", "/hold"));
  ASSERT_TRUE(desk_.wait_until_held(1));
  std::thread stopping([this] { gate_->stop(RawClient::kDeadline); });
  EXPECT_TRUE(idle.closed()) << "at once";
  desk_.release();
  const auto answer = busy.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "GET /hold ");
  EXPECT_EQ(answer->fields.at("connection"), "close");
  stopping.join();
  EXPECT_FALSE(client().answer());
}

TEST_F(GateTest, CutsWhatDoesNotEndInTime) {
  open();
  RawClient import(port_);
  import.say(request("POST", "/import", "Transfer-Encoding: chunked\r\n") + "3\r\none\r\n");
  RawClient half(port_);
  half.say("GET / HT");
  const auto deadline = std::chrono::steady_clock::now() + RawClient::kDeadline;
  while (desk_.parts == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  gate_->stop(milliseconds(50));
  EXPECT_TRUE(import.closed());
  EXPECT_TRUE(half.closed());
}

TEST(Listener, SaysInASentenceWhyItCannotListen) {
  const auto first = listen_on("127.0.0.1:0");
  ASSERT_TRUE(first);
  const auto second = listen_on("127.0.0.1:" + std::to_string(first->port));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("is in use"));
  EXPECT_THAT(second.error(), HasSubstr("[http]"));
  close(first->socket);
  for (const char* const bad :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x"}) {
    const auto refused = listen_on(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_THAT(refused.error(), HasSubstr("address:port"));
  }
  EXPECT_THAT(listen_on("203.0.113.7:0").error(), HasSubstr("not an address of this machine"));
}

}  // namespace
}  // namespace carillon::api
