#include "relay/cli/import_command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "relay/cli/exit_code.h"
#include "relay/coding/compressor.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/relay/import/memory_store.h"
#include "tests/temporary_folder.h"

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
  EXPECT_EQ(run_import(at.terminal, &store_, config_, {}), kExitOk);
  EXPECT_EQ(store_.devices.size(), 2U);
  EXPECT_THAT(at.out.str(), StartsWith("imported 2 lines in "));
  EXPECT_THAT(at.out.str(), HasSubstr("2 created, 0 updated, 0 unchanged, 0 bad\n"));
}

TEST_F(ImportCommandTest, TellsEveryBadLineAndEndsWithItsOwnExitCode) {
  StringTerminal at(line("1") + "{\n" + line("2") + R"({"device":"3"})");
  EXPECT_EQ(run_import(at.terminal, &store_, config_, {}), kExitBadLines);
  EXPECT_THAT(at.err.str(), HasSubstr("line 2: line: is not valid JSON"));
  EXPECT_THAT(at.err.str(), HasSubstr("line 4: app: is missing\n"));
  EXPECT_THAT(at.out.str(), HasSubstr("2 created, 0 updated, 0 unchanged, 2 bad\n"));
}

TEST_F(ImportCommandTest, ReadsAFileAndDrawsABarOnATerminal) {
  const TemporaryFolder folder;
  const std::string file = folder.file("devices.ndjson");
  std::ofstream(file) << line("1") << "{\n" << line("2");
  StringTerminal at;
  at.terminal.err_is_terminal = true;
  ImportOptions options;
  options.file = file;
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitBadLines);
  EXPECT_EQ(store_.devices.size(), 2U);
  EXPECT_THAT(at.err.str(), HasSubstr("\rimport ["));
  EXPECT_THAT(at.err.str(), HasSubstr("line 2: "));
  EXPECT_TRUE(at.err.str().ends_with("\r\x1b[K")) << "the bar goes when the work is done";
}

TEST_F(ImportCommandTest, WithAnAppTheLinesMayLeaveItOut) {
  StringTerminal at(R"({"device":"1","platform":"fcm","token":"t"})");
  ImportOptions options;
  options.app = "video";
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitOk);
  EXPECT_TRUE(store_.devices.contains({"video", "1"}));
  options.app = "vidoe";
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitUsage);
  EXPECT_THAT(at.err.str(), HasSubstr("--app vidoe: there is no such app in the config"));
}

TEST_F(ImportCommandTest, AFileThatCannotBeOpenedIsOneSentence) {
  StringTerminal at;
  ImportOptions options;
  options.file = "/nowhere/devices.ndjson";
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitFailure);
  EXPECT_EQ(at.err.str(),
            "carillon: cannot open /nowhere/devices.ndjson: No such file or directory\n");
}

TEST_F(ImportCommandTest, AFolderCannotBeImported) {
  StringTerminal at;
  ImportOptions options;
  options.file = testing::TempDir();
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitFailure);
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
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitOk);
  EXPECT_EQ(pauses, 3);

  refusals = 4;
  StringTerminal again(line("2"));
  EXPECT_EQ(run_import(again.terminal, &store_, config_, options), kExitFailure);
  EXPECT_THAT(again.err.str(), HasSubstr("carillon: the store is held\n"));
}

TEST_F(ImportCommandTest, AFullDiskEndsItWithWhatIsIn) {
  store_.refuse_batch = [] {
    return store::Error{.kind = store::Error::Kind::kFull, .message = "the disk is full"};
  };
  StringTerminal at(line("1"));
  EXPECT_EQ(run_import(at.terminal, &store_, config_, {}), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("carillon: the disk is full\ncarillon: 0 lines are in the "
                                      "store; when that is mended, go on with "
                                      "--resume-from-line 1\n"));
}

class ImportFileTest : public ImportCommandTest {
 protected:
  int import(const std::string& ending, std::string_view text, coding::Coding coding,
             StringTerminal& at) {
    options_.file = folder_.file("devices" + ending);
    coding::Compressor compressor(coding);
    std::string bytes;
    compressor.add(text, bytes);
    compressor.finish(bytes);
    std::ofstream(options_.file, std::ios::binary) << bytes.substr(0, bytes.size() - cut_);
    return run_import(at.terminal, &store_, config_, options_);
  }

