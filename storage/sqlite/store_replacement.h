// A store that is about to be replaced by another file under the same name: an empty one by a full
// one, or one that cannot shrink by its copy that can. From the constructor on nobody else can open
// it; after `publish` the path names the new file. Until then a crash leaves the store as it was,
// and `<path>.new`, which the next replacement removes. The new file has the old one's owner and
// permissions, and can shrink.
#pragma once

#include <memory>
#include <string>

#include "storage/sqlite/database.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/store_lock.h"

namespace carillon::store::sqlite {

class StoreReplacement {
 public:
  enum class Of : std::uint8_t { kEmptyStore, kAnyStore };
  // Null if anybody has the store open, or it has an audience and only an empty one is to be
  // replaced. Creates it if the options say so.
  static std::unique_ptr<StoreReplacement> begin(const SqliteStoreOptions& options, Of which);
  StoreReplacement(const StoreReplacement&) = delete;
  StoreReplacement& operator=(const StoreReplacement&) = delete;
  ~StoreReplacement();

  // A copy of the store, of an empty one with what else it holds, keys for example. Not durable,
  // not safe against a crash, in one open transaction.
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
