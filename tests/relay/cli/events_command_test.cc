// `carillon events …` against a server that answers as a test wants.
#include "relay/cli/events_command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "relay/cli/command_line.h"
#include "relay/cli/exit_code.h"
#include "tests/relay/cli/string_terminal.h"

namespace carillon::cli::events_command_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kId = "01900000-0000-7000-8000-000000000001";

// Answers everything with one status and document, and keeps what was asked.
class EventsCommand : public testing::Test {
 protected:
  EventsCommand() {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request.method + " " + request.target);
      bodies_.push_back(request.body);
      response.status = status_;
      response.set_content(document_.dump(),
                           status_ == 200 ? "application/json" : "application/problem+json");
    };
    server_.Get(".*", answer);
    server_.Post(".*", answer);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~EventsCommand() override {
    server_.stop();
    thread_.join();
  }
  int run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "events");
    arguments.insert(arguments.end(),
                     {"--url", fmt::format("http://127.0.0.1:{}", port_), "--key", "k"});
    return run_command_line(std::move(arguments), at_.terminal);
  }

  StringTerminal at_;
  int status_ = 200;
  json document_ = {{"id", kId}, {"state", "paused"}, {"changed", true}};
  std::vector<std::string> asked_, bodies_;

 private:
  std::mutex mutex_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(EventsCommand, EachActionAsksTheRelayForIt) {
  for (const std::string action : {"pause", "resume", "cancel"}) {
    EXPECT_EQ(run({action, kId}), kExitOk) << at_.err.str();
    EXPECT_EQ(asked_.back(), fmt::format("POST /v1/events/{}/{}", kId, action));
    EXPECT_EQ(bodies_.back(), "");
  }
  EXPECT_EQ(run({"rate", kId, "500"}), kExitOk);
  EXPECT_EQ(bodies_.back(), R"({"per_second":500})");
  EXPECT_EQ(run({"rate", kId, "none"}), kExitOk);
  EXPECT_EQ(bodies_.back(), R"({"per_second":null})");
  EXPECT_EQ(run({"show", kId}), kExitOk);
  EXPECT_EQ(asked_.back(), fmt::format("GET /v1/events/{}", kId));
}

