#include "storage/sqlite/writer.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <future>

#include "storage/sqlite/schema.h"

namespace carillon::store::sqlite {
namespace {

// An erased name is gone from the tables at once and from the log at its next truncation: soon,
// but not for each of a thousand erasures.
constexpr std::chrono::seconds kTruncateDelay{1};

// A guest beside a relay leaves a gap after a long transaction, or the relay's writer, which asks
// every millisecond, would meet the next one.
constexpr std::chrono::milliseconds kGuestLongTransaction{10};
constexpr std::chrono::milliseconds kGuestGap{2};

// Between two attempts at a checkpoint while the background has one of its own.
constexpr std::chrono::milliseconds kCheckpointPause{1};

// How many commits the mean of their time is about.
constexpr int kCommitsRemembered = 8;

extern "C" int carillon_note_wal_pages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

Writer::Writer(const SqliteStoreOptions& options)
    : options_(options),
      database_(options.path,
                options.create ? Database::Access::kCreate : Database::Access::kReadWrite) {
  database_.wait_when_busy(options_.busy_wait);
  if (!options_.create && identify(database_) == FileState::kEmpty) {
    fail(Error::Kind::kCorrupt,
         fmt::format("{} is empty and not a store: check the path", options_.path));
  }
  if (options_.pages_max != 0) {
    database_.execute(fmt::format("PRAGMA max_page_count = {}", options_.pages_max));
  }
  migrate(database_);
  database_.execute("PRAGMA synchronous = FULL");
  database_.execute("PRAGMA secure_delete = ON");
  database_.execute("PRAGMA temp_store = MEMORY");
  database_.execute("PRAGMA wal_autocheckpoint = 0");
  database_.execute(fmt::format("PRAGMA cache_size = -{}", options_.writer_cache_kib));
  database_.execute(fmt::format("PRAGMA journal_size_limit = {}", options_.wal_bytes_max));
  sqlite3_wal_hook(database_.handle(), &carillon_note_wal_pages, &wal_pages_);
  session_.emplace(database_, options_);
  session_->audience.outcomes().keep(options_.outcome_rows_max);
  checkpointer_.emplace(options_.path, options_.checkpoint_interval);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "store-writer");
    loop();
  });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// A writer that is busy, or waits for more, is not woken to find that out: with sixty-four clients
// that would be as many switches of threads as requests.
void Writer::enqueue(Request request) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
    if (queue_.size() < wakes_at_) return;
    wakes_at_ = kWakesNever;
  }
  wake_.notify_one();
}

void Writer::submit(Apply apply, Company company, std::function<void(Result<void>)> done) {
  enqueue({.apply = std::move(apply),
           .registration = nullptr,
           .company = company,
           .done = std::move(done),
           .result = {}});
}

Result<Registered> Writer::put_device(const DeviceRegistration& device, std::int64_t now_ms) {
  Registration registration{.device = &device, .now_ms = now_ms, .answer = Registered::kUnchanged};
  std::promise<Result<void>> promise;
  auto future = promise.get_future();
  enqueue({.apply = {},
           .registration = &registration,
           .company = Company::kShared,
           .done = [&promise](Result<void> result) { promise.set_value(std::move(result)); },
           .result = {}});
  if (auto result = future.get(); !result) return tl::unexpected(std::move(result.error()));
  return std::move(registration.answer);
}

Result<void> Writer::run(Apply apply, Company company) {
  std::promise<Result<void>> promise;
  auto future = promise.get_future();
  submit(std::move(apply), company,
         [&promise](Result<void> result) { promise.set_value(std::move(result)); });
  return future.get();
}

void Writer::loop() {
  std::vector<Request> group;
  while (take_group(group)) {
    if (!group.empty()) commit(group);
    group.clear();
    truncate_if_due();
  }
}

// False: nothing is left to do, ever. An empty group: something is due on the side.
bool Writer::take_group(std::vector<Request>& group) {
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return !queue_.empty() || stopping_; };
  wakes_at_ = 1;
  if (truncate_at_) {
    wake_.wait_until(lock, *truncate_at_, has_work);
  } else {
    wake_.wait(lock, has_work);
  }
  wakes_at_ = kWakesNever;
  if (queue_.empty()) return !stopping_;
  if (const std::size_t expected = std::min(company_, options_.group_requests_max);
      queue_.size() < expected && !stopping_) {
    await_company(lock, expected);
  }
  while (!queue_.empty() && group.size() < options_.group_requests_max) {
    const bool alone = queue_.front().company == Company::kAlone;
    if (alone && !group.empty()) break;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (alone) break;
  }
  company_ = group.size();
  return true;
}

