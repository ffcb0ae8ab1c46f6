// What a power cut leaves: of each file what it held when it was last synced, and nothing since.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "tests/storage/store_fixture.h"

namespace carillon::store::power_cut_test {
namespace {

constexpr const char* kDurable = ".durable";  // beside each file: its content at its latest sync

// SQLite's own way to the disk, as the default while this lives, with a note of each sync.
class SyncingDisk {
 public:
  SyncingDisk() : real_(sqlite3_vfs_find(nullptr)), noting_(*real_) {
    noting_.zName = "noting";
    noting_.xOpen = &SyncingDisk::open;
    noting_.pAppData = real_->pAppData;
    self = this;
    EXPECT_EQ(sqlite3_vfs_register(&noting_, /*makeDflt=*/1), SQLITE_OK);
  }
  SyncingDisk(const SyncingDisk&) = delete;
  SyncingDisk& operator=(const SyncingDisk&) = delete;
  // After every store that was opened through it.
  ~SyncingDisk() {
    EXPECT_EQ(sqlite3_vfs_register(real_, /*makeDflt=*/1), SQLITE_OK);
    EXPECT_EQ(sqlite3_vfs_unregister(&noting_), SQLITE_OK);
    self = nullptr;
  }

  // The files of the store at `path` as a power cut would leave them now, at `to`.
  void cut(const std::string& path, const std::string& to) {
    const std::lock_guard lock(mutex_);
    for (const char* const part : {"", "-wal"}) {
      std::error_code none;
      std::filesystem::copy_file(path + part + kDurable, to + part, none);
    }
  }

 private:
  struct File {
    std::string path;
    const sqlite3_io_methods* real = nullptr;
    sqlite3_io_methods noting{};
  };

  static int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    const int code = self->real_->xOpen(self->real_, path, file, flags, out_flags);
    if (code != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) return code;
    const std::lock_guard lock(self->mutex_);
    File& noted = self->files_[file];
    noted = {.path = path, .real = file->pMethods, .noting = *file->pMethods};
    noted.noting.xSync = &SyncingDisk::sync;
    noted.noting.xClose = &SyncingDisk::close;
    file->pMethods = &noted.noting;
    return code;
  }
  static int sync(sqlite3_file* file, int flags) {
    const std::lock_guard lock(self->mutex_);
    const File& noted = self->files_.at(file);
    const int code = noted.real->xSync(file, flags);
    std::filesystem::copy_file(noted.path, noted.path + kDurable,
                               std::filesystem::copy_options::overwrite_existing);
    return code;
  }
  static int close(sqlite3_file* file) {
    const sqlite3_io_methods* real = nullptr;
    {
      const std::lock_guard lock(self->mutex_);
      real = self->files_.at(file).real;
      self->files_.erase(file);
    }
    return real->xClose(file);
  }

  static inline SyncingDisk* self = nullptr;
  sqlite3_vfs* const real_;
  sqlite3_vfs noting_;
  std::mutex mutex_;
  std::map<sqlite3_file*, File> files_;
};

TEST(PowerCut, LeavesEverythingThatWasAnswered) {
  const TemporaryFolder folder(TemporaryFolder::Speed::kFast);
  const std::string path = folder.file("store.db");
  SyncingDisk disk;
  auto opened = open_sqlite_store({.path = path});
  ASSERT_TRUE(opened) << opened.error().message;
  auto store = *std::move(opened);
  int cuts = 0;
  const auto after_a_cut = [&] {
    const std::string left = folder.file("left-" + std::to_string(++cuts) + ".db");
    disk.cut(path, left);
    auto again = open_sqlite_store({.path = left, .create = false});
    EXPECT_TRUE(again) << again.error().message;
    return again ? *std::move(again) : nullptr;
  };
  const std::string_view topics[] = {"news"};
  for (std::uint32_t i = 1; i <= 3; ++i) {
    const std::string name = "d-" + std::to_string(i);
    ASSERT_TRUE(store->put_device({.app = "video",
                                   .device = name,
                                   .platform = Platform::kApns,
                                   .token = name,
                                   .subscriber = name,
                                   .topics = topics},
                                  1'000));
    auto left = after_a_cut();
    ASSERT_TRUE(left);
    EXPECT_TRUE(left->device("video", name)) << "registration " << i;

    ASSERT_TRUE(store->accept({.id = event_id(i),
                               .app = "video",
                               .audience = {.topics = {"news"}},
                               .content = "{}",
                               .accepted_ms = 2'000,
                               .expires_ms = 9'000}));
    left = after_a_cut();
    ASSERT_TRUE(left);
    EXPECT_TRUE(left->event(event_id(i))) << "event " << i;

    Checkpoint step{.job = {event_id(i), Platform::kApns}};
    const auto devices = scan_all(*store, step.job);
    ASSERT_EQ(devices.size(), i);
    step.cursor = devices.front().position;
    step.added = {.accepted = 1};
    ASSERT_TRUE(record_now(*store, {step}, 3'000));
    left = after_a_cut();
    ASSERT_TRUE(left);
    const auto jobs = left->jobs(event_id(i));
    ASSERT_TRUE(jobs && jobs->size() == 1);
    EXPECT_EQ(jobs->front().counters.accepted, 1u) << "outcome of event " << i;
    EXPECT_EQ(jobs->front().cursor, step.cursor);
  }
  store.reset();
}

}  // namespace
}  // namespace carillon::store::power_cut_test
