// A store as it is at one moment, for one reader at leisure: a copy in a file without a name.
//
// Its room is given back when it goes, or with its process. What a crash leaves: nothing, but for
// two moments of some microseconds. Before the name is taken away it is `.carillon-export-XXXXXX`
// with nothing in it; when the copy is made and leaves WAL mode, the same and one with `-wal`
// behind it, empty too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/sqlite/page_copy.h"

namespace carillon::store::sqlite {

// Beyond the copy's own size, what must stay free for the store that it stands beside: what its log
// may grow to meanwhile.
inline constexpr std::uint64_t kBytesLeftFree = 64 * 1024 * 1024;

// Throws kFull, with the figures, unless `folder` has room for `bytes` and kBytesLeftFree more.
// `bytes_free_max`: what is taken to be free at most, 0: what the disk says.
void require_room(const std::string& folder, std::uint64_t bytes, std::uint64_t bytes_free_max);

// Beside the store, or where temporary files go ($TMPDIR, /tmp) if this user may not write there.
std::string folder_for_copies(const std::string& store_path);

class PrivateCopy {
 public:
  // Throws StoreFailure: kFull, kBusy if `progress` breaks it off, what `from` says.
  PrivateCopy(Database& from, const std::string& folder, const CopyProgress& progress);
  Database& database() { return *database_; }

 private:
  std::optional<Database> database_;
};

}  // namespace carillon::store::sqlite
