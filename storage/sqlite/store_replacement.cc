#include "storage/sqlite/store_replacement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "storage/sqlite/schema.h"

namespace carillon::store::sqlite {
namespace {

// What is appended is not read again, so the cache only gathers pages before they are written.
constexpr int kLoadCacheKib = 24 * 1024;

bool has_audience(Database& database) {
  Statement any(database,
                "SELECT EXISTS (SELECT 1 FROM sub) OR EXISTS (SELECT 1 FROM hot) OR EXISTS (SELECT "
                "1 FROM mem) OR EXISTS (SELECT 1 FROM hx) OR EXISTS (SELECT 1 FROM hx_young) OR "
                "EXISTS (SELECT 1 FROM hx_new) OR EXISTS (SELECT 1 FROM job WHERE state <= 3)");
  Cursor row = any.rows();
  return row.next() && row.integer(0) != 0;
}

// False: somebody else has the file open.
bool leave_wal(Database& database) {
  try {
    Statement change(database, "PRAGMA journal_mode = DELETE");
    Cursor row = change.rows();
    return row.next() && row.bytes(0) == "delete";
  } catch (const StoreFailure& failure) {
    if (failure.error.kind != Error::Kind::kBusy) throw;
    return false;
  }
}

void sync_path(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0 || ::fsync(file) != 0) {
    const std::string why = std::strerror(errno);
    if (file >= 0) ::close(file);
    fail(Error::Kind::kIo, fmt::format("{} cannot be brought to the disk: {}", path, why));
  }
  ::close(file);
}

// An empty file with the owner and the permissions of another: a store holds people's tokens, and
// whoever serves it must be able to open what replaces it.
void make_like(const std::string& like, const std::string& path) {
  struct stat wanted {};
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  bool made = file >= 0 && ::stat(like.c_str(), &wanted) == 0;
  if (made && (wanted.st_uid != ::geteuid() || wanted.st_gid != ::getegid())) {
    made = ::fchown(file, wanted.st_uid, wanted.st_gid) == 0;
  }
  made = made && ::fchmod(file, wanted.st_mode & 0777) == 0;
  const std::string why = std::strerror(errno);
  if (file >= 0) ::close(file);
  if (made) return;
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  fail(Error::Kind::kIo,
       fmt::format("{} cannot be made with the owner and permissions of {}: {}", path, like, why));
}

}  // namespace

std::unique_ptr<StoreReplacement> StoreReplacement::begin(const SqliteStoreOptions& options,
                                                          Of which) {
  const auto unwanted = [which](Database& store) {
    return which == Of::kEmptyStore && has_audience(store);
  };
  std::error_code ignored;
  if (!options.create && !std::filesystem::exists(options.path, ignored)) {
    fail(Error::Kind::kNotFound,
         fmt::format("there is no store at {}: check the path", options.path));
  }
  std::unique_ptr<StoreLock> lock;
  try {
    lock = std::make_unique<StoreLock>(options.path);
  } catch (const StoreFailure& failure) {
    if (failure.error.kind != Error::Kind::kBusy) throw;
    return nullptr;
  }
  auto old = std::make_unique<Database>(
      options.path, options.create ? Database::Access::kCreate : Database::Access::kReadWrite);
  if (!options.create && identify(*old) == FileState::kEmpty) {
    fail(Error::Kind::kCorrupt,
         fmt::format("{} is empty and not a store: check the path", options.path));
  }
  old->wait_when_busy(options.busy_wait);
  migrate(*old);
  old->wait_when_busy(std::chrono::milliseconds(0));
  if (unwanted(*old) || !leave_wal(*old)) return nullptr;
  try {
    // Keeps the file's lock beyond its transactions.
    old->execute("PRAGMA locking_mode = EXCLUSIVE");
    old->execute("PRAGMA journal_mode = MEMORY");
    old->execute("BEGIN EXCLUSIVE");
    old->execute("COMMIT");
  } catch (const StoreFailure& failure) {
    if (failure.error.kind != Error::Kind::kBusy) throw;
    return nullptr;
  }
  if (unwanted(*old)) return nullptr;
  return std::unique_ptr<StoreReplacement>(
      new StoreReplacement(options, std::move(lock), std::move(old)));
}

StoreReplacement::StoreReplacement(const SqliteStoreOptions& options,
                                   std::unique_ptr<StoreLock> lock, std::unique_ptr<Database> old)
    : path_(options.path),
      new_path_(options.path + ".new"),
      lock_(std::move(lock)),
      old_(std::move(old)) {
  for (const char* end : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;
    std::filesystem::remove(new_path_ + end, ignored);
  }
  make_like(path_, new_path_);
  {
    // Of the copy: the old file stays as it is.
    old_->execute("PRAGMA auto_vacuum = INCREMENTAL");
    Statement copy(*old_, "VACUUM INTO ?");
    copy.run(std::string_view(new_path_));
  }
  fresh_ = std::make_unique<Database>(new_path_, Database::Access::kReadWrite);
  fresh_->execute("PRAGMA journal_mode = OFF");
  fresh_->execute("PRAGMA synchronous = OFF");
  fresh_->execute("PRAGMA locking_mode = EXCLUSIVE");
  fresh_->execute("PRAGMA temp_store = MEMORY");
  fresh_->execute(fmt::format("PRAGMA cache_size = -{}", kLoadCacheKib));
  if (options.pages_max != 0) {
    fresh_->execute(fmt::format("PRAGMA max_page_count = {}", options.pages_max));
  }
  fresh_->execute("BEGIN");
}

StoreReplacement::~StoreReplacement() {
  if (!fresh_) return;
  fresh_.reset();
  std::error_code ignored;
  std::filesystem::remove(new_path_, ignored);
}

void StoreReplacement::publish() {
  fresh_->execute("COMMIT");
  fresh_->execute("PRAGMA journal_mode = WAL");
  fresh_.reset();
  sync_path(new_path_, O_RDWR);
  if (std::rename(new_path_.c_str(), path_.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::error_code ignored;
    std::filesystem::remove(new_path_, ignored);
    fail(Error::Kind::kIo, fmt::format("{} cannot be renamed: {}", new_path_, why));
  }
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
  // Who opened the old file and waits for its lock must not take it for a store any more.
  old_->execute("PRAGMA application_id = 0");
  old_.reset();
}

}  // namespace carillon::store::sqlite
