// What bounds the log when another connection is at a checkpoint of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "storage/sqlite/sqlite_store.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::log_bound_test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLogMax = 256 * 1024;

// A process that is at a checkpoint for as long as it is told: it holds the lock that SQLite's
// file format has for that, byte 121 of the index of the log (WAL_CKPT_LOCK, sqlite.org/walformat).
class CheckpointElsewhere {
 public:
  // Before the store's threads begin.
  explicit CheckpointElsewhere(std::string index) {
    if (::pipe(to_.data()) != 0 || ::pipe(from_.data()) != 0) std::abort();
    child_ = ::fork();
    if (child_ != 0) return;
    char word = 0;
    if (::read(to_[0], &word, 1) != 1) ::_exit(1);
    const int file = ::open(index.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 121;
    lock.l_len = 1;
    if (::fcntl(file, F_SETLKW, &lock) != 0 || ::write(from_[1], "h", 1) != 1) ::_exit(2);
    ::_exit(::read(to_[0], &word, 1) == 1 ? 0 : 3);
  }
  CheckpointElsewhere(const CheckpointElsewhere&) = delete;
  CheckpointElsewhere& operator=(const CheckpointElsewhere&) = delete;
  ~CheckpointElsewhere() {
    for (const int end : {to_[0], to_[1], from_[0], from_[1]}) ::close(end);
  }

  bool begin() {
    char word = 0;
    return ::write(to_[1], "b", 1) == 1 && ::read(from_[0], &word, 1) == 1;
  }
  bool end() {
    int status = -1;
    return ::write(to_[1], "e", 1) == 1 && ::waitpid(child_, &status, 0) == child_ && status == 0;
  }

 private:
  std::array<int, 2> to_{}, from_{};
  pid_t child_ = -1;
};

TEST(LogBound, IsKeptWhenTheCheckpointOfAnotherLastsAWhile) {
  const TemporaryFolder folder{TemporaryFolder::Speed::kFast};
  CheckpointElsewhere other(folder.file("store.db-shm"));
  // Nothing but the writer shortens the log.
  auto store = open_sqlite_store({.path = folder.file("store.db"),
                                  .checkpoint_interval = 1h,
                                  .wal_bytes_max = kLogMax,
                                  .checkpoint_wait = 1min});
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE(other.begin());
  auto writing = std::async(std::launch::async, [&store = **store] {
    for (int device = 0; device < 200; ++device) {
      const std::string name = std::to_string(device);
      if (!store.put_device({.app = "video", .device = name, .token = name, .subscriber = name},
                            1)) {
        return false;
      }
    }
    return true;
  });
  EXPECT_EQ(writing.wait_for(300ms), std::future_status::timeout)
      << "the log grew on to " << (*store)->stats()->wal_bytes;
  EXPECT_TRUE(other.end());
  EXPECT_TRUE(writing.get());
  EXPECT_LT((*store)->stats()->wal_bytes, 2 * kLogMax);
}

}  // namespace
}  // namespace carillon::store::log_bound_test