// Clients that shared the last commit come back about together: to wait for them saves a flush.
// For half as long as a flush takes, so that nobody waits much longer than for one that had just
// begun; on a disk that flushes at once it is not worth waiting, as who comes meanwhile shares the
// next one.
void Writer::await_company(std::unique_lock<std::mutex>& lock, std::size_t expected) {
  const Clock::duration worth = std::min<Clock::duration>(options_.group_wait, commit_took_ / 2);
  wakes_at_ = expected;
  wake_.wait_for(lock, worth, [&] { return queue_.size() >= expected || stopping_; });
  wakes_at_ = kWakesNever;
}

void Writer::commit(std::vector<Request>& group) {
  const auto start = Clock::now();
  if (const auto error = attempt(group)) {
    const bool again = group.size() > 1 && error->kind != Error::Kind::kBusy;
    for (Request& request : group) {
      request.result = tl::unexpected(*error);
      if (!again) continue;
      if (auto own = attempt(std::span(&request, 1))) {
        request.result = tl::unexpected(*std::move(own));
      }
    }
  }
  for (Request& request : group) request.done(std::move(request.result));
  after_commit();
  if (!options_.exclusive && Clock::now() - start > kGuestLongTransaction) {
    std::this_thread::sleep_for(kGuestGap);
  }
}

std::optional<Error> Writer::attempt(std::span<Request> group) {
  AudienceEdit& audience = session_->audience;
  for (Request& request : group) request.result = {};
  try {
    session_->begin.run();
    audience.begin();
    if (group.size() == 1) {
      apply_alone(group.front());
    } else {
      register_together(group);
      for (Request& request : group) {
        if (!request.registration) apply_beside_others(request);
      }
    }
    audience.finish();
    const auto start = Clock::now();
    session_->commit.run();
    commit_took_ += (Clock::now() - start - commit_took_) / kCommitsRemembered;
  } catch (const StoreFailure& failure) {
    database_.rollback();
    audience.forget();
    return failure.error;
  }
  commits_.fetch_add(1, std::memory_order_relaxed);
  committed_requests_.fetch_add(group.size(), std::memory_order_relaxed);
  return std::nullopt;
}

void Writer::apply_alone(Request& request) {
  if (request.registration) {
    put_together(std::span(&request.registration, 1));
  } else {
    request.apply(*session_);
  }
  session_->audience.flush();
}

// First, while nothing stands in the transaction that a failure of theirs must not take along: a
// failure of theirs is one of the whole group, which is then tried one by one.
void Writer::register_together(std::span<Request> group) {
  registrations_.clear();
  for (Request& request : group) {
    if (request.registration) registrations_.push_back(request.registration);
  }
  if (registrations_.empty()) return;
  put_together(registrations_);
  session_->audience.flush();
}

void Writer::put_together(std::span<Registration* const> registrations) {
  registered_.clear();
  for (const Registration* registration : registrations) {
    registered_.push_back(*registration->device);
  }
  session_->audience.look_up(registered_);
  for (std::size_t i = 0; i < registrations.size(); ++i) {
    registrations[i]->answer =
        session_->audience.put_device(i, registered_[i], registrations[i]->now_ms);
  }
}

// Others stand in the transaction already, so only what has changed nothing can be told apart.
void Writer::apply_beside_others(Request& request) {
  const std::int64_t changes = database_.total_changes();
  try {
    request.apply(*session_);
    session_->audience.flush();
  } catch (const StoreFailure& failure) {
    if (!database_.in_transaction() || database_.total_changes() != changes) throw;
    session_->audience.forget_request();
    request.result = tl::unexpected(failure.error);
  }
}

void Writer::after_commit() {
  checkpointer_->committed();
  const auto wal_bytes = static_cast<std::size_t>(wal_pages_) * kPageBytes;
  if (wal_bytes > options_.wal_bytes_max) checkpoint(SQLITE_CHECKPOINT_RESTART);
  if (session_->audience.erased()) {
    session_->audience.erased_taken();
    if (!truncate_at_) truncate_at_ = Clock::now() + kTruncateDelay;
  }
}

// Readers may hold the log for a moment; then it is tried again.
void Writer::truncate_if_due() {
  if (!truncate_at_ || Clock::now() < *truncate_at_) return;
  truncate_at_.reset();
  if (!checkpoint(SQLITE_CHECKPOINT_TRUNCATE)) truncate_at_ = Clock::now() + kTruncateDelay;
}

// Waits for the background's checkpoint and for readers' pages, neither of which lasts. Of the
// former SQLite says at once that it is busy and asks no handler (sqlite3_wal_checkpoint_v2): it is
// tried again. No longer than the option says in all.
bool Writer::checkpoint(int mode) {
  const auto until = Clock::now() + options_.checkpoint_wait;
  int code = SQLITE_BUSY;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    database_.wait_when_busy(std::max(left, std::chrono::milliseconds(0)));
    code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, mode, nullptr, nullptr);
    if ((code & 0xff) != SQLITE_BUSY || Clock::now() >= until) break;
    std::this_thread::sleep_for(kCheckpointPause);
  }
  database_.wait_when_busy(options_.busy_wait);
  return code == SQLITE_OK;
}

}  // namespace carillon::store::sqlite