TEST_F(EventsCommand, ShowsWhereAnEventStopped) {
  document_["boundary"]["by_provider"]["apns"] = {{"targeted", 100'000},
                                                  {"settled", 40'000},
                                                  {"unanswered", 512},
                                                  {"retrying", 3},
                                                  {"not_handed_out", 59'485}};
  EXPECT_EQ(run({"pause", kId}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr(fmt::format("event {} paused\n", kId)));
  EXPECT_THAT(at_.out.str(),
              HasSubstr("apns: 100,000 targeted: 40,000 settled, 512 unanswered, 3 to be tried "
                        "again, 59,485 not handed out"));
}

TEST_F(EventsCommand, ReplaysWhatItIsTold) {
  document_ = {
      {"id", kId}, {"state", "running"}, {"taken", 7}, {"counted_only", 2}, {"token_dead", 1}};
  EXPECT_EQ(run({"replay", kId}), kExitOk);
  EXPECT_EQ(bodies_.back(), "{}");
  EXPECT_THAT(at_.out.str(), HasSubstr("7 devices sent again"));
  EXPECT_THAT(at_.out.str(), HasSubstr("2 more failed"));
  EXPECT_EQ(run({"replay", kId, "--outcome", "expired", "--outcome", "dead_lettered", "--reason",
                 "Unavailable", "--provider", "fcm", "--ttl", "2h"}),
            kExitOk);
  EXPECT_EQ(json::parse(bodies_.back()), (json{{"outcomes", {"expired", "dead_lettered"}},
                                               {"reasons", {"Unavailable"}},
                                               {"provider", "fcm"},
                                               {"ttl", 7200}}));
}

TEST_F(EventsCommand, ListsEventsAndSaysHowToGoOn) {
  document_ = {{"events",
                {{{"id", kId},
                  {"state", "running"},
                  {"app", "video"},
                  {"counters", {{"targeted", 1'234}, {"pending", 5}}}}}},
               {"next", "/v1/events?limit=1&before=x"}};
  EXPECT_EQ(run({"list", "--limit", "1", "--before", kId}), kExitOk);
  EXPECT_EQ(asked_.back(), fmt::format("GET /v1/events?limit=1&before={}", kId));
  EXPECT_THAT(at_.out.str(), HasSubstr("1,234 targeted"));
  EXPECT_THAT(at_.out.str(), HasSubstr(fmt::format("more: --before {}", kId)));
}

TEST_F(EventsCommand, JsonIsTheRelaysDocumentOnOneLine) {
  EXPECT_EQ(run({"pause", kId, "--json"}), kExitOk);
  const std::string out = at_.out.str();
  EXPECT_EQ(json::parse(out), document_);
  EXPECT_EQ(out.find('\n'), out.size() - 1);
}

TEST_F(EventsCommand, ARefusalIsToldWithItsProblem) {
  status_ = 409;
  document_ = {{"title", "The event has ended or is being cancelled"}, {"status", 409}};
  EXPECT_EQ(run({"pause", kId}), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("has ended"));
}

TEST_F(EventsCommand, WhatMakesNoSenseIsAskedOfNobody) {
  EXPECT_EQ(run({"pause", "not-an-id"}), kExitUsage);
  EXPECT_EQ(run({"list", "--before", "not-an-id"}), kExitUsage);
  EXPECT_EQ(run({"rate", kId, "0"}), kExitUsage);
  EXPECT_EQ(run({"rate", kId, "fast"}), kExitUsage);
  EXPECT_EQ(run({"replay", kId, "--outcome", "accepted"}), kExitUsage);
  EXPECT_EQ(run({"replay", kId, "--ttl", "soon"}), kExitUsage);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(EventsCommand, ListsFailuresAndSaysHowToGoOn) {
  document_ = {{"failures",
                {{{"device", "d-1"},
                  {"provider", "fcm"},
                  {"outcome", "dead_lettered"},
                  {"reason", "INTERNAL"},
                  {"attempts", 5},
                  {"at", "2026-01-02T12:00:01.000Z"}},
                 {{"device", nullptr}, {"provider", "apns"}, {"outcome", "expired"}}}},
               {"counted_only", 1'200},
               {"next", "fcm-77"}};
  EXPECT_EQ(run({"failures", kId, "--limit", "2", "--after", "apns-5", "--provider", "fcm",
                 "--outcome", "expired"}),
            kExitOk);
  EXPECT_EQ(asked_.back(), fmt::format("GET /v1/events/{}/failures?limit=2&after=apns-5&provider="
                                       "fcm&outcome=expired",
                                       kId));
  const std::string out = at_.out.str();
  EXPECT_THAT(out, HasSubstr("INTERNAL  d-1\n"));
  EXPECT_THAT(out, HasSubstr("(gone since)"));
  EXPECT_THAT(out, HasSubstr("1,200 more"));
  EXPECT_THAT(out, HasSubstr("more: --after fcm-77\n"));
}

TEST_F(EventsCommand, ExplainsWhatBecameOfADevice) {
  document_ = {{"outcome", "rejected"},
               {"basis", "exact"},
               {"explanation", "It was refused."},
               {"reason", "UNREGISTERED"},
               {"attempts", 1}};
  EXPECT_EQ(run({"explain", kId, "a device/1"}), kExitOk);
  EXPECT_EQ(asked_.back(), fmt::format("GET /v1/events/{}/devices/a%20device%2F1", kId));
  EXPECT_THAT(at_.out.str(),
              HasSubstr("rejected (exact): It was refused.\n  reason: UNREGISTERED"));
}

TEST_F(EventsCommand, EveryCommandHelps) {
  for (const std::string command :
       {"list", "show", "pause", "resume", "cancel", "rate", "replay", "failures", "explain"}) {
    StringTerminal at;
    EXPECT_EQ(run_command_line({"events", command, "--help"}, at.terminal), kExitOk);
    EXPECT_THAT(at.out.str(), HasSubstr("Example:\n  carillon events " + command));
  }
}

}  // namespace
}  // namespace carillon::cli::events_command_test
