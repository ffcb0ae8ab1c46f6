// `publish` and `watch` against a server that answers as a test wants.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "relay/cli/api_client.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/publish_command.h"
#include "relay/cli/watch_command.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/temporary_folder.h"

namespace carillon::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kEvent = "01900000-0000-7000-8000-000000000001";

std::string document(const std::string& state, unsigned accepted, unsigned targeted = 10) {
  return json{{"id", kEvent},
              {"state", state},
              {"counters",
               {{"targeted", targeted}, {"accepted", accepted}, {"pending", targeted - accepted}}},
              {"rate_per_second", 5}}
      .dump();
}

std::string sse(const std::string& event, const std::string& data) {
  return fmt::format("event: {}\ndata: {}\n\n", event, data);
}

// Listens on a port of the system's choice while it lives.
class TestServer {
 public:
  void start() {
    port_ = server.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server.listen_after_bind(); });
    // It is bound: who connects from now on is heard. But `stop` needs it running.
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!server.is_running() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  }
  ~TestServer() {
    server.stop();
    if (thread_.joinable()) thread_.join();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

  httplib::Server server;

 private:
  int port_ = 0;
  std::thread thread_;
};

class HttpCommandsTest : public testing::Test {
 protected:
  ApiClient client() {
    auto api =
        ApiClient::connect_to({.url = server_.url(), .key = "crl_test", .ca_file = ""},
                              at_.terminal, {.connect = 5s, .read = 5s, .stream_silence = 5s});
    EXPECT_TRUE(api) << api.error();
    return std::move(*api);
  }
  int watch(bool as_json = false) {
    ApiClient api = client();
    WatchOptions options;
    options.event = kEvent;
    options.json = as_json;
    options.give_up_after = give_up_after_;
    options.pause = [this](std::chrono::milliseconds duration) { pauses_.push_back(duration); };
    return run_watch(at_.terminal, api, options);
  }
  // Serves the streams one after the other, then the last again; an empty one is a 503.
  void serve_streams(std::vector<std::string> streams) {
    server_.server.Get(fmt::format("/v1/events/{}/progress", kEvent),
                       [this, streams = std::move(streams)](const auto&, auto& response) {
                         const std::size_t i =
                             std::min<std::size_t>(streams_++, streams.size() - 1);
                         if (streams[i].empty()) {
                           response.status = 503;
                         } else {
                           response.set_content(streams[i], "text/event-stream");
                         }
                       });
  }
  void serve_document(const std::string& body) {
    server_.server.Get(fmt::format("/v1/events/{}", kEvent),
                       [this, body](const auto&, auto& response) {
                         ++polls_;
                         response.set_content(body, "application/json");
                       });
  }

  StringTerminal at_;
  TestServer server_;
  std::atomic<std::size_t> streams_{0};
  std::atomic<int> polls_{0};
  std::vector<std::chrono::milliseconds> pauses_;
  std::chrono::milliseconds give_up_after_ = 60s;
};

