#include "relay/cli/export_command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "relay/cli/exit_code.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::export_command_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ExportCommandTest : public testing::Test {
 protected:
  ExportCommandTest() {
    config_.apps["video"];
    store_ = store::open_sqlite_store({.path = folder_ / "store.db"}).value();
  }
  void put(int devices) {
    std::vector<std::string> names;
    for (int i = 0; i < devices; ++i) names.push_back("d-" + std::to_string(i));
    std::vector<store::DeviceRegistration> lines(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      lines[i].app = "video";
      lines[i].device = lines[i].token = names[i];
      lines[i].platform = store::Platform::kFcm;
    }
    ASSERT_TRUE(store_->put_devices(lines, 1'700'000'000'000));
  }
  int run(const ExportOptions& options) {
    return run_export(at_.terminal, *store_, config_, options);
  }
  static std::string text_of(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  static std::ptrdiff_t lines_in(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  }
  std::set<std::string> exports() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("store.db")) names.insert(name);
    }
    return names;
  }

  const TemporaryFolder folder_;
  config::Config config_;
  std::unique_ptr<store::Store> store_;
  StringTerminal at_;
};

TEST_F(ExportCommandTest, WritesLinesToStandardOutputAndCountsToTheOther) {
  put(3);
  ASSERT_TRUE(store_->subscribe("video", "news", "early", 1));
  EXPECT_EQ(run({}), kExitOk);
  EXPECT_THAT(at_.out.str(), StartsWith(R"({"device":"d-0","app":"video","platform":"fcm")"));
  EXPECT_EQ(lines_in(at_.out.str()), 3);
  EXPECT_THAT(at_.err.str(), HasSubstr("exported 3 rows in "));
  EXPECT_THAT(at_.err.str(), HasSubstr("left out: 1 subscriber without a device"));
}

TEST_F(ExportCommandTest, TakesFormatAndCompressionFromTheFilesName) {
  put(3);
  EXPECT_EQ(run({.file = folder_ / "a.csv"}), kExitOk);
  EXPECT_THAT(text_of(folder_ / "a.csv"), StartsWith("device,app,platform,token,"));
  EXPECT_EQ(lines_in(text_of(folder_ / "a.csv")), 4);
  EXPECT_EQ(run({.file = folder_ / "a.ndjson.gz"}), kExitOk);
  EXPECT_THAT(text_of(folder_ / "a.ndjson.gz"), StartsWith("\x1F\x8B"));
  EXPECT_EQ(run({.file = folder_ / "a.csv.zst"}), kExitOk);
  EXPECT_THAT(text_of(folder_ / "a.csv.zst"), StartsWith("\x28\xB5\x2F\xFD"));
  EXPECT_EQ(run({.file = folder_ / "b.csv",
                 .format = import::Format::kNdjson,
                 .compress = coding::Coding::kGzip}),
            kExitOk);
  EXPECT_THAT(text_of(folder_ / "b.csv"), StartsWith("\x1F\x8B")) << "what is said goes first";
  EXPECT_EQ(exports(), (std::set<std::string>{"a.csv", "a.ndjson.gz", "a.csv.zst", "b.csv"}));
}

TEST_F(ExportCommandTest, MakesAFileThatItsOwnerReadsAndReplacesAnOldOne) {
  put(2);
  const auto file = folder_ / "a.ndjson";
  std::ofstream(file) << "old";
  std::ofstream(file.string() + ".part") << "what a broken-off export left";
  EXPECT_EQ(run({.file = file}), kExitOk);
  EXPECT_EQ(lines_in(text_of(file)), 2);
  EXPECT_EQ(exports(), std::set<std::string>{"a.ndjson"});
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(ExportCommandTest, LeavesAFileAsItWasWhenItIsStopped) {
  put(20'000);  // several pieces
  const auto file = folder_ / "a.ndjson";
  std::ofstream(file) << "old";
  // At every moment at which it is asked.
  for (int after = 0;; ++after) {
    int asked = 0;
    StringTerminal at;
    const int code = run_export(at.terminal, *store_, config_,
                                {.file = file, .stop_asked = [&] { return ++asked > after; }});
    if (code == kExitOk) {
      EXPECT_GT(after, 5) << "it is asked while it copies, and between pieces";
      break;
    }
    ASSERT_EQ(code, kExitFailure);
    EXPECT_THAT(at.err.str(), HasSubstr("stopped: the export is not whole"));
    ASSERT_EQ(text_of(file), "old");
    ASSERT_EQ(exports(), std::set<std::string>{"a.ndjson"});
  }
  EXPECT_EQ(lines_in(text_of(file)), 20'000);
}

TEST_F(ExportCommandTest, EndsWithASentenceWhenNobodyReadsThePipeAnyMore) {
  put(20'000);
  ::signal(SIGPIPE, SIG_IGN);  // as StopSignals does
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  at_.terminal.out_descriptor = pipe[1];
  std::thread reader([&] {
    char first[100];
    EXPECT_GT(::read(pipe[0], first, sizeof first), 0);
    ::close(pipe[0]);
  });
  EXPECT_EQ(run({}), kExitFailure);
  reader.join();
  ::close(pipe[1]);
  EXPECT_THAT(at_.err.str(), HasSubstr("cannot write to standard output: Broken pipe"));
}

TEST_F(ExportCommandTest, HearsASignalWhileNobodyReadsThePipe) {
  put(20'000);
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  at_.terminal.out_descriptor = pipe[1];
  int asked = 0;
  // The pipe takes 64 KiB, in pieces of which each is asked for; then it is full.
  EXPECT_EQ(run({.stop_asked = [&] { return ++asked > 30; }}), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("stopped"));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(ExportCommandTest, NamesWhatItCannotDo) {
  EXPECT_EQ(run({.app = "nobody's"}), kExitUsage);
  EXPECT_THAT(at_.err.str(), HasSubstr("--app nobody's: there is no such app in the config"));
  EXPECT_EQ(run({.file = folder_ / "nowhere" / "a"}), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("nowhere/a: No such file or directory"));
  EXPECT_EQ(run({.file = folder_.path()}), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("is no regular file"));
  store_ =
      store::open_sqlite_store({.path = folder_ / "store.db", .export_bytes_free_max = 1}).value();
  EXPECT_EQ(run({}), kExitFailure);
  EXPECT_THAT(at_.err.str(), HasSubstr("an export needs "));
}

}  // namespace
}  // namespace carillon::cli::export_command_test
