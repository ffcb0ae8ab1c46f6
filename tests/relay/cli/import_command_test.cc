#include "relay/cli/import_command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "relay/cli/exit_code.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string line(const std::string& device) {
  return fmt::format(R"({{"device":"{}","app":"video","platform":"fcm","token":"t"}})"
                     "\n",
                     device);
}

class ImportCommandTest : public testing::Test {
 protected:
  ImportCommandTest() { config_.apps["video"]; }

  config::Config config_;
  import::MemoryStore store_;
};

TEST_F(ImportCommandTest, ReadsStandardInputAndSumsUp) {
  StringTerminal at(line("1") + line("2"));
  EXPECT_EQ(run_import(at.terminal, store_, config_, {}), kExitOk);
  EXPECT_EQ(store_.devices.size(), 2U);
  EXPECT_THAT(at.out.str(), StartsWith("imported 2 lines in "));
  EXPECT_THAT(at.out.str(), HasSubstr("2 created, 0 updated, 0 unchanged, 0 bad\n"));
}

TEST_F(ImportCommandTest, TellsEveryBadLineAndEndsWithItsOwnExitCode) {
  StringTerminal at(line("1") + "{\n" + line("2") + R"({"device":"3"})");
  EXPECT_EQ(run_import(at.terminal, store_, config_, {}), kExitBadLines);
  EXPECT_THAT(at.err.str(), HasSubstr("line 2: line: is not valid JSON"));
  EXPECT_THAT(at.err.str(), HasSubstr("line 4: app: is missing\n"));
  EXPECT_THAT(at.out.str(), HasSubstr("2 created, 0 updated, 0 unchanged, 2 bad\n"));
}

TEST_F(ImportCommandTest, ReadsAFileAndDrawsABarOnATerminal) {
  const auto file = std::filesystem::path(testing::TempDir()) /
                    fmt::format("import_{}.ndjson", static_cast<const void*>(this));
  std::ofstream(file) << line("1") << "{\n" << line("2");
  StringTerminal at;
  at.terminal.err_is_terminal = true;
  ImportOptions options;
  options.file = file;
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitBadLines);
  std::filesystem::remove(file);
  EXPECT_EQ(store_.devices.size(), 2U);
  EXPECT_THAT(at.err.str(), HasSubstr("\rimport ["));
  EXPECT_THAT(at.err.str(), HasSubstr("line 2: "));
  EXPECT_TRUE(at.err.str().ends_with("\r\x1b[K")) << "the bar goes when the work is done";
}

TEST_F(ImportCommandTest, WithAnAppTheLinesMayLeaveItOut) {
  StringTerminal at(R"({"device":"1","platform":"fcm","token":"t"})");
  ImportOptions options;
  options.app = "video";
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitOk);
  EXPECT_TRUE(store_.devices.contains({"video", "1"}));
  options.app = "vidoe";
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitUsage);
  EXPECT_THAT(at.err.str(), HasSubstr("--app vidoe: there is no such app in the config"));
}

TEST_F(ImportCommandTest, AFileThatCannotBeOpenedIsOneSentence) {
  StringTerminal at;
  ImportOptions options;
  options.file = "/nowhere/devices.ndjson";
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitFailure);
  EXPECT_EQ(at.err.str(),
            "carillon: cannot open /nowhere/devices.ndjson: No such file or directory\n");
}

TEST_F(ImportCommandTest, AFolderCannotBeImported) {
  StringTerminal at;
  ImportOptions options;
  options.file = testing::TempDir();
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("Is a directory"));
}

TEST_F(ImportCommandTest, WaitsWhileAnotherProcessHoldsTheStore) {
  int refusals = 3;
  store_.refuse_batch = [&refusals]() -> std::optional<store::Error> {
    if (refusals-- <= 0) return std::nullopt;
    return store::Error{.kind = store::Error::Kind::kBusy, .message = "the store is held"};
  };
  int pauses = 0;
  ImportOptions options;
  options.busy_wait_max = options.busy_pause * 3;
  options.pause = [&pauses](std::chrono::milliseconds) { ++pauses; };
  StringTerminal at(line("1"));
  EXPECT_EQ(run_import(at.terminal, store_, config_, options), kExitOk);
  EXPECT_EQ(pauses, 3);

  refusals = 4;
  StringTerminal again(line("2"));
  EXPECT_EQ(run_import(again.terminal, store_, config_, options), kExitFailure);
  EXPECT_THAT(again.err.str(), HasSubstr("carillon: the store is held\n"));
}

TEST_F(ImportCommandTest, AFullDiskEndsItWithWhatIsIn) {
  store_.refuse_batch = [] {
    return store::Error{.kind = store::Error::Kind::kFull, .message = "the disk is full"};
  };
  StringTerminal at(line("1"));
  EXPECT_EQ(run_import(at.terminal, store_, config_, {}), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("carillon: the disk is full\ncarillon: 0 lines are in"));
}

}  // namespace
}  // namespace carillon::cli
