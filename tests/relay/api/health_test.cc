// What /readyz says of a store that cannot be written.
#include "relay/api/health.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/relay/api/relay_room.h"

namespace carillon::api::health_test {
namespace {

using Json = nlohmann::json;

class ReadinessTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        store::open_sqlite_store({.path = path_, .busy_wait = std::chrono::milliseconds(1)});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
    ASSERT_EQ(sqlite3_open(path_.c_str(), &other_), SQLITE_OK);
  }
  void TearDown() override { sqlite3_close(other_); }
  void other_says(const char* statement) {
    ASSERT_EQ(sqlite3_exec(other_, statement, nullptr, nullptr, nullptr), SQLITE_OK) << statement;
  }
  // One that was never asked: an answer is good for a second.
  Json ask(int status) {
    Readiness readiness(publisher_, *store_, clocks_);
    const Reply reply = readiness.check();
    EXPECT_EQ(reply.status, status) << reply.body;
    return Json::parse(reply.body);
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  const std::string path_ = folder_.file("store.db");
  std::unique_ptr<store::Store> store_;
  ScriptedPublisher publisher_;
  const fanout::Clocks clocks_ = real_clocks();
  sqlite3* other_ = nullptr;
};

TEST_F(ReadinessTest, SaysWhyTheStoreCannotBeWrittenAndIsReadyWhenThatIsOver) {
  other_says("BEGIN IMMEDIATE");
  const Json locked = ask(503)["store"];
  EXPECT_EQ(locked["writable"], false);
  EXPECT_NE(locked["error"].get<std::string>().find("another process holds the store"),
            std::string::npos)
      << locked;
  other_says("ROLLBACK");
  const Json free = ask(200)["store"];
  EXPECT_EQ(free, (Json{{"writable", true}, {"error", nullptr}, {"checkpoint_error", nullptr}}));
}

TEST_F(ReadinessTest, SaysWhyTheLatestCheckpointFailed) {
  publisher_.stats_now.store_error = "the disk is full";
  const Json store = ask(200)["store"];
  EXPECT_EQ(store["writable"], true) << "it is tried again";
  EXPECT_EQ(store["checkpoint_error"], "the disk is full");
}

}  // namespace
}  // namespace carillon::api::health_test
