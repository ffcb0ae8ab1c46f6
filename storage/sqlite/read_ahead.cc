#include "storage/sqlite/read_ahead.h"

#include <pthread.h>

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {
namespace {

// Rows of a read transaction: some 4 MiB, a few milliseconds. A longer one would keep the log from
// being taken over.
constexpr int kRowsAtOnce = 4'000;
constexpr std::chrono::seconds kBusyWait{5};

bool fits_memory(const std::string& path) {
  std::error_code gone;
  const std::uintmax_t bytes = std::filesystem::file_size(path, gone);
  const auto memory = static_cast<std::uintmax_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uintmax_t>(::sysconf(_SC_PAGESIZE));
  return !gone && bytes <= memory / 2;
}

}  // namespace

ReadAhead::ReadAhead(std::string path) : path_(std::move(path)) {
  if (fits_memory(path_)) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "store-readahead");
      run();
    });
  }
}

ReadAhead::~ReadAhead() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

// Through SQLite: who opens and closes the file himself ends the locks that SQLite has on it.
void ReadAhead::run() {
  try {
    Database database(path_, Database::Access::kReadWrite);
    database.wait_when_busy(kBusyWait);
    database.execute("PRAGMA query_only = ON");
    database.execute("PRAGMA cache_size = -256");  // KiB; it is the system's cache that is filled
    for (const char* table : {"hx_new", "hx_young", "hx", "sub", "hot", "mem"}) {
      Statement keys(database, fmt::format("SELECT k FROM {} WHERE k > ? ORDER BY k LIMIT {}",
                                           table, kRowsAtOnce));
      std::int64_t last = std::numeric_limits<std::int64_t>::min();
      for (int rows = kRowsAtOnce; rows == kRowsAtOnce && !stopping_;) {
        rows = 0;
        for (Cursor row = keys.rows(last); row.next(); ++rows) last = row.integer(0);
      }
    }
  } catch (const StoreFailure&) {
    // It was to save time. Who needs the file will say what is wrong with it.
  }
}

}  // namespace carillon::store::sqlite
