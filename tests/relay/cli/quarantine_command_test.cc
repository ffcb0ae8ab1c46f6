#include "relay/cli/quarantine_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/api/http_server.h"
#include "relay/api/sha256.h"
#include "relay/cli/command_line.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/installation.h"
#include "relay/config/scopes.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/api/relay_room.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/storage/store_fixture.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::quarantine_command_test {
namespace {

using store::QuarantineAction;
using testing::HasSubstr;

class QuarantineCommandTest : public testing::Test {
 protected:
  QuarantineCommandTest() {
    store_ = store::open_sqlite_store({.path = folder_.file("store.db")}).value();
    config_.apps["video"];
    for (int i = 0; i < 3; ++i) {
      const std::string name = "d-" + std::to_string(i);
      const std::string_view topics[] = {"news"};
      EXPECT_TRUE(store_->put_device({.app = "video",
                                      .device = name,
                                      .platform = store::Platform::kFcm,
                                      .token = name,
                                      .subscriber = name,
                                      .topics = topics},
                                     1'000));
    }
    const store::EventId event = store::event_id(1);
    EXPECT_TRUE(store_->accept({.id = event,
                                .app = "video",
                                .audience = {.topics = {"news"}},
                                .content = "{}",
                                .accepted_ms = 2'000,
                                .expires_ms = 9'000}));
    store::Checkpoint checkpoint{.job = {event, store::Platform::kFcm}};
    for (const auto& device : store::scan_all(*store_, checkpoint.job)) {
      checkpoint.quarantined.push_back(
          {.position = device.position, .dead_since_ms = 2'000, .reason = "UNREGISTERED"});
    }
    EXPECT_TRUE(store::record_now(*store_, {checkpoint}, 3'000));
  }
  int list(QuarantineOptions options = {}) {
    options.app = "video";
    return run_quarantine_list(at_.terminal, *store_, config_, options);
  }
  int decide(QuarantineAction action, QuarantineOptions options) {
    options.app = "video";
    return run_quarantine_decision(at_.terminal, *store_, config_, action, options);
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<store::Store> store_;
  config::Config config_;
  StringTerminal at_;
};

TEST_F(QuarantineCommandTest, ListsDevicesWithTheProvidersWordAndCountsThem) {
  EXPECT_EQ(list(), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("1970-01-01T00:00:03.000Z  fcm      UNREGISTERED"));
  EXPECT_THAT(at_.out.str(), HasSubstr("d-2\n"));
  EXPECT_EQ(at_.err.str(), "carillon: 3 devices in quarantine: 0 apns, 3 fcm, 0 webpush\n");
}

TEST_F(QuarantineCommandTest, ListsAsJsonAndOfOnePlatform) {
  EXPECT_EQ(list({.platform = store::Platform::kApns, .json = true}), kExitOk);
  EXPECT_EQ(at_.out.str(), "");
  EXPECT_EQ(list({.json = true}), kExitOk);
  EXPECT_THAT(at_.out.str(),
              HasSubstr(R"({"device":"d-0","platform":"fcm","reason":"UNREGISTERED",)"));
}

TEST_F(QuarantineCommandTest, RestoresWhoIsNamedAndRemovesTheRest) {
  EXPECT_EQ(decide(QuarantineAction::kRestore, {.devices = {"d-1"}}), kExitOk);
  EXPECT_EQ(at_.out.str(), "1 device restored\n");
  EXPECT_FALSE(store_->device("video", "d-1")->quarantined);
  EXPECT_EQ(decide(QuarantineAction::kConfirm, {.all = true}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("2 devices removed\n"));
  EXPECT_FALSE(store_->device("video", "d-0"));
  EXPECT_TRUE(store_->device("video", "d-1"));
}

TEST_F(QuarantineCommandTest, DecidesNothingUnlessItIsSaidAboutWhom) {
  EXPECT_EQ(decide(QuarantineAction::kConfirm, {}), kExitUsage);
  EXPECT_EQ(decide(QuarantineAction::kConfirm, {.devices = {"d-1"}, .all = true}), kExitUsage);
  EXPECT_THAT(at_.err.str(), HasSubstr("say who is meant: --all, --platform or --device"));
  EXPECT_EQ(store_->count_quarantine("video").value()[1], 3u);
}

TEST_F(QuarantineCommandTest, AnAppThatIsNotInTheConfigIsASlip) {
  config_.apps.clear();
  EXPECT_EQ(list(), kExitUsage);
  EXPECT_EQ(decide(QuarantineAction::kRestore, {.all = true}), kExitUsage);
  EXPECT_THAT(at_.err.str(), HasSubstr("--app video: there is no such app in the config"));
}

// The same commands without --config: a relay's API over the store.
class QuarantineOverHttp : public QuarantineCommandTest {
 protected:
  QuarantineOverHttp() {
    config::Http http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    for (const auto& [key, scope] :
         {std::pair("admin", config::kScopeAdmin), std::pair("publisher", config::kScopePublish)}) {
      EXPECT_TRUE(store_->put_key(
          {.name = key, .hash = api::sha256(key), .scopes = scope, .created_ms = 1}));
    }
    server_ = std::make_unique<api::HttpServer>(
        http, api::HttpServer::Parts{.publisher = publisher_,
                                     .store = *store_,
                                     .apps = {"video"},
                                     .clocks = api::real_clocks()});
    EXPECT_TRUE(server_->start());
  }
  int run(std::vector<std::string> arguments, const std::string& key = "admin") {
    arguments.insert(arguments.begin(), {"tokens", "quarantine"});
    arguments.insert(arguments.end(), {"--app", "video", "--key", key, "--url",
                                       "http://127.0.0.1:" + std::to_string(server_->port())});
    return run_command_line(std::move(arguments), at_.terminal);
  }

  api::ScriptedPublisher publisher_;
  std::unique_ptr<api::HttpServer> server_;
};

TEST_F(QuarantineOverHttp, ListsAndDecidesAsBesideTheStoresFile) {
  EXPECT_EQ(run({"list", "--json"}), kExitOk) << at_.err.str();
  const std::string over_http = at_.out.str();
  EXPECT_EQ(at_.err.str(), "carillon: 3 devices in quarantine: 0 apns, 3 fcm, 0 webpush\n");
  at_.out.str("");
  EXPECT_EQ(list({.json = true}), kExitOk);
  EXPECT_EQ(over_http, at_.out.str());
  at_.out.str("");
  EXPECT_EQ(run({"list", "--platform", "apns"}), kExitOk);
  EXPECT_EQ(at_.out.str(), "");

  EXPECT_EQ(run({"restore", "--device", "d-1"}), kExitOk);
  EXPECT_EQ(at_.out.str(), "1 device restored\n");
  EXPECT_FALSE(store_->device("video", "d-1")->quarantined);
  EXPECT_EQ(run({"confirm", "--platform", "apns"}), kExitOk);
  EXPECT_TRUE(store_->device("video", "d-0"));
  EXPECT_EQ(run({"confirm", "--all"}), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("2 devices removed\n"));
  EXPECT_FALSE(store_->device("video", "d-0"));
  EXPECT_TRUE(store_->device("video", "d-1"));
}

TEST_F(QuarantineOverHttp, SaysWhyItCannot) {
  EXPECT_EQ(run({"confirm", "--all"}, "publisher"), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("scope"));
  EXPECT_EQ(run({"confirm"}), kExitUsage);
  EXPECT_EQ(run({"list", "--config", "carillon.toml"}), kExitUsage) << "one of the two";
  EXPECT_EQ(store_->count_quarantine("video").value()[1], 3u);
}

TEST_F(QuarantineOverHttp, AListOfSeveralPagesIsReadToItsEnd) {
  std::vector<std::string> names;
  for (int i = 3; i < 1'205; ++i) names.push_back("d-" + std::to_string(i));
  std::vector<store::DeviceRegistration> devices;
  const std::string_view topics[] = {"news"};
  for (const std::string& name : names) {
    devices.push_back({.app = "video",
                       .device = name,
                       .platform = store::Platform::kFcm,
                       .token = name,
                       .subscriber = name,
                       .topics = topics});
  }
  ASSERT_TRUE(store_->put_devices(devices, 4'000));
  const store::EventId event = store::event_id(2);
  ASSERT_TRUE(store_->accept({.id = event,
                              .app = "video",
                              .audience = {.topics = {"news"}},
                              .content = "{}",
                              .accepted_ms = 5'000,
                              .expires_ms = 9'000}));
  store::Checkpoint checkpoint{.job = {event, store::Platform::kFcm}};
  for (const auto& device : store::scan_all(*store_, checkpoint.job)) {
    checkpoint.quarantined.push_back(
        {.position = device.position, .dead_since_ms = 6'000, .reason = "UNREGISTERED"});
  }
  ASSERT_TRUE(store::record_now(*store_, {checkpoint}, 6'000));
  EXPECT_EQ(run({"list"}), kExitOk);
  const std::string lines = at_.out.str();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1'205);
}

}  // namespace
}  // namespace carillon::cli::quarantine_command_test
