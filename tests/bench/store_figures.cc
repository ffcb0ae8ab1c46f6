#include "tests/bench/store_figures.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "relay/import/importer.h"
#include "tests/bench/watches.h"

namespace carillon::bench {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::size_t kPageDevices = 5'000;
constexpr std::uint64_t kSeed = 42;

template <class NumberAt>
void write_numbers(const std::string& path, std::uint64_t count, Topics topics,
                   NumberAt number_at) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  std::string block;
  for (std::uint64_t i = 0; i < count; ++i) {
    append_line(number_at(i), topics, block);
    if (block.size() < kBlockBytes && i + 1 < count) continue;
    out.write(block.data(), static_cast<std::streamsize>(block.size()));
    block.clear();
  }
  out.close();
  if (!out) throw std::runtime_error(fmt::format("cannot write {}: free space on its disk", path));
}

carillon::import::ImportReport feed_file(import::Importer& importer, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> block(kBlockBytes);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto fed = importer.feed({block.data(), static_cast<std::size_t>(in.gcount())});
    if (!fed) throw std::runtime_error(fed.error().message);
  }
  auto report = importer.finish();
  if (!report) throw std::runtime_error(report.error().message);
  return *std::move(report);
}

}  // namespace

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void write_lines(const std::string& path, std::uint64_t first, std::uint64_t count, Order order,
                 Topics topics) {
  const Shuffle shuffle(count, kSeed);
  write_numbers(path, count, topics, [&](std::uint64_t i) {
    return first + (order == Order::kSorted ? i : shuffle(i));
  });
}

void write_known_lines(const std::string& path, std::uint64_t devices, std::uint64_t count) {
  const Shuffle shuffle(devices, kSeed + 1);
  write_numbers(path, count, Topics::kAll, shuffle);
}

// As `carillon import` does it: a bulk load where that is possible, or else batches.
Import import_file(const std::string& store_path, const std::string& lines_path) {
  begin_resident_peak();
  const Stopwatch watch;
  import::ImportReport report;
  {
    import::Importer::Options options{.known_apps = {std::string(kApp)},
                                      .batch_lines = store::kBatchLinesAlone,
                                      .now_ms = now_ms};
    auto load = store::open_bulk_load({.path = store_path});
    if (!load) throw std::runtime_error(load.error().message);
    if (*load) {
      options.batch_lines = store::kBulkBatchLines;
      import::Importer importer(**load, std::move(options));
      report = feed_file(importer, lines_path);
    } else {
      const auto store = open_store(
          store::SqliteStoreOptions{.path = store_path, .writer_cache_kib = store::kBatchCacheKib});
      import::Importer importer(*store, std::move(options));
      report = feed_file(importer, lines_path);
    }
  }
  if (report.bad != 0) throw std::runtime_error("the import refused its own lines");
  return {.per_second = static_cast<double>(report.lines) / watch.seconds(),
          .rss_mib = resident_peak_mib(),
          .created = report.created,
          .updated = report.updated,
          .unchanged = report.unchanged};
}

std::unique_ptr<store::Store> open_store(const store::SqliteStoreOptions& options) {
  auto store = store::open_sqlite_store(options);
  if (!store) throw std::runtime_error(store.error().message);
  return *std::move(store);
}

std::unique_ptr<store::Store> open_store(const std::string& path, bool exclusive) {
  return open_store(store::SqliteStoreOptions{.path = path, .exclusive = exclusive});
}

std::uint64_t file_bytes(const std::string& path) {
  return std::filesystem::file_size(path);
}

store::JobKey accept_event(store::Store& store, store::Audience audience, std::uint64_t number) {
  store::NewEvent event;
  for (std::size_t i = 0; i < 8; ++i) {
    event.id[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
  event.app = kApp;
  event.audience = std::move(audience);
  event.content = "{}";
  event.accepted_ms = now_ms();
  event.expires_ms = event.accepted_ms + 3'600'000;
  const auto accepted = store.accept(event);
  if (!accepted) throw std::runtime_error(accepted.error().message);
  return {.event = event.id, .platform = store::Platform::kApns};
}

store::JobKey accept_event(store::Store& store, std::string_view topic, std::uint64_t number) {
  store::Audience audience;
  audience.topics = {std::string(topic)};
  return accept_event(store, std::move(audience), number);
}

Scan scan_audience(store::Store& store, const store::JobKey& job) {
  const Stopwatch watch;
  const double cpu_before = thread_cpu_seconds();
  auto scan = store.scan(job);
  if (!scan) throw std::runtime_error(scan.error().message);
  store::DevicePage page;
  Scan whole;
  do {
    const auto read = (*scan)->read(page.through, kPageDevices, page);
    if (!read) throw std::runtime_error(read.error().message);
    whole.devices += page.devices.size();
  } while (!page.end);
  whole.seconds = watch.seconds();
  whole.cpu_seconds = thread_cpu_seconds() - cpu_before;
  return whole;
}

}  // namespace carillon::bench
