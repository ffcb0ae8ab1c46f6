#include "storage/sqlite/page_copy.h"

#include <memory>

#include "storage/sqlite/schema.h"

namespace carillon::store::sqlite {
namespace {

// Between two looks at the progress: 1 MiB, about a millisecond.
constexpr int kPagesPerStep = 256;

}  // namespace

void copy_pages(Database& from, Database& to, const CopyProgress& progress) {
  // One snapshot for the whole copy: without it every commit of the relay begins it anew.
  Statement begin(from, "BEGIN"), end(from, "ROLLBACK");
  const ReadTransaction snapshot(begin, end);
  Statement(from, "SELECT count(*) FROM sqlite_schema").run();
  to.execute("PRAGMA locking_mode = EXCLUSIVE");
  to.execute("PRAGMA journal_mode = OFF");
  to.execute("PRAGMA synchronous = OFF");
  struct Finish {
    void operator()(sqlite3_backup* backup) const noexcept { sqlite3_backup_finish(backup); }
  };
  const std::unique_ptr<sqlite3_backup, Finish> backup(
      sqlite3_backup_init(to.handle(), "main", from.handle(), "main"));
  if (!backup) to.fail_with(sqlite3_errcode(to.handle()));
  for (;;) {
    const int code = sqlite3_backup_step(backup.get(), kPagesPerStep);
    if (code != SQLITE_OK && code != SQLITE_DONE) {
      // SQLite does not say whose fault it is; that a disk is full is always the copy's.
      ((code & 0xff) == SQLITE_FULL ? to : from).fail_with(code);
    }
    const auto pages = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup.get()));
    const auto left = static_cast<std::uint64_t>(sqlite3_backup_remaining(backup.get()));
    if (progress && !progress((pages - left) * kPageBytes, pages * kPageBytes)) {
      fail(Error::Kind::kBusy, "the copy of the store was broken off");
    }
    if (code == SQLITE_DONE) return;
  }
}

}  // namespace carillon::store::sqlite
