// SQLite's C API, wrapped once: a connection, its prepared statements, a row under a cursor.
//
// Inside storage/sqlite a failure is thrown as `StoreFailure` and becomes an `Error` at one edge
// (the writer's request, the reader's lease): whatever statement failed, the answer is the same,
// the transaction is undone and the caller gets one sentence.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/store.h"

namespace carillon::store::sqlite {

struct StoreFailure {
  Error error;
};

[[noreturn]] void fail(Error::Kind kind, std::string message);
// What a chunk or row that does not decode says: `where` names the structure.
[[noreturn]] void fail_corrupt(std::string_view where);

// One connection, used by one thread at a time.
class Database {
 public:
  enum class Access : std::uint8_t {
    kReadOnly,
    kReadWrite,
    kCreate,
    kSettled,  // to read a file that nobody changes meanwhile: settled_file.h
  };
  Database(const std::string& path, Access access);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  sqlite3* handle() const { return handle_.get(); }
  const std::string& path() const { return path_; }
  void execute(const char* sql);
  void execute(const std::string& sql) { execute(sql.c_str()); }
  std::int64_t pragma(const std::string& name);  // of pragmas that answer one integer
  std::int64_t changes() const { return sqlite3_changes64(handle_.get()); }
  // Rows changed since the connection was opened, undone ones too.
  std::int64_t total_changes() const { return sqlite3_total_changes64(handle_.get()); }
  std::int64_t last_row() const { return sqlite3_last_insert_rowid(handle_.get()); }
  // How long a statement waits for another process's transaction before it fails with kBusy.
  void wait_when_busy(std::chrono::milliseconds longest);
  bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
  // Undoes an open transaction, if SQLite has not done so itself.
  void rollback() noexcept;
  [[noreturn]] void fail_with(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  static int on_busy(void* self, int times) noexcept;

  std::string path_;
  std::chrono::milliseconds busy_longest_{0};
  std::unique_ptr<sqlite3, Close> handle_;
};

// Bytes that are bound and stored as a BLOB, where a string_view is TEXT.
struct Blob {
  std::string_view bytes;
};

class Statement;

// The rows of one execution; ends it when it goes, so that no statement keeps a snapshot alive.
// Views of columns live until the next row. What was bound must outlive it.
class Cursor {
 public:
  explicit Cursor(Statement& statement) : statement_(&statement) {}
  Cursor(Cursor&& other) noexcept : statement_(other.statement_) { other.statement_ = nullptr; }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  bool next();
  std::int64_t integer(int column) const;
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string_view bytes(int column) const;  // TEXT or BLOB
  std::string text(int column) const { return std::string(bytes(column)); }
  bool null(int column) const;

 private:
  Statement* statement_;
};

// Prepared once, for as long as its connection lives.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <class... Values>
  [[nodiscard]] Cursor rows(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
    return Cursor(*this);
  }
  // For statements without rows: executes to the end.
  template <class... Values>
  void run(const Values&... values) {
    rows(values...).next();
  }
  // For ends of transactions that nothing can be done about.
  void run_quietly() noexcept;

 private:
  friend class Cursor;
  void bind(int index, std::string_view text);
  void bind(int index, Blob blob);
  void bind_integer(int index, std::int64_t value);
  template <std::integral T>
  void bind(int index, T value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  void check(int code) const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// A snapshot that several statements read from; ends with its scope. The statements are BEGIN and
// ROLLBACK, prepared on the connection.
class ReadTransaction {
 public:
  ReadTransaction(Statement& begin, Statement& end) : end_(end) { begin.run(); }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  ~ReadTransaction() { end_.run_quietly(); }

 private:
  Statement& end_;
};

}  // namespace carillon::store::sqlite
