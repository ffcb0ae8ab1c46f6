// An empty store that is about to be replaced by a full one under the same name. From the
// constructor on nobody else can open it; after `publish` the path names the new file. Until then a
// crash leaves the empty store as it was, and `<path>.new`, which the next replacement removes.
#pragma once

#include <memory>
#include <string>

#include "storage/sqlite/database.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/store_lock.h"

namespace carillon::store::sqlite {

class StoreReplacement {
 public:
  // Null if the store has an audience or anybody has it open. Creates it if the options say so.
  static std::unique_ptr<StoreReplacement> begin(const SqliteStoreOptions& options);
  StoreReplacement(const StoreReplacement&) = delete;
  StoreReplacement& operator=(const StoreReplacement&) = delete;
  ~StoreReplacement();

  // A copy of the empty store with what else it holds, keys for example. Not durable, not safe
  // against a crash, in one open transaction.
  Database& fresh() { return *fresh_; }
  // Statements on `fresh` must be gone. Durable when it returns.
  void publish();

 private:
  StoreReplacement(const SqliteStoreOptions& options, std::unique_ptr<StoreLock> lock,
                   std::unique_ptr<Database> old);

  const std::string path_, new_path_;
  std::unique_ptr<StoreLock> lock_;
  std::unique_ptr<Database> old_, fresh_;
};

}  // namespace carillon::store::sqlite
