#include "relay/cli/quarantine_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/cli/exit_code.h"
#include "relay/cli/installation.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/storage/store_fixture.h"

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

  store::TemporaryFolder folder_{store::TemporaryFolder::Speed::kFast};
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

}  // namespace
}  // namespace carillon::cli::quarantine_command_test
