// A store of before compaction becomes one whose file can shrink: SQLite decides that with a file's
// first page, so the whole file is written anew.
#include <fmt/format.h>

#include <filesystem>

#include "storage/sqlite/schema.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/store_replacement.h"

namespace carillon::store {
namespace sqlite {
namespace {

// Beyond the copy itself: its journal's switch, neighbours that write meanwhile.
constexpr std::uint64_t kRoomToSpare = 16 * 1024 * 1024;  // bytes

void want_room_for_a_copy(const std::string& path) {
  Database database(path, Database::Access::kReadOnly);
  database.wait_when_busy(std::chrono::seconds(5));
  const auto used = static_cast<std::uint64_t>(
      (database.pragma("page_count") - database.pragma("freelist_count")) * kPageBytes);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const auto room = std::filesystem::space(folder.empty() ? "." : folder).available;
  if (room >= used + kRoomToSpare) return;
  constexpr std::uint64_t kMib = 1024 * 1024;
  fail(Error::Kind::kFull,
       fmt::format("a copy of the store {} takes {} MiB beside it, its disk has {} MiB free: make "
                   "room",
                   path, (used + kRoomToSpare) / kMib, room / kMib));
}

void want_sound(Database& copy) {
  Statement check(copy, "PRAGMA quick_check(1)");
  Cursor row = check.rows();
  if (!row.next() || row.bytes(0) != "ok") {
    fail(Error::Kind::kCorrupt,
         fmt::format("the copy {} is damaged, and so may be the store: it stays as it is",
                     copy.path()));
  }
}

}  // namespace
}  // namespace sqlite

Result<std::uint64_t> convert_sqlite_store(const SqliteStoreOptions& options) {
  using namespace sqlite;
  try {
    std::error_code ignored;
    if (!std::filesystem::exists(options.path, ignored)) {
      fail(Error::Kind::kNotFound,
           fmt::format("there is no store at {}: check the path", options.path));
    }
    want_room_for_a_copy(options.path);
    const auto replacement = StoreReplacement::begin(options, StoreReplacement::Of::kAnyStore);
    if (!replacement) {
      fail(Error::Kind::kBusy,
           fmt::format("the store {} is in use: its file can be made to shrink only while nobody "
                       "has it open, so stop the relay and try again",
                       options.path));
    }
    want_sound(replacement->fresh());
    replacement->publish();
    return std::filesystem::file_size(options.path);
  } catch (const StoreFailure& failure) {
    return tl::unexpected(failure.error);
  } catch (const std::filesystem::filesystem_error& error) {
    return tl::unexpected(Error{Error::Kind::kIo, error.what()});
  }
}

}  // namespace carillon::store
