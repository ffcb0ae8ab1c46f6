// Whether a file that was promised not to change has kept the promise.
#include "storage/sqlite/settled_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/sqlite/database.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::settled_file_test {
namespace {

using sqlite::Database;
using sqlite::SettledFile;

class SettledFileTest : public testing::Test {
 protected:
  SettledFileTest() { (void)open_sqlite_store({.path = path_}).value(); }
  bool kept(const SettledFile& file) {
    try {
      file.check();
      return true;
    } catch (const sqlite::StoreFailure& failure) {
      EXPECT_EQ(failure.error.kind, Error::Kind::kBusy);
      return false;
    }
  }
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("a #1 100% store?.db");
};

TEST_F(SettledFileTest, IsSettledWhileNobodyHasItOpen) {
  const SettledFile file(path_);
  EXPECT_TRUE(SettledFile::is(path_));
  Database database(path_, Database::Access::kSettled);
  EXPECT_GT(database.pragma("page_count"), 1) << "whatever its name";
  EXPECT_TRUE(kept(file));
}

TEST_F(SettledFileTest, IsNotOnceALogHasSomething) {
  const SettledFile file(path_);
  const auto store = open_sqlite_store({.path = path_}).value();
  ASSERT_TRUE(store->check_writable());
  EXPECT_FALSE(kept(file));
}

TEST_F(SettledFileTest, WasNotWhenItsPagesAreNewThoughTheLogIsGone) {
  // A file system tells times in steps of some milliseconds: this one was written long ago.
  std::filesystem::last_write_time(
      path_, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const SettledFile file(path_);
  {
    const auto store = open_sqlite_store({.path = path_}).value();
    ASSERT_TRUE(store->check_writable());
  }
  ASSERT_FALSE(std::filesystem::exists(path_ + "-wal"));
  EXPECT_FALSE(kept(file));
}

TEST_F(SettledFileTest, WasNotWhenAnotherFileHasItsName) {
  const SettledFile file(path_);
  std::filesystem::copy_file(path_, folder_.file("copy"));
  std::filesystem::rename(folder_.file("copy"), path_);
  EXPECT_FALSE(kept(file));
}

}  // namespace
}  // namespace carillon::store::settled_file_test
