// NDJSON in, devices and subscriptions into the store: what `carillon import` and the HTTP import
// share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace carillon::import {

inline constexpr std::size_t kLineBytesMax = 64 * 1024;
inline constexpr std::size_t kBadLinesKept = 1'000;  // reported one by one; beyond, only counted

struct BadLine {
  std::uint64_t number = 0;  // 1 is the first
  std::string reason;        // names the field
};

struct ImportReport {
  std::uint64_t lines = 0;  // not counting empty ones
  std::uint64_t created = 0, updated = 0, unchanged = 0, bad = 0;
  std::vector<BadLine> bad_lines;  // the first kBadLinesKept, ascending
};

// Feeds lines to the store in transactions of `batch_lines`. Good lines are kept whatever the bad
// ones are. For one thread.
class Importer {
 public:
  struct Options {
    std::string app;  // if set: lines may leave `app` out, and a line with another one is bad
    std::vector<std::string> known_apps;  // a line with an app not among these is bad
    std::size_t batch_lines = 5'000;      // a transaction of at most about 50 ms
    std::function<std::int64_t()> now_ms;
    std::function<void(const BadLine&)> on_bad_line;  // as they are found; may be empty
  };
  Importer(store::Store& store, Options options);
  ~Importer();

  // The next bytes, cut anywhere. An error is the store's (full, failed): everything before the
  // current batch is in.
  store::Result<void> feed(std::string_view bytes);
  // The last line may lack its newline. No call after this one.
  store::Result<ImportReport> finish();

  const ImportReport& so_far() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::import