TEST_F(HttpCommandsTest, WatchFollowsTheStreamToItsEnd) {
  serve_streams({sse("progress", document("running", 4)) + ": still here\n\n" +
                 sse("progress", document("completed", 10)) + "event: end\n\n"});
  server_.start();
  EXPECT_EQ(watch(), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("running: 40 %, 4 of 10: 4 accepted"));
  EXPECT_THAT(at_.out.str(), HasSubstr(fmt::format("event {} completed\n", kEvent)));
  EXPECT_THAT(at_.out.str(), HasSubstr("accepted                 10\n"));
  EXPECT_EQ(polls_, 0);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(HttpCommandsTest, WatchEndsOnTheDocumentOfTheEndItself) {
  serve_streams({sse("end", document("completed", 10))});
  server_.start();
  EXPECT_EQ(watch(), kExitOk);
}

TEST_F(HttpCommandsTest, WatchDrawsABarOnATerminal) {
  at_.terminal.out_is_terminal = true;
  serve_streams({sse("progress", document("running", 4)) + sse("end", document("completed", 10))});
  server_.start();
  EXPECT_EQ(watch(), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("\rrunning "));
  EXPECT_THAT(at_.out.str(), HasSubstr("\r\x1b[Kevent "));
}

TEST_F(HttpCommandsTest, WatchPrintsOneDocumentALineAsJson) {
  serve_streams({sse("progress", document("running", 4)) + sse("end", document("completed", 10))});
  server_.start();
  EXPECT_EQ(watch(true), kExitOk);
  std::istringstream lines(at_.out.str());
  std::vector<std::string> states;
  for (std::string line; std::getline(lines, line);) states.push_back(json::parse(line)["state"]);
  EXPECT_EQ(states, (std::vector<std::string>{"running", "completed"}));
}

TEST_F(HttpCommandsTest, WatchAsksForTheDocumentAndConnectsAgainWhenTheStreamIsLost) {
  serve_streams({sse("progress", document("running", 4)), "",
                 sse("progress", document("completed", 10)) + "event: end\n\n"});
  serve_document(document("running", 5));
  server_.start();
  EXPECT_EQ(watch(), kExitOk);
  EXPECT_EQ(streams_, 3U);
  EXPECT_EQ(polls_, 2);
  EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(HttpCommandsTest, WatchLearnsTheEndByAskingToo) {
  serve_streams({""});
  serve_document(document("completed", 10));
  server_.start();
  EXPECT_EQ(watch(), kExitOk);
  EXPECT_EQ(streams_, 1U);
}

TEST_F(HttpCommandsTest, WatchWaitsLongerEachTimeAndGivesUp) {
  give_up_after_ = 0ms;
  serve_streams({""});
  server_.server.Get(fmt::format("/v1/events/{}", kEvent),
                     [](const auto&, auto& response) { response.status = 503; });
  server_.start();
  EXPECT_EQ(watch(), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("the relay answered 503"));
}

TEST_F(HttpCommandsTest, WatchSaysThatNobodyListens) {
  std::string url;
  {
    TestServer gone;
    gone.start();
    url = gone.url();
  }
  give_up_after_ = 0ms;
  auto api = ApiClient::connect_to({.url = url, .key = "k", .ca_file = ""}, at_.terminal);
  ASSERT_TRUE(api);
  WatchOptions options;
  options.event = kEvent;
  options.give_up_after = 0ms;
  EXPECT_EQ(run_watch(at_.terminal, *api, options), kExitFailure);
  EXPECT_EQ(at_.err.str(),
            fmt::format("carillon: cannot connect to {}: is the relay running there? "
                        "(CARILLON_URL or --url says where)\n",
                        url));
}

TEST_F(HttpCommandsTest, ACancelledEventIsAFailure) {
  serve_streams({sse("end", document("cancelled", 3))});
  server_.start();
  EXPECT_EQ(watch(), kExitFailure);
  EXPECT_THAT(at_.out.str(), HasSubstr("cancelled\n"));
}

TEST_F(HttpCommandsTest, AnUnknownEventIsTheRelaysProblemDocument) {
  server_.server.Get(R"(/v1/events/.*)", [](const auto&, auto& response) {
    response.status = 404;
    response.set_content(
        R"({"type":"urn:carillon:problem:unknown-event","title":"There is no such event",)"
        R"("status":404,"detail":"it may have been another relay's"})",
        "application/problem+json");
  });
  server_.start();
  EXPECT_EQ(watch(), kExitFailure);
  EXPECT_EQ(at_.err.str(),
            "carillon: There is no such event (404)\n  it may have been another relay's\n");
}

TEST_F(HttpCommandsTest, AnEventThatIsNoIdIsNotAskedFor) {
  server_.start();
  ApiClient api = client();
  for (const char* const event : {"", "../keys", "01900000-0000-7000-8000-00000000000g"}) {
    WatchOptions options;
    options.event = event;
    EXPECT_EQ(run_watch(at_.terminal, api, options), kExitUsage) << event;
  }
}

TEST_F(HttpCommandsTest, PublishSendsTheEventAndPrintsItsId) {
  json body;
  std::string authorization;
  std::string idempotency_key;
  server_.server.Post("/v1/events", [&](const httplib::Request& request, auto& response) {
    body = json::parse(request.body);
    authorization = request.get_header_value("Authorization");
    idempotency_key = request.get_header_value("Idempotency-Key");
    response.status = 202;
    response.set_content(json{{"id", kEvent}, {"state", "queued"}}.dump(), "application/json");
  });
  server_.start();
  ApiClient api = client();
  PublishOptions options;
  options.app = "video";
  options.topics = {"channel-42"};
  options.title = "New upload";
  options.body = "Bells";
  options.image = "https://example.com/a.png";
  options.data = {"video=bruges-3", "url=https://example.com/?a=b"};
  options.ttl = 3600s;
  options.priority = "bulk";
  options.collapse_key = "uploads";
  options.idempotency_key = "upload-17";
  EXPECT_EQ(run_publish(at_.terminal, api, options), kExitOk);
  EXPECT_EQ(at_.out.str(), std::string(kEvent) + "\n");
  EXPECT_EQ(authorization, "Bearer crl_test");
  EXPECT_EQ(idempotency_key, "upload-17");
  EXPECT_EQ(body, json::parse(R"({"app":"video","topic":"channel-42",
      "notification":{"title":"New upload","body":"Bells","image":"https://example.com/a.png"},
      "data":{"video":"bruges-3","url":"https://example.com/?a=b"},
      "ttl":3600,"priority":"bulk","collapse_key":"uploads"})"));
}

TEST_F(HttpCommandsTest, PublishWithWatchGoesOnToTheEnd) {
  server_.server.Post("/v1/events", [&](const auto&, auto& response) {
    response.status = 202;
    response.set_content(json{{"id", kEvent}}.dump(), "application/json");
  });
  serve_streams({sse("end", document("completed", 10))});
  server_.start();
  ApiClient api = client();
  PublishOptions options;
  options.app = "video";
  options.devices = {"d-1"};
  options.title = "x";
  options.watch = true;
  EXPECT_EQ(run_publish(at_.terminal, api, options), kExitOk);
  EXPECT_THAT(at_.out.str(), testing::StartsWith(std::string(kEvent) + "\n"));
  EXPECT_THAT(at_.out.str(), HasSubstr("completed\n"));
}

TEST_F(HttpCommandsTest, PublishShowsTheFieldsOfAProblem) {
  server_.server.Post("/v1/events", [&](const auto&, auto& response) {
    response.status = 400;
    response.set_content(
        R"({"type":"urn:carillon:problem:invalid-body","title":"The body is not as it should be",)"
        R"("status":400,"errors":[{"pointer":"/topic","detail":"must be 1 to 128 characters"},)"
        R"({"pointer":"/ttl","detail":"must be a whole number"}]})",
        "application/problem+json");
  });
  server_.start();
  ApiClient api = client();
  PublishOptions options;
  options.app = "video";
  options.topics = {""};
  EXPECT_EQ(run_publish(at_.terminal, api, options), kExitFailure);
  EXPECT_EQ(at_.err.str(),
            "carillon: The body is not as it should be (400)\n"
            "  /topic: must be 1 to 128 characters\n"
            "  /ttl: must be a whole number\n");
  EXPECT_EQ(at_.out.str(), "");
}

TEST_F(HttpCommandsTest, PublishSendsAFilesEventAsItIs) {
  std::string body;
  server_.server.Post("/v1/events", [&](const auto& request, auto& response) {
    body = request.body;
    response.status = 202;
    response.set_content(json{{"id", kEvent}}.dump(), "application/json");
  });
  server_.start();
  ApiClient api = client();
  const std::string event =
      R"({"app":"video","topic":"t","notification":{"title":"x","localized":{"de":{"title":"y"}}}})";
  const TemporaryFolder folder;
  PublishOptions options;
  options.file = folder.file("event.json");
  std::ofstream(options.file) << event;
  EXPECT_EQ(run_publish(at_.terminal, api, options), kExitOk) << at_.err.str();
  EXPECT_EQ(body, event);
  at_.in.str(event + "\n");
  options.file = "-";
  EXPECT_EQ(run_publish(at_.terminal, api, options), kExitOk) << at_.err.str();
  EXPECT_EQ(body, event + "\n");
}

TEST(EventFile, IsRefusedWithItsNameIfItIsNoEvent) {
  std::istringstream none;
  const TemporaryFolder folder;
  const std::string name = folder.file("event.json");
  EXPECT_EQ(event_file(name, none).error(), name + " cannot be read");
  EXPECT_EQ(event_file(folder.path(), none).error(), folder.path().string() + " cannot be read");
  std::ofstream(name) << R"({"app":)";
  EXPECT_EQ(event_file(name, none).error(), name + " is not valid JSON");
  const auto of_size = [&](std::size_t size) {
    std::ofstream(name) << '"' << std::string(size - 2, 'x') << '"';
    return event_file(name, none);
  };
  EXPECT_EQ(of_size(kEventFileBytesMax)->size(), kEventFileBytesMax);
  EXPECT_EQ(of_size(kEventFileBytesMax + 1).error(),
            name + " has more than 1048576 bytes, which is no event");
}

TEST(EventBody, NamesTheAppAndSomebodyToSendTo) {
  PublishOptions options;
  options.topics = {"t"};
  EXPECT_THAT(event_body(options).error(), HasSubstr("--app is missing"));
  options.app = "video";
  EXPECT_TRUE(event_body(options));
  options.topics.clear();
  EXPECT_THAT(event_body(options).error(), HasSubstr("nobody would get it"));
}

TEST(EventBody, RefusesDataThatIsNoPairOrTwice) {
  PublishOptions options;
  options.app = "video";
  options.topics = {"t"};
  options.data = {"novalue"};
  EXPECT_THAT(event_body(options).error(), HasSubstr("name=value"));
  options.data = {"=x"};
  EXPECT_FALSE(event_body(options));
  options.data = {"a=1", "a=2"};
  EXPECT_THAT(event_body(options).error(), HasSubstr("\"a\" is given twice"));
  options.data = {"empty="};
  EXPECT_TRUE(event_body(options));
  options.title = "\xff";
  EXPECT_THAT(event_body(options).error(), HasSubstr("UTF-8"));
}

TEST(ApiClient, TakesAddressAndKeyFromTheEnvironment) {
  StringTerminal at;
  EXPECT_THAT(ApiClient::connect_to({}, at.terminal).error(), HasSubstr("CARILLON_API_KEY"));
  at.variables["CARILLON_API_KEY"] = "crl_x";
  EXPECT_TRUE(ApiClient::connect_to({}, at.terminal));
  at.variables["CARILLON_URL"] = "localhost:8080";
  EXPECT_THAT(ApiClient::connect_to({}, at.terminal).error(),
              HasSubstr("\"localhost:8080\" is not a relay's address"));
  for (const char* const url : {"ftp://localhost", "http://localhost:8080/v1", "http//x"}) {
    EXPECT_FALSE(ApiClient::connect_to({.url = url, .key = "", .ca_file = ""}, at.terminal)) << url;
  }
  EXPECT_TRUE(
      ApiClient::connect_to({.url = "http://[::1]:8080/", .key = "", .ca_file = ""}, at.terminal));
}

TEST(ProblemText, OfAnythingElseIsTheStatusAndTheBodysBeginning) {
  EXPECT_EQ(problem_text({.status = 502, .content_type = "text/html", .body = "<h1>Bad gateway"}),
            "the relay answered 502: <h1>Bad gateway");
  EXPECT_LT(
      problem_text({.status = 500, .content_type = "", .body = std::string(10'000, 'x')}).size(),
      400U);
}

}  // namespace
}  // namespace carillon::cli
