// The connections that read, a few of them, lent to whoever reads for as long as one call takes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/sqlite/audience_census.h"
#include "storage/sqlite/audience_scan.h"
#include "storage/sqlite/event_tables.h"
#include "storage/sqlite/outcome_log.h"
#include "storage/sqlite/quarantine_tables.h"
#include "storage/sqlite/settled_file.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::store::sqlite {

// One connection with all its statements prepared.
struct ReadSession {
  ReadSession(const SqliteStoreOptions& options, Database::Access access)
      : database(options, access),
        begin(database, "BEGIN"),
        end(database, "ROLLBACK"),
        audience(database),
        quarantine(database),
        events(database),
        outcomes(database),
        pages(database, audience),
        census(database, audience) {}

  struct Connection : Database {
    Connection(const SqliteStoreOptions& options, Access access) : Database(options.path, access) {
      wait_when_busy(options.busy_wait);
      execute("PRAGMA query_only = ON");
      execute("PRAGMA cache_size = -" + std::to_string(options.reader_cache_kib));
    }
  };

  Connection database;
  Statement begin, end;
  AudienceTables audience;
  QuarantineTables quarantine;
  EventTables events;
  OutcomeLog outcomes;
  AudiencePages pages;
  AudienceCensus census;
};

class ReaderPool {
 public:
  // kReadWrite where a writer stands beside it: its log and index are then there to be opened. With
  // kSettled every read ends with a look at whether the file was settled all the time.
  ReaderPool(const SqliteStoreOptions& options, Database::Access access)
      : options_(options), access_(access) {
    if (access == Database::Access::kSettled) settled_.emplace(options.path);
  }

  // Calls read(session) in a snapshot of its own. From any thread; waits while all connections are
  // lent.
  template <class Read>
  auto with(Read read) -> Result<std::invoke_result_t<Read, ReadSession&>> {
    try {
      std::unique_ptr<ReadSession> session = borrow();
      struct Return {
        ReaderPool& pool;
        std::unique_ptr<ReadSession>& session;
        ~Return() { pool.give_back(std::move(session)); }
      } giving_back{*this, session};
      try {
        const ReadTransaction snapshot(session->begin, session->end);
        if constexpr (std::is_void_v<std::invoke_result_t<Read, ReadSession&>>) {
          read(*session);
          if (settled_) settled_->check();
          return {};
        } else {
          auto answer = read(*session);
          if (settled_) settled_->check();
          return answer;
        }
      } catch (const StoreFailure&) {
        session.reset();  // its cursors may be anywhere: the next one begins anew
        throw;
      }
    } catch (const StoreFailure& failure) {
      return tl::unexpected(failure.error);
    }
  }

 private:
  std::unique_ptr<ReadSession> borrow() {
    std::unique_lock lock(mutex_);
    free_.wait(lock, [this] { return !idle_.empty() || lent_ < options_.readers_max; });
    ++lent_;
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
    lock.unlock();
    try {
      return std::make_unique<ReadSession>(options_, access_);
    } catch (const StoreFailure&) {
      give_back(nullptr);
      throw;
    }
  }

  void give_back(std::unique_ptr<ReadSession> session) {
    {
      const std::lock_guard lock(mutex_);
      --lent_;
      if (session) idle_.push_back(std::move(session));
    }
    free_.notify_one();
  }

  const SqliteStoreOptions options_;
  const Database::Access access_;
  std::optional<SettledFile> settled_;
  std::mutex mutex_;  // a free list; held for a few instructions
  std::condition_variable free_;
  std::vector<std::unique_ptr<ReadSession>> idle_;
  std::size_t lent_ = 0;
};

}  // namespace carillon::store::sqlite
