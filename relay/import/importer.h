// NDJSON or CSV in, devices and subscriptions into the store: what `carillon import` and the HTTP
// import share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay/import/push_origins.h"
#include "storage/bulk_load.h"
#include "storage/store.h"

namespace carillon::import {

inline constexpr std::size_t kLineBytesMax = 64 * 1024;
inline constexpr std::size_t kBadLinesKept = 1'000;  // reported one by one; beyond, only counted
// A batch of long lines ends here, so that memory does not follow the lines' length.
inline constexpr std::size_t kBatchBytesMax = 16 * 1024 * 1024;

struct BadLine {
  std::uint64_t number = 0;  // 1 is the first; empty lines have a number, too
  std::string reason;  // names the field: "token: is missing"; of the line itself: "line: …"
};

enum class Format : std::uint8_t { kNdjson, kCsv };

// Of the lines that the store has answered:
// lines = created + updated + unchanged + checked + bad, always. In a bulk load what is created is
// so until `finish` knows better.
struct ImportReport {
  std::uint64_t lines = 0;  // not counting empty ones, a CSV header and those before the first
  std::uint64_t created = 0, updated = 0, unchanged = 0, bad = 0;
  std::uint64_t checked = 0;       // of a dry run only: good lines
  // Everything before it is answered: an import goes on from there. Never before its first line.
  std::uint64_t next_line = 1;
  std::vector<BadLine> bad_lines;  // the first kBadLinesKept, ascending
};

// Feeds lines to the store in transactions of `batch_lines`, one being written while the next is
// parsed. Good lines are kept whatever the bad ones are. For one thread, which gets all callbacks
// but `retry_busy`.
class Importer {
 public:
  struct Options {
    Format format = Format::kNdjson;
    std::uint64_t first_line = 1;  // those before it are passed over, but for a CSV header
    std::string app = {};  // if set: lines may leave `app` out, and a line with another one is bad
    std::vector<std::string> known_apps = {};  // a line with an app not among these is bad
    PushOrigins push_origins = {};             // where browsers of an app may be subscribed
    std::size_t batch_lines = 2'000;  // beside a relay: its writes wait for each transaction
    std::function<std::int64_t()> now_ms = {};  // the calendar; any thread
    // All of them, ascending; in a bulk load those that only its end finds come after the others.
    // May be empty.
    std::function<void(const BadLine&)> on_bad_line = {};
    // Asked when another process holds the store: waits as it sees fit and says whether to try the
    // batch again. `attempt` counts from 1 for each batch. Called on a thread of the importer's;
    // empty: kBusy is an error as any other.
    std::function<bool(unsigned attempt)> retry_busy = {};
  };
  Importer(store::Store& store, Options options);
  // Into an empty store, in one piece: after an error nothing is in it. `retry_busy` is not asked.
  Importer(store::BulkLoad& load, Options options);
  // A dry run: every line is parsed and checked, nothing is stored.
  explicit Importer(Options options);
  ~Importer();  // waits for the batch that is being written; what was fed after it is dropped

  // The next bytes, cut anywhere. An error is the store's (full, failed) and may be of an earlier
  // call's bytes: everything before the batch that failed is in, nothing of it and after it is.
  // Every later call answers the same error. kInvalid is said of a CSV header: no line after it can
  // be read.
  store::Result<void> feed(std::string_view bytes);
  // `kBrokenOff`: more was to come, so a line without its newline is not taken. Otherwise the last
  // line may lack it. No call after this one.
  enum class End : std::uint8_t { kComplete, kBrokenOff };
  store::Result<ImportReport> finish(End end = End::kComplete);

  const ImportReport& so_far() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::import
