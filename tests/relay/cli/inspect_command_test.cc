#include "relay/cli/inspect_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "relay/cli/exit_code.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/storage/store_fixture.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::inspect_command_test {
namespace {

using store::Fact;
using store::Fields;
using store::Items;
using testing::HasSubstr;

Fields some_facts() {
  return {{{"name", std::string("d\x1b[31m\xff")},
           {"stale", false},
           {"registered_ms", std::uint64_t{1'767'225'600'000}},
           {"file_bytes", std::uint64_t{2'048}},
           {"fill", 0.5},
           {"stands", Fields{{{"ordinal", std::uint64_t{3}}}}},
           {"none", Fields{}},
           {"first", Items{{{"", Fields{{{"subscriber", std::uint64_t{7}}, {"since", 1.0}}}},
                            {"", std::uint64_t{9}}}}}}};
}

TEST(InspectCommand, PrintsFactsForPeople) {
  EXPECT_EQ(text_of(some_facts()),
            "name: d\\x1b[31m\xff\n"
            "stale: no\n"
            "registered_ms: 2026-01-01T00:00:00Z\n"
            "file_bytes: 2048 (2.0 KiB)\n"
            "fill: 0.5\n"
            "stands:\n"
            "  ordinal: 3\n"
            "none: -\n"
            "first:\n"
            "  subscriber: 7, since: 1\n"
            "  9\n");
}

TEST(InspectCommand, PrintsFactsForPrograms) {
  const auto json = nlohmann::json::parse(json_of(some_facts()));
  EXPECT_EQ(json["name"], "d\x1b[31m\xef\xbf\xbd");
  EXPECT_EQ(json["stale"], false);
  EXPECT_EQ(json["registered_ms"], 1'767'225'600'000U);
  EXPECT_EQ(json["stands"]["ordinal"], 3);
  EXPECT_EQ(json["none"], nlohmann::json::object());
  EXPECT_EQ(json["first"], nlohmann::json::parse(R"([{"subscriber":7,"since":1.0},9])"));
}

TEST(InspectCommand, ReadsTheStoreOfTheConfig) {
  const TemporaryFolder folder;
  config::Store config;
  config.path = folder.file("carillon.db");
  StringTerminal at;
  EXPECT_EQ(run_inspect(at.terminal, config, {}, false), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("there is no store at"));
  auto store = *store::open_sqlite_store({.path = config.path.string(), .exclusive = true});
  ASSERT_TRUE(store->put_device({.app = "video", .device = "d-1", .token = "abcd"}, 1));
  EXPECT_EQ(
      run_inspect(at.terminal, config,
                  {.what = store::Inspection::What::kDevice, .first = "video", .second = "d-1"},
                  true),
      kExitOk);
  EXPECT_EQ(nlohmann::json::parse(at.out.str())["sent_with"]["token"], "a... (4 characters)");
  EXPECT_EQ(
      run_inspect(at.terminal, config,
                  {.what = store::Inspection::What::kChunk, .first = "hat", .second = "1"}, false),
      kExitUsage);
}

}  // namespace
}  // namespace carillon::cli::inspect_command_test
