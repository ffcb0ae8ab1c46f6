#include "storage/sqlite/checkpointer.h"

#include <pthread.h>

namespace carillon::store::sqlite {
namespace {

// The first statement reads the schema, which another process may be making.
constexpr std::chrono::seconds kOpenWait{5};

}  // namespace

Checkpointer::Checkpointer(const std::string& path, std::chrono::milliseconds interval)
    : database_(path, Database::Access::kReadWrite), interval_(interval) {
  database_.wait_when_busy(kOpenWait);
  database_.execute("PRAGMA synchronous = FULL");
  database_.execute("PRAGMA cache_size = -256");  // KiB; checkpoints copy past the cache
  database_.execute("PRAGMA wal_autocheckpoint = 0");
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "store-wal");
    run();
  });
}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpointer::committed() {
  {
    const std::lock_guard lock(mutex_);
    if (behind_) return;
    behind_ = true;
  }
  wake_.notify_one();
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait(lock, [this] { return behind_ || stopping_; });
    wake_.wait_for(lock, interval_, [this] { return stopping_; });
    if (stopping_) return;
    behind_ = false;
    lock.unlock();
    // Passive: never waits for anybody. What it could not copy, the next one will; a full disk is
    // the writer's to report.
    sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                              nullptr);
    lock.lock();
  }
}

}  // namespace carillon::store::sqlite
