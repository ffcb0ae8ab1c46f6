// A store that is opened to read only: beside a relay, and by a user who may do no more.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "storage/device_export.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::read_only_test {
namespace {

constexpr const char* kStoreVariable = "CARILLON_READ_ONLY_STORE";
constexpr uid_t kNobody = 65'534;

class ReadOnly : public testing::Test {
 protected:
  void make(int devices) {
    writing_ = open_sqlite_store({.path = path_}).value();
    for (int i = 0; i < devices; ++i) put("d-" + std::to_string(i));
  }
  void put(const std::string& name) {
    ASSERT_TRUE(writing_->put_device({.app = "video",
                                      .device = name,
                                      .platform = Platform::kFcm,
                                      .token = name,
                                      .subscriber = {},
                                      .locale = {},
                                      .timezone = {}},
                                     1000));
  }
  Result<std::unique_ptr<Store>> open() const {
    return open_sqlite_store({.path = path_, .read_only = true});
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file(""))) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("store.db");
  std::unique_ptr<Store> writing_;
};

// As the three things that commands read: a count, a device, an export. How many devices.
std::uint64_t read_everything(Store& store) {
  const auto device = store.device("video", "d-0");
  EXPECT_TRUE(device) << device.error().message;
  const auto stats = store.stats();
  EXPECT_TRUE(stats) << stats.error().message;
  auto exporting = store.export_devices("");
  EXPECT_TRUE(exporting) << exporting.error().message;
  if (!stats || !exporting) return 0;
  const auto begun = (*exporting)->begin();
  EXPECT_TRUE(begun) << begun.error().message;
  std::uint64_t count = 0;
  for (;;) {
    const auto next = (*exporting)->next();
    EXPECT_TRUE(next) << next.error().message;
    if (!next || *next == nullptr) break;
    ++count;
  }
  EXPECT_EQ(count, stats->devices);
  return count;
}

TEST_F(ReadOnly, SeesWhatARelayBesideItHasWritten) {
  make(1);
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(read_everything(**store), 1u);
  put("d-1");
  EXPECT_EQ(read_everything(**store), 2u);
}

TEST_F(ReadOnly, RefusesEveryCallThatWrites) {
  make(1);
  const auto opened = open();
  ASSERT_TRUE(opened);
  Store& store = **opened;
  const DeviceRegistration device{.app = "video",
                                  .device = "d-9",
                                  .platform = Platform::kFcm,
                                  .token = "t",
                                  .subscriber = {},
                                  .locale = {},
                                  .timezone = {}};
  std::vector<Error> refusals;
  const auto refused = [&](const auto& answer) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Error::Kind::kInvalid);
    EXPECT_NE(answer.error().message.find("is open to read only"), std::string::npos);
    refusals.push_back(answer.error());
  };
  refused(store.put_device(device, 1));
  refused(store.put_devices(std::span(&device, 1), 1));
  refused(store.erase_device("video", "d-0"));
  refused(store.erase_subscriber("video", "u"));
  refused(store.subscribe("video", "news", "u", 1));
  refused(store.unsubscribe("video", "news", "u"));
  refused(store.subscribe_device("video", "news", "d-0"));
  refused(store.unsubscribe_device("video", "news", "d-0"));
  refused(store.sweep_stale("video", StaleAction::kRemove, 1, 0, 1));
  refused(store.accept({}));
  store.accept({}, [&](auto answer) { refused(answer); });
  refused(record_now(store, {}));
  refused(store.put_key({.name = "k"}));
  refused(store.revoke_key("k", 1));
  refused(store.forget_idempotency_keys(1));
  refused(store.compact({}, 1));
  refused(store.check_writable());
  EXPECT_EQ(refusals.size(), 17u);
  EXPECT_EQ(read_everything(store), 1u);
}

TEST_F(ReadOnly, MakesNoStore) {
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, Error::Kind::kNotFound);
  std::ofstream{path_};
  const auto empty = open();
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().kind, Error::Kind::kCorrupt);
  EXPECT_EQ(std::filesystem::file_size(path_), 0u);
}

TEST_F(ReadOnly, UpgradesNothing) {
  const std::string command =
      "gzip -dc '" + std::string(CARILLON_OLD_STORES) + "/format_1.db.gz' > '" + path_ + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, Error::Kind::kInvalid);
  EXPECT_NE(store.error().message.find("has format 1"), std::string::npos) << store.error().message;
  ASSERT_TRUE(open_sqlite_store({.path = path_}));
  EXPECT_TRUE(open());
}

// The part of the next tests that another user plays, in a process of its own: a SQLite connection
// does not survive a fork.
TEST(ReadOnlyAsAnotherUser, ReadsTheStoreThatItIsGiven) {
  const char* const path = std::getenv(kStoreVariable);
  if (path == nullptr) GTEST_SKIP() << "played by a child of the tests below";
  ASSERT_NE(::access(std::filesystem::path(path).parent_path().c_str(), W_OK), 0);
  const auto store = open_sqlite_store({.path = path, .read_only = true});
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(read_everything(**store), 3u);
}

class ReadOnlyForOthers : public ReadOnly {
 protected:
  // Exit code of this program as a user who may read the folder and the file, and write nothing.
  int run_as_another() {
    const bool root = ::geteuid() == 0;
    ::chmod(folder_.file("").c_str(), 0555);
    const pid_t child = ::fork();
    if (child == 0) {
      if (root && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(100);
      ::setenv(kStoreVariable, path_.c_str(), 1);
      // A share of its own would be an empty one.
      ::unsetenv("GTEST_TOTAL_SHARDS");
      ::unsetenv("GTEST_SHARD_INDEX");
      ::execl("/proc/self/exe", "storage_tests", "--gtest_filter=ReadOnlyAsAnotherUser.*",
              "--gtest_brief=1", nullptr);
      ::_exit(101);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::chmod(folder_.file("").c_str(), 0755);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(ReadOnlyForOthers, IsReadBesideARelay) {
  make(3);
  EXPECT_EQ(run_as_another(), 0);
}

TEST_F(ReadOnlyForOthers, IsReadWhereNobodyHasItOpen) {
  make(3);
  writing_.reset();
  const auto before = files();
  ASSERT_EQ(before, std::set<std::string>{"store.db"}) << "no index to read it through";
  EXPECT_EQ(run_as_another(), 0);
  EXPECT_EQ(files(), before);
}

}  // namespace
}  // namespace carillon::store::read_only_test
