// One relay to a store: an advisory lock on `<path>.lock`, gone with the process that holds it.
#pragma once

#include <string>

namespace carillon::store::sqlite {

class StoreLock {
 public:
  // Throws StoreFailure: kBusy if another process holds it, kIo if it cannot be made.
  explicit StoreLock(const std::string& store_path);
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock();

 private:
  int descriptor_ = -1;
};

}  // namespace carillon::store::sqlite