  const TemporaryFolder folder_;
  ImportOptions options_;
  std::size_t cut_ = 0;  // bytes that are missing at the file's end
};

constexpr std::string_view kCsv = "device,app,platform,token\n1,video,fcm,t\n2,video,fcm,u\n";

TEST_F(ImportFileTest, IsKnownByItsEndingAndItsFirstBytes) {
  for (const char* const ending : {".csv", ".csv.gz", ".csv.zst"}) {
    for (const auto coding :
         {coding::Coding::kNone, coding::Coding::kGzip, coding::Coding::kZstd}) {
      store_.devices.clear();
      StringTerminal at;
      EXPECT_EQ(import(ending, kCsv, coding, at), kExitOk) << ending << at.err.str();
      EXPECT_EQ(store_.devices.size(), 2U);
      EXPECT_THAT(at.out.str(), HasSubstr("\nnext line: 4\n"));
    }
  }
  options_.format = import::Format::kCsv;
  StringTerminal at;
  EXPECT_EQ(import(".txt", kCsv, coding::Coding::kNone, at), kExitOk);
}

TEST_F(ImportFileTest, ThatEndsTooSoonTellsTheLineToGoOnFrom) {
  cut_ = 3;
  StringTerminal at;
  EXPECT_EQ(import(".csv.gz", kCsv, coding::Coding::kGzip, at), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("the gzip data is damaged or ends too soon; go on with "
                                      "--resume-from-line 4\n"));
  EXPECT_EQ(store_.devices.size(), 2U) << "the lines before the damage are kept";
}

TEST_F(ImportFileTest, WithAHeaderThatCannotBeReadImportsNothing) {
  StringTerminal at;
  EXPECT_EQ(import(".csv", "device,colour\n1,red\n", coding::Coding::kNone, at), kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("line 1: header: \"colour\" is not a known column\n"));
  EXPECT_TRUE(store_.devices.empty());
}

TEST_F(ImportCommandTest, ADryRunNeedsNoStore) {
  StringTerminal at(line("1") + "{\n" + line("2"));
  EXPECT_EQ(run_import(at.terminal, nullptr, config_, {}), kExitBadLines);
  EXPECT_THAT(at.out.str(), StartsWith("checked 3 lines in "));
  EXPECT_THAT(at.out.str(), HasSubstr("2 good, 1 bad; nothing was stored\nnext line: 4\n"));
  EXPECT_THAT(at.err.str(), HasSubstr("line 2: "));
}

TEST_F(ImportCommandTest, GoesOnFromALine) {
  StringTerminal at("{\n" + line("2"));
  ImportOptions options;
  options.first_line = 2;
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitOk);
  EXPECT_TRUE(store_.devices.contains({"video", "2"}));
}

TEST_F(ImportCommandTest, ThatIsStoppedStoresWhatWasReadAndTellsTheNextLine) {
  // A pipe that stays open: only the question whether to stop ends the wait for more of it.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = line("1") + line("2") + line("3").substr(0, 20);
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  StringTerminal at;
  at.terminal.in_descriptor = ends[0];
  int questions = 0;
  ImportOptions options;
  options.stop_asked = [&questions] { return ++questions > 2; };
  EXPECT_EQ(run_import(at.terminal, &store_, config_, options), kExitFailure);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(store_.devices.size(), 2U);
  EXPECT_THAT(at.out.str(), HasSubstr("2 created"));
  EXPECT_THAT(at.err.str(), HasSubstr("carillon: stopped; go on with --resume-from-line 3\n"));
}

TEST(ImportCommand, KnowsTheFormatByTheFilesEnding) {
  EXPECT_EQ(format_of_file("a.csv"), import::Format::kCsv);
  EXPECT_EQ(format_of_file("a.csv.gz"), import::Format::kCsv);
  EXPECT_EQ(format_of_file("a.ndjson.zst"), import::Format::kNdjson);
  EXPECT_EQ(format_of_file("-"), import::Format::kNdjson);
}

}  // namespace
}  // namespace carillon::cli
