// The store's single writer: a thread that applies requests one after the other and lets
// neighbours share one commit.
//
// A request that fails before its first change is told so alone. After a later failure, and if the
// commit itself fails, the whole transaction is undone and every request of the group is tried once
// more on its own, so that each gets its own answer. Requests may thus be applied twice, never
// committed twice. A savepoint for each would spare the others that rare repetition, and cost every
// one of them the copies of the pages that it touches.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/checkpointer.h"
#include "storage/sqlite/compaction_edit.h"
#include "storage/sqlite/event_edit.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::store::sqlite {

class Writer {
 public:
  // What a request works on: the writer's connection.
  struct Session {
    Session(Database& database, const SqliteStoreOptions& options)
        : begin(database, "BEGIN IMMEDIATE"),
          commit(database, "COMMIT"),
          audience(database, options.young_names_max),
          events(database, audience),
          database_(database) {}
    Statement begin, commit;
    AudienceEdit audience;
    EventEdit events;
    // Made when it is first asked for: most visits never do.
    CompactionEdit& compaction() {
      if (!compaction_) compaction_.emplace(database_);
      return *compaction_;
    }

   private:
    Database& database_;
    std::optional<CompactionEdit> compaction_;
  };
  using Apply = std::function<void(Session&)>;  // throws StoreFailure
  enum class Company : std::uint8_t {
    kShared,
    kAlone  // a transaction of its own: too long for others to wait for, or to be done twice
  };

  explicit Writer(const SqliteStoreOptions& options);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();  // applies what is queued first

  // A line of its own, from any thread; waits until it is durable or refused. The registrations of
  // a group are looked up and written together, before its other requests: who of several that wait
  // at the same time comes first is nobody's promise.
  Result<Registered> put_device(const DeviceRegistration& device, std::int64_t now_ms);
  // From any thread. `done` runs on the writer's thread once the request is durable or undone.
  void submit(Apply apply, Company company, std::function<void(Result<void>)> done);
  // Waits for it.
  Result<void> run(Apply apply, Company company = Company::kShared);

  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }
  std::uint64_t committed_requests() const {
    return committed_requests_.load(std::memory_order_relaxed);
  }

 private:
  struct Registration {
    const DeviceRegistration* device = nullptr;
    std::int64_t now_ms = 0;
    Result<Registered> answer = Registered::kUnchanged;
  };
  struct Request {
    Apply apply;  // none: `registration` is what is to be done
    Registration* registration = nullptr;
    Company company = Company::kShared;
    std::function<void(Result<void>)> done;
    Result<void> result;
  };
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kWakesNever = std::numeric_limits<std::size_t>::max();

  void loop();
  bool take_group(std::vector<Request>& group);
  void commit(std::vector<Request>& group);
  // Nothing, or why the transaction as a whole did not happen.
  std::optional<Error> attempt(std::span<Request> group);
  void apply_alone(Request& request);
  void apply_beside_others(Request& request);
  void await_company(std::unique_lock<std::mutex>& lock, std::size_t expected);
  void register_together(std::span<Request> group);
  void put_together(std::span<Registration* const> registrations);
  void enqueue(Request request);
  void after_commit();
  void truncate_if_due();
  bool checkpoint(int mode);

  const SqliteStoreOptions options_;
  Database database_;
  std::optional<Session> session_;
  std::atomic<std::uint64_t> commits_{0}, committed_requests_{0};
  std::vector<Registration*> registrations_;    // of the group in hand
  std::vector<DeviceRegistration> registered_;  // what they say
  int wal_pages_ = 0;                           // as of the latest commit
  std::optional<Clock::time_point> truncate_at_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> queue_;
  // Fewer requests than this do not wake the writer: it works, or waits for as many.
  std::size_t wakes_at_ = kWakesNever;
  std::size_t company_ = 1;         // how many shared the latest commit
  Clock::duration commit_took_{0};  // COMMIT, to the disk: the mean, weighted towards the latest
  bool stopping_ = false;

  std::optional<Checkpointer> checkpointer_;
  std::thread thread_;
};

}  // namespace carillon::store::sqlite
