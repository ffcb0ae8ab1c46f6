#include "relay/cli/compact_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "relay/cli/exit_code.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/storage/store_fixture.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::compact_command_test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::MatchesRegex;

class CompactCommandTest : public testing::Test {
 protected:
  CompactCommandTest() { config_.path = folder_.file("carillon.db"); }

  // 3,000 devices, of which the last 100 stay.
  void make_store() {
    auto store = *store::open_sqlite_store({.path = config_.path.string()});
    std::vector<std::string> names;
    for (int i = 0; i < 3'000; ++i) names.push_back("device-" + std::to_string(i));
    std::vector<store::DeviceRegistration> lines;
    for (const std::string& name : names) {
      lines.push_back({.app = "video",
                       .device = name,
                       .token = name,
                       .subscriber = name,
                       .locale = {},
                       .timezone = {}});
    }
    ASSERT_TRUE(store->put_devices(lines, 1000));
    for (std::size_t i = 0; i < 2'900; ++i) {
      ASSERT_TRUE(store->erase_subscriber("video", names[i]));
    }
  }
  // As an earlier Carillon made it.
  void make_unable_to_shrink() {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(config_.path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(
        sqlite3_exec(database, "PRAGMA auto_vacuum = NONE; VACUUM", nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(database);
  }
  std::uint64_t size() const { return std::filesystem::file_size(config_.path); }
  int compact(CompactOptions options = {}) { return run_compact(at_.terminal, config_, options); }
  void expect_sound() {
    const auto faults = store::check_sqlite_store(config_.path.string(), true);
    ASSERT_TRUE(faults) << faults.error().message;
    EXPECT_TRUE(faults->empty()) << faults->front();
    auto store = *store::open_sqlite_store({.path = config_.path.string()});
    EXPECT_EQ(store->stats()->devices, 100U);
  }

  TemporaryFolder folder_;
  config::Store config_;
  StringTerminal at_;
};

TEST_F(CompactCommandTest, ShrinksTheFileAndSaysFromWhatToWhat) {
  make_store();
  const std::uint64_t before = size();
  EXPECT_EQ(compact(), kExitOk) << at_.err.str();
  EXPECT_LT(size(), before / 2);
  EXPECT_THAT(at_.out.str(),
              MatchesRegex("compact: [0-9.]+ [KM]iB before, [0-9.]+ KiB after, .*s\n"));
  expect_sound();
}

TEST_F(CompactCommandTest, WorksBesideARelayAndLeavesItTimeInBetween) {
  make_store();
  auto relay = *store::open_sqlite_store({.path = config_.path.string(), .exclusive = true});
  const std::uint64_t before = relay->stats()->file_bytes;
  int rests = 0;
  EXPECT_EQ(compact({.rest =
                         [&](milliseconds rest) {
                           rests += rest > milliseconds(0) ? 1 : 0;
                           EXPECT_TRUE(relay->check_writable());
                           return false;
                         }}),
            kExitOk)
      << at_.err.str();
  EXPECT_GT(rests, 0);
  EXPECT_LT(relay->stats()->file_bytes, before / 2);
  relay.reset();
  expect_sound();
}

TEST_F(CompactCommandTest, StopsWhenAskedAndGoesOnTheNextTime) {
  make_store();
  EXPECT_EQ(compact({.rest = [](milliseconds) { return true; }}), kExitFailure);
  EXPECT_THAT(at_.out.str(), HasSubstr("stopped, run it again"));
  expect_sound();
  EXPECT_EQ(compact(), kExitOk);
  expect_sound();
}

TEST_F(CompactCommandTest, ConvertsAStoreThatCannotShrink) {
  make_store();
  make_unable_to_shrink();
  EXPECT_EQ(compact(), kExitOk) << at_.err.str();
  EXPECT_THAT(at_.err.str(), HasSubstr("an earlier Carillon made this store"));
  expect_sound();
  StringTerminal again;
  EXPECT_EQ(run_compact(again.terminal, config_, {}), kExitOk);
  EXPECT_THAT(again.err.str(), testing::Not(HasSubstr("earlier"))) << "once";
}

TEST_F(CompactCommandTest, DoesNotConvertAStoreThatIsInUse) {
  make_store();
  make_unable_to_shrink();
  auto relay = *store::open_sqlite_store({.path = config_.path.string(), .exclusive = true});
  EXPECT_EQ(compact(), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("stop the relay and try again"));
  EXPECT_EQ(at_.out.str(), "");
  relay.reset();
  expect_sound();
}

TEST_F(CompactCommandTest, MakesNoStore) {
  EXPECT_EQ(compact(), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("there is no store at"));
  EXPECT_FALSE(std::filesystem::exists(config_.path));
}

}  // namespace
}  // namespace carillon::cli::compact_command_test
