// The store's figures, all with one command: see README.md.
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "tests/bench/condition_figures.h"
#include "tests/bench/hardware.h"
#include "tests/bench/postgres_figures.h"
#include "tests/bench/service_figures.h"
#include "tests/bench/store_figures.h"
#include "tests/bench/watches.h"

namespace carillon::bench {
namespace {

struct Options {
  std::uint64_t devices = 10'000'000;
  std::uint64_t postgres_devices = 1'000'000;
  double seconds = 5;  // of each measurement that lasts as long as one likes
  bool json = false, postgres = true;
  std::string folder = std::filesystem::temp_directory_path().string();
};

constexpr std::uint64_t kDevicesMin = 10'000;  // smaller topics are empty by chance
constexpr double kSecondsMin = 0.1, kSecondsMax = 3600;
constexpr double kColdWatch = 12;  // times --seconds: a minute, if nothing else is asked for
// Numbers of events from here on are for conditions.
constexpr std::uint64_t kConditionEvents = 16;
constexpr const char* kUsage = R"(usage: tests/bench/store [options]

  --devices N           devices in the store (default 10000000, at least 10000)
  --postgres-devices N  devices in PostgreSQL (default 1000000 or --devices, what is less; at least 10000)
  --no-postgres         leave PostgreSQL out
  --seconds S           of each open-ended measurement (default 5, at least 0.1); a cold start is
                        watched for up to twelve times that
  --folder PATH         where the files are made, some 6 GB for 10 M devices (default: the system's
                        temporary folder)
  --json                one JSON object on the last line
)";

std::uint64_t natural(std::string_view option, std::string_view text, std::uint64_t min) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min) {
    throw std::invalid_argument(fmt::format("{}: must be a number of at least {}", option, min));
  }
  return value;
}

double seconds(std::string_view option, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= kSecondsMin) ||
      value > kSecondsMax) {
    throw std::invalid_argument(fmt::format("{}: must be a number of seconds from {} to {}", option,
                                            kSecondsMin, kSecondsMax));
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&]() -> std::string_view {
      if (i + 1 == argc) throw std::invalid_argument(fmt::format("{}: needs a value", option));
      return argv[++i];
    };
    if (option == "--devices") {
      options.devices = natural(option, value(), kDevicesMin);
    } else if (option == "--postgres-devices") {
      options.postgres_devices = natural(option, value(), kDevicesMin);
    } else if (option == "--seconds") {
      options.seconds = seconds(option, value());
    } else if (option == "--folder") {
      options.folder = value();
    } else if (option == "--json") {
      options.json = true;
    } else if (option == "--no-postgres") {
      options.postgres = false;
    } else {
      throw std::invalid_argument(fmt::format("{}: is not an option", option));
    }
  }
  options.postgres_devices = std::min(options.postgres_devices, options.devices);
  return options;
}

