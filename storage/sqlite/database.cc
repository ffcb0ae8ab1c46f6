#include "storage/sqlite/database.h"

#include <fmt/format.h>

#include <filesystem>
#include <mutex>
#include <thread>

namespace carillon::store::sqlite {
namespace {

// One connection a thread at a time is our own rule, so SQLite's mutexes and its global memory
// accounting (a lock on every allocation) would only cost.
void configure_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
  });
}

Error error_of(int code, const char* detail, const std::string& path) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {Error::Kind::kFull,
              fmt::format("the store {} cannot grow ({}): free space on its disk", path, detail)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Error::Kind::kBusy,
              fmt::format("another process holds the store {} for too long: try again", path)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // Statements are the program's own and fit a sound store: what does not, is no such store.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return {Error::Kind::kCorrupt,
              fmt::format("{} is not a store or is damaged ({}): restore a backup", path, detail)};
    case SQLITE_CANTOPEN:
      return {Error::Kind::kIo,
              fmt::format("the store {} cannot be opened ({}): check the path and its permissions",
                          path, detail)};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {
          Error::Kind::kIo,
          fmt::format("the store {} cannot be written ({}): check its permissions", path, detail)};
    default:
      return {Error::Kind::kIo, fmt::format("the store {} failed: {}", path, detail)};
  }
}

// The file as a URI with which SQLite takes no lock and looks for no log.
std::string settled_uri(const std::string& path) {
  std::string absolute = std::filesystem::absolute(path).string();
  // Two slashes would begin a host.
  absolute.erase(0, absolute.find_first_not_of('/'));
  std::string uri = "file:/";
  for (const char c : absolute) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

void fail(Error::Kind kind, std::string message) {
  throw StoreFailure{{kind, std::move(message)}};
}

void fail_corrupt(std::string_view where) {
  fail(Error::Kind::kCorrupt,
       fmt::format("the store is damaged in {}: run `carillon check`, restore a backup", where));
}

Database::Database(const std::string& path, Access access) : path_(path) {
  configure_library();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (access == Access::kReadOnly) flags |= SQLITE_OPEN_READONLY;
  if (access == Access::kReadWrite) flags |= SQLITE_OPEN_READWRITE;
  if (access == Access::kCreate) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (access == Access::kSettled) flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
  const std::string name = access == Access::kSettled ? settled_uri(path) : path;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail_with(code);
}

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail_with(code);
}

std::int64_t Database::pragma(const std::string& name) {
  Statement statement(*this, "PRAGMA " + name);
  Cursor row = statement.rows();
  return row.next() ? row.integer(0) : 0;
}

// Asks again every millisecond, where SQLite's own handler backs off to 100 ms: beside an importer
// that writes back to back, who asks seldom never finds the gap.
int Database::on_busy(void* self, int times) noexcept {
  constexpr std::chrono::milliseconds kPause{1};
  if (times * kPause >= static_cast<Database*>(self)->busy_longest_) return 0;
  std::this_thread::sleep_for(kPause);
  return 1;
}

void Database::wait_when_busy(std::chrono::milliseconds longest) {
  busy_longest_ = longest;
  sqlite3_busy_handler(handle_.get(), &Database::on_busy, this);
}

void Database::rollback() noexcept {
  if (in_transaction()) sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::fail_with(int code) const {
  throw StoreFailure{
      error_of(code, handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code), path_)};
}

Statement::Statement(Database& database, std::string_view sql) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
  statement_.reset(statement);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) database_->fail_with(code);
}

void Statement::run_quietly() noexcept {
  sqlite3_step(statement_.get());
  sqlite3_reset(statement_.get());
}

// Bound values outlive the cursor (see Cursor), so SQLite need not copy them.
void Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), index, text.data() ? text.data() : "", text.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind(int index, Blob blob) {
  check(sqlite3_bind_blob64(statement_.get(), index, blob.bytes.data() ? blob.bytes.data() : "",
                            blob.bytes.size(), SQLITE_STATIC));
}

void Statement::bind_integer(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index, value));
}

Cursor::~Cursor() {
  if (statement_) sqlite3_reset(statement_->statement_.get());
}

bool Cursor::next() {
  const int code = sqlite3_step(statement_->statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  statement_->database_->fail_with(code);
}

std::int64_t Cursor::integer(int column) const {
  return sqlite3_column_int64(statement_->statement_.get(), column);
}

std::string_view Cursor::bytes(int column) const {
  sqlite3_stmt* statement = statement_->statement_.get();
  const void* data = sqlite3_column_blob(statement, column);
  return {static_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement, column))};
}

bool Cursor::null(int column) const {
  return sqlite3_column_type(statement_->statement_.get(), column) == SQLITE_NULL;
}

}  // namespace carillon::store::sqlite
