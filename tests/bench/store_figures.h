// Measuring the store: what is said of it in figures. Every function throws std::runtime_error
// with a sentence when the store fails: half a measurement is none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/sqlite/sqlite_store.h"
#include "tests/bench/population.h"

namespace carillon::bench {

// Lines a second, parsing included, from a file that the page cache holds to the last commit.
struct Import {
  double per_second = 0;
  double rss_mib = 0;
  std::uint64_t created = 0, updated = 0, unchanged = 0;
};

// Import lines of devices first .. first + count - 1, or of `count` of them picked at random.
enum class Order : std::uint8_t { kSorted, kRandom };
void write_lines(const std::string& path, std::uint64_t first, std::uint64_t count, Order order,
                 Topics topics);
// Known devices, some of them: `count` different ones out of 0 .. devices - 1, shuffled.
void write_known_lines(const std::string& path, std::uint64_t devices, std::uint64_t count);
Import import_file(const std::string& store_path, const std::string& lines_path);

std::unique_ptr<store::Store> open_store(const store::SqliteStoreOptions& options);
std::unique_ptr<store::Store> open_store(const std::string& path, bool exclusive = false);
std::uint64_t file_bytes(const std::string& path);

std::int64_t now_ms();

// An event accepted now; what is frozen is what is read. No two have the same number.
store::JobKey accept_event(store::Store& store, store::Audience audience, std::uint64_t number);
// ... to the topic.
store::JobKey accept_event(store::Store& store, std::string_view topic, std::uint64_t number);

struct Scan {
  std::uint64_t devices = 0;
  double seconds = 0;
  double cpu_seconds = 0;  // of the reading thread
  double per_second() const { return static_cast<double>(devices) / seconds; }
};
// The whole audience of a job in pages of what the fan-out reads.
Scan scan_audience(store::Store& store, const store::JobKey& job);

}  // namespace carillon::bench
