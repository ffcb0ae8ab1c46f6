// The store on one SQLite file, with the audience packed into chunks: see README.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/bulk_load.h"
#include "storage/store.h"

namespace carillon::store {

// Names (of subscribers, devices and tokens) that wait in the two small tables to be written with
// their neighbours (name_levels.h), at most, at the end of a transaction. With ten million devices
// and commits of 64 registrations: 8,192 names are 9 pages that each commit writes, from which some
// 128 names go to 14-23 pages of the next table, and on to 8 of the last, where each had a page of
// its own. Of 24,576 a commit writes 39.
inline constexpr std::array<std::uint64_t, 2> kYoungNamesMax = {8'192, 786'432};

struct SqliteStoreOptions {
  std::string path = {};
  // Create the file if it is not there; its folder must be.
  bool create = true;
  // For the one relay that serves the file: a second one is refused with kBusy. Imports, key
  // commands and checks open without it, beside the relay.
  bool exclusive = false;
  // To read only: creates, upgrades and writes nothing, whatever the other options say. Works
  // beside a relay, and for a user who may only read the file, whose folder need not be writable.
  // Calls that write answer kInvalid. kBusy of a read: somebody opened the store to write
  // meanwhile, where this user's rights do not let both be at once; open it again.
  bool read_only = false;

  // Requests that share one commit, and how long the first of them waits, at most, for as many as
  // came last time: half of what a commit takes, if that is less. 64 writers are more than an API's
  // threads; 5 ms is what a slow disk's flush is worth.
  std::size_t group_requests_max = 64;
  std::chrono::milliseconds group_wait{5};
  // How long a write waits for another process's transaction, which should last 50-100 ms.
  std::chrono::milliseconds busy_wait{5000};

  // Page caches: the writer's holds what upserts touch; readers read ahead through the file and
  // need their inner pages only. Together they stay well below the relay's 128 MiB.
  std::size_t writer_cache_kib = 32 * 1024;
  std::size_t reader_cache_kib = 6 * 1024;
  std::size_t readers_max = 4;  // connections; a read waits for a free one

  // Rows of the outcome feed that are kept, and up to 255 more; 0: none is written.
  std::uint64_t outcome_rows_max = 1'000'000;

  // Checkpoints run in the background this often while there is something new; the writer itself
  // stops for one when the write-ahead log passes its limit.
  std::chrono::milliseconds checkpoint_interval{100};
  std::size_t wal_bytes_max = 64 * 1024 * 1024;
  // How long the writer stops at most, for readers to leave their page. When that is not enough the
  // log grows by another transaction, and the next one tries again: a publish waits no longer.
  std::chrono::milliseconds checkpoint_wait{50};

  std::array<std::uint64_t, 2> young_names_max = kYoungNamesMax;  // for tests of small ones
  std::size_t pages_max = 0;  // pages of 4 KiB, 0: no limit. For tests of a full disk
  // What an export takes to be free for its copy, at most; 0: what the disk has. For tests of one.
  std::uint64_t export_bytes_free_max = 0;
};

// How many lines a batch of `Store::put_devices` may have so that its transaction lets a relay
// write in between (50-100 ms): with fewer, chunks are rewritten more often.
inline constexpr std::size_t kBatchLinesBesideARelay = 2'000;
// ... and into a store that nobody else uses: with its lines the importer stays below 128 MiB.
inline constexpr std::size_t kBatchLinesAlone = 50'000;
// The writer's page cache for that: batches go through each table in the order of its keys, so no
// page but the inner ones is asked for twice.
inline constexpr std::size_t kBatchCacheKib = 8 * 1024;
// How many lines to hand to a bulk load at once: it keeps none of them, so a batch is what two
// threads pass on between them.
inline constexpr std::size_t kBulkBatchLines = 4'000;

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteStoreOptions& options);

// Null: the store has devices already, or somebody has it open, a relay for example: take batches.
// Until the load ends nobody else can open the store (kBusy), and `<path>.new` grows beside it,
// with temporary files of about the size of the lines. Of the options `path`, `create` and
// `busy_wait` count.
Result<std::unique_ptr<BulkLoad>> open_bulk_load(const SqliteStoreOptions& options);

// All that is wrong with a store, one sentence each; empty: nothing. Opens for reading only and
// never creates. `deep` reads every chunk and compares what is stored twice; without it only the
// file's identity, its pages and its small tables are looked at. Errors are what kept it from
// looking: no such file, another program's file, a newer format.
Result<std::vector<std::string>> check_sqlite_store(const std::string& path, bool deep);

using BackupProgress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;

// Copies a store, as it is at one moment, into the new file `target`; its size. Relays and imports
// go on meanwhile. The log cannot shrink until the copy is made: it grows by what they write, and
// above its limit each of their commits waits `checkpoint_wait` longer. The target appears when it
// has been checked (as without `deep`) and is on the disk; until then `<target>.part` stands there,
// which the next backup replaces if this one is killed. kInvalid if the target is there already.
Result<std::uint64_t> backup_sqlite_store(const std::string& path, const std::string& target,
                                          const BackupProgress& progress = {});

// Replaces a store that cannot shrink (StoreStats::shrinks), made by an earlier Carillon, by a
// packed copy that can; its size. Nobody may have it open meanwhile: kBusy. kFull, before anything
// is written, if the disk has no room for the copy beside it. A crash leaves one or the other,
// whole.
Result<std::uint64_t> convert_sqlite_store(const SqliteStoreOptions& options);

}  // namespace carillon::store
