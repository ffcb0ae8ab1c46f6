// Copies the write-ahead log into the file in the background, so that the writer seldom has to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

class Checkpointer {
 public:
  Checkpointer(const std::string& path, std::chrono::milliseconds interval);
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  ~Checkpointer();

  void committed();  // from any thread: there is something to copy

 private:
  void run();

  Database database_;  // the thread's own
  const std::chrono::milliseconds interval_;
  // Only the flags: this thread has no queue.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool behind_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace carillon::store::sqlite