// Everything that is made stands in here and goes with it.
class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(parent + "/carillon-bench-XXXXXX") {
    if (!::mkdtemp(path_.data())) {
      throw std::runtime_error(fmt::format("cannot make a folder in {}", parent));
    }
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), folder_(options.folder), store_(folder_.file("store.db")) {}

  nlohmann::ordered_json run() {
    for (const std::string& line : describe_hardware(options_.folder)) say("{}", line);
    say("devices   {}, topics of {}, {}, 100 x {}, 10000 x {}", options_.devices, options_.devices,
        options_.devices / 10, options_.devices / 100, options_.devices / 100'000);
    imports();
    increments();
    scans();
    conditions();
    service();
    figures_["rss_mib"] = rss_mib_;
    figures_.update(further_);
    return figures_;
  }

 private:
  template <class... Values>
  void say(fmt::format_string<Values...> format, Values&&... values) {
    fmt::print(format, std::forward<Values>(values)...);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }
  void keep(const char* key, double value, const std::string& note = {}) {
    figures_[key] = value;
    say("{:<28}{:>14.1f}{}{}", key, value, note.empty() ? "" : "  ", note);
  }
  // Of what came later: told at its place, and after the others in the object.
  void keep_further(const char* key, double value, const std::string& note) {
    further_[key] = value;
    say("{:<28}{:>14.3f}  {}", key, value, note);
  }
  Import import(const std::string& lines) {
    settle();
    Import figures = import_file(store_, lines);
    rss_mib_ = std::max(rss_mib_, figures.rss_mib);
    return figures;
  }
  void remove_store() {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(store_ + end);
  }

  void imports() {
    const std::string lines = folder_.file("lines");
    const auto devices = static_cast<double>(options_.devices);
    write_lines(lines, 0, options_.devices, Order::kSorted, Topics::kOne);
    import(lines);
    const auto one = static_cast<double>(file_bytes(store_));
    keep("bytes_per_device", one / devices, "with one subscription");
    remove_store();

    write_lines(lines, 0, options_.devices, Order::kSorted, Topics::kAll);
    const Import sorted = import(lines);
    const auto every = static_cast<double>(file_bytes(store_));
    keep("bytes_per_subscription", (every - one) / (devices * 1.2), "each further one");
    keep("import_per_second", sorted.per_second, fmt::format("{:.0f} MiB", sorted.rss_mib));
    remove_store();

    write_lines(lines, 0, options_.devices, Order::kRandom, Topics::kAll);
    const Import random = import(lines);
    keep("import_random_per_second", random.per_second, fmt::format("{:.0f} MiB", random.rss_mib));
    std::filesystem::remove(lines);
  }

  // What was written so far is on the disk, so that its way there is not measured with what
  // follows.
  static void settle() { ::sync(); }

  void increments() {
    const std::string lines = folder_.file("lines");
    const std::uint64_t count = std::max<std::uint64_t>(options_.devices / 20, kDevicesMin);
    write_lines(lines, options_.devices, count, Order::kRandom, Topics::kAll);
    const Import added = import(lines);
    if (added.created != count) throw std::runtime_error("new lines were not all new");
    keep("incremental_per_second", added.per_second,
         fmt::format("{} new lines, {:.0f} MiB", count, added.rss_mib));
    registered_ = options_.devices + count;

    write_known_lines(lines, registered_, count);
    const Import known = import(lines);
    if (known.unchanged != count) throw std::runtime_error("known lines changed something");
    keep("unchanged_per_second", known.per_second,
         fmt::format("{} known lines, {:.0f} MiB", count, known.rss_mib));
    std::filesystem::remove(lines);
  }

  void scans() {
    subscribe_thousandth(*open_store(store_), options_.devices);
    settle();
    begin_resident_peak();
    const auto store = open_store(store_);
    const store::JobKey all = accept_event(*store, kTopicOfAll, 1);
    const store::JobKey tenth = accept_event(*store, kTopicOfTenth, 2);
    const store::JobKey hundredth = accept_event(*store, kTopicOfHundredth, 3);
    drop_from_page_cache(store_);
    const Scan cold = scan_audience(*store, all);
    keep("scan_dense_per_second", best(*store, all), fmt::format("{} devices", cold.devices));
    keep("scan_cold_per_second", cold.per_second());
    keep("scan_1m_per_second", best(*store, tenth), "one in ten");
    keep("scan_100k_per_second", best(*store, hundredth), "one in a hundred");
    rss_mib_ = std::max(rss_mib_, resident_peak_mib());
  }
  // Of three: what the machine does beside only ever slows it.
  static double best(store::Store& store, const store::JobKey& job) {
    double rate = 0;
    for (int i = 0; i < 3; ++i) rate = std::max(rate, scan_audience(store, job).per_second());
    return rate;
  }

  void conditions() {
    begin_resident_peak();
    const auto store = open_store(store_);
    const ConditionScan scan = scan_conditions(*store, kConditionEvents);
    keep_further(
        "condition_scan_ratio", scan.ratio(),
        fmt::format("{:.2f} ms of CPU, the thousandth {:.2f} ms; accepted in {:.0f} ms: {}",
                    1e3 * scan.cpu_seconds, 1e3 * scan.smallest_cpu_seconds,
                    1e3 * scan.accept_seconds, scan.condition));
    const SlowestCount count = count_conditions(*store);
    keep_further("count_seconds_max", count.seconds,
                 fmt::format("of {} conditions: {}", count.conditions, count.condition));
    rss_mib_ = std::max(rss_mib_, resident_peak_mib());
  }

  void service() {
    begin_resident_peak();
    const FileSizePeak log(store_ + "-wal");
    Upserts warm;
    bring_into_page_cache(store_);
    {
      const auto store = open_store(store_, true);
      const store::JobKey broadcast = accept_event(*store, kTopicOfAll, 4);
      warm = upsert_beside_scan(*store, broadcast, registered_, options_.seconds);
      keep("upserts_per_second", warm.per_second,
           fmt::format("{:.0f} a commit; the scan beside: {:.1f} M/s, {:.0f} % less than alone",
                       warm.group, warm.scan_beside / 1e6,
                       100 * (1 - warm.scan_beside / warm.scan_alone)));
    }
    drop_from_page_cache(store_);
    {
      const auto store = open_store(store_, true);
      const double watched = kColdWatch * options_.seconds;
      const ColdStart cold =
          upsert_cold(*store, registered_, warm.next_device, warm.per_second, watched);
      say("cold start                  {:>14.0f}  upserts in the first second; {}",
          cold.first_second,
          cold.seconds_to_full ? fmt::format("full speed after {:.1f} s", *cold.seconds_to_full)
                               : fmt::format("no second at full speed within {:.0f} s", watched));
      keep("erasures_per_second", erasures_per_second(*store, options_.devices, options_.seconds));
    }
    keep("wal_mib", log.mib());
    rss_mib_ = std::max(rss_mib_, resident_peak_mib());
    say("{:<28}{:>14.1f}  the most of all that is above", "rss_mib", rss_mib_);
  }

  const Options options_;
  const Folder folder_;
  const std::string store_;
  nlohmann::ordered_json figures_, further_;
  double rss_mib_ = 0;
  std::uint64_t registered_ = 0;
};

void show_postgres(const Options& options) {
  const auto figures = measure_postgres(options.folder, options.postgres_devices, options.seconds);
  if (!figures) {
    fmt::print("postgresql is not installed: deploy/install-deps --bench\n");
    return;
  }
  fmt::print("\npostgresql {}, shared_buffers {} MB, {} devices\n", figures->version,
             kSharedBuffersMib, figures->devices);
  const auto line = [](const char* name, double value) {
    fmt::print("{:<28}{:>14.1f}\n", name, value);
  };
  line("bytes per device", figures->bytes_per_device);
  line("bytes per subscription", figures->bytes_per_subscription);
  line("import, lines/s", figures->import_per_second);
  line("incremental, lines/s", figures->incremental_per_second);
  line("scan, devices/s", figures->scan_per_second);
  line("upserts/s", figures->upserts_per_second);
  line("erasures/s", figures->erasures_per_second);
}

int run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    }
  }
  try {
    const Options options = parse(argc, argv);
    const auto figures = Bench(options).run();
    if (options.postgres) show_postgres(options);
    if (options.json) fmt::print("{}\n", figures.dump());
    return 0;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "store bench: {}\n\n{}", error.what(), kUsage);
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "store bench: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace carillon::bench

int main(int argc, char** argv) {
  return carillon::bench::run(argc, argv);
}
