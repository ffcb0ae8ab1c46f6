#include "relay/cli/import_command.h"

#include <fmt/format.h>

#include <memory>
#include <ostream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "relay/cli/byte_source.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/progress_bar.h"
#include "relay/coding/decompressor.h"

namespace carillon::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::chrono::seconds kPlainInterval{5};  // between two lines when nobody looks at a bar

std::int64_t system_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::chrono::milliseconds in_ms(std::chrono::duration<double> duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

// Where the lines go: one of the two, or neither in a dry run.
struct Target {
  store::Store* store = nullptr;
  store::BulkLoad* load = nullptr;
};

std::unique_ptr<import::Importer> importer_for(const Target& target,
                                               import::Importer::Options options) {
  if (target.load) return std::make_unique<import::Importer>(*target.load, std::move(options));
  if (target.store) return std::make_unique<import::Importer>(*target.store, std::move(options));
  return std::make_unique<import::Importer>(std::move(options));
}

class Import {
 public:
  Import(Terminal& terminal, const Target& target, const config::Config& config,
         const ImportOptions& options)
      : terminal_(terminal),
        options_(options),
        dry_run_(target.store == nullptr && target.load == nullptr),
        in_one_piece_(target.load != nullptr),
        bar_(terminal.err, {.terminal = terminal.err_is_terminal,
                            .colour = terminal.colour,
                            .columns = terminal.columns,
                            .plain_interval = kPlainInterval}),
        importer_(importer_for(target, importer_options(config))) {}

  int run(ByteSource& source) {
    std::vector<char> block(kBlockBytes);
    while (true) {
      const auto read = source.read(block);
      if (!read) {
        return end_early(fmt::format("cannot read {}: {}", options_.file.string(), read.error()));
      }
      if (read->state == ByteSource::State::kStopped) return end_early("stopped");
      if (read->state == ByteSource::State::kEnd) break;
      bytes_ += read->bytes;
      if (const auto failed = take({block.data(), read->bytes})) return *failed;
      show(source.bytes_total());
    }
    const auto rest = decompressor_.finish();
    if (!rest) return fail_coding(rest.error());
    if (const auto fed = importer_->feed(*rest); !fed) return fail(fed.error().message);
    const auto report = importer_->finish();
    if (!report) return fail(report.error().message);
    summarize(*report);
    return report->bad == 0 ? kExitOk : kExitBadLines;
  }

 private:
  import::Importer::Options importer_options(const config::Config& config);

  // What failed, as an exit code.
  std::optional<int> take(std::string_view bytes) {
    while (true) {
      const auto data = decompressor_.next(bytes);
      if (!data) return fail_coding(data.error());
      if (data->empty()) return std::nullopt;
      if (const auto fed = importer_->feed(*data); !fed) return fail(fed.error().message);
    }
  }

  bool wait_for_the_store(unsigned attempt) const {
    if (options_.busy_pause * attempt > options_.busy_wait_max) return false;
    if (options_.pause) {
      options_.pause(options_.busy_pause);
    } else {
      std::this_thread::sleep_for(options_.busy_pause);
    }
    return true;
  }

  void show(std::optional<std::uintmax_t> bytes_total) {
    if (!bar_.due()) return;
    const std::uint64_t rows = importer_->so_far().lines;
    rate_.note(Clock::now(), static_cast<double>(rows));
    Progress progress{.what = dry_run_ ? "dry run" : "import", .fraction = {}, .figures = {}};
    progress.figures = fmt::format("{} rows, {}/s", grouped(rows),
                                   grouped(static_cast<std::uint64_t>(rate_.per_second())));
    if (bytes_total && *bytes_total > 0) {
      progress.fraction = static_cast<double>(bytes_) / static_cast<double>(*bytes_total);
      const std::chrono::duration<double> spent = Clock::now() - begun_at_;
      const auto left = spent * ((1.0 - *progress.fraction) / *progress.fraction);
      progress.figures += fmt::format(", {} left", duration_text(in_ms(left)));
    }
    bar_.show(progress);
  }

  void summarize(const import::ImportReport& report) {
    bar_.clear();
    const std::chrono::duration<double> spent = Clock::now() - begun_at_;
    terminal_.out << fmt::format(
        "{} {} lines in {} ({}/s): ", dry_run_ ? "checked" : "imported", grouped(report.lines),
        duration_text(in_ms(spent)),
        grouped(static_cast<std::uint64_t>(static_cast<double>(report.lines) / spent.count())));
    if (dry_run_) {
      terminal_.out << fmt::format("{} good, {} bad; nothing was stored\n", grouped(report.checked),
                                   grouped(report.bad));
    } else {
      terminal_.out << fmt::format("{} created, {} updated, {} unchanged, {} bad\n",
                                   grouped(report.created), grouped(report.updated),
                                   grouped(report.unchanged), grouped(report.bad));
    }
    terminal_.out << fmt::format("next line: {}\n", report.next_line) << std::flush;
  }

  // What was read goes to the store, but for a line that is not whole.
  int end_early(std::string_view why) {
    const auto report = importer_->finish(import::Importer::End::kBrokenOff);
    if (!report) return fail(report.error().message);
    summarize(*report);
    terminal_.err << fmt::format("carillon: {}; go on with --resume-from-line {}\n", why,
                                 report->next_line);
    return kExitFailure;
  }

  int fail_coding(coding::CodingFault fault) {
    const std::string_view name = coding::coding_name(decompressor_.coding());
    return end_early(
        fault == coding::CodingFault::kTooLarge
            ? fmt::format("{}: its {} window is larger than 128 MiB", options_.file.string(), name)
            : fmt::format("{}: the {} data is damaged or ends too soon", options_.file.string(),
                          name));
  }

  int fail(std::string_view sentence) {
    bar_.clear();
    const import::ImportReport& report = importer_->so_far();
    terminal_.err << fmt::format("carillon: {}\n", sentence);
    if (in_one_piece_) {
      terminal_.err << "carillon: nothing is in the store; when that is mended, begin again\n";
    } else if (!dry_run_) {
      terminal_.err << fmt::format(
          "carillon: {} lines are in the store; when that is mended, go on with "
          "--resume-from-line {}\n",
          grouped(report.lines - report.bad), report.next_line);
    }
    return kExitFailure;
  }

  Terminal& terminal_;
  const ImportOptions& options_;
  const bool dry_run_;
  const bool in_one_piece_;
  ProgressBar bar_;
  RateMeter rate_;
  const Clock::time_point begun_at_ = Clock::now();
  std::uintmax_t bytes_ = 0;  // read, as they were
  coding::Decompressor decompressor_{{}};
  std::unique_ptr<import::Importer> importer_;  // last: its callbacks use what is above
};

auto Import::importer_options(const config::Config& config) -> import::Importer::Options {
  import::Importer::Options options;
  options.format = options_.format.value_or(format_of_file(options_.file));
  options.first_line = options_.first_line;
  options.app = options_.app;
  for (const auto& [name, app] : config.apps) options.known_apps.push_back(name);
  options.push_origins = config::push_origins(config);
  options.batch_lines = options_.batch_lines;
  options.now_ms = system_now_ms;
  options.on_bad_line = [this](const import::BadLine& bad) {
    bar_.print_above(fmt::format("line {}: {}", bad.number, bad.reason));
  };
  options.retry_busy = [this](unsigned attempt) { return wait_for_the_store(attempt); };
  return options;
}

}  // namespace

auto format_of_file(const std::filesystem::path& file) -> import::Format {
  const std::string name = file.string();
  return coding::without_coding_ending(name).ends_with(".csv") ? import::Format::kCsv
                                                               : import::Format::kNdjson;
}

namespace {

int import_into(Terminal& terminal, const Target& target, const config::Config& config,
                const ImportOptions& options) {
  if (!options.app.empty() && !config.apps.contains(options.app)) {
    terminal.err << fmt::format("carillon: --app {}: there is no such app in the config\n",
                                options.app);
    return kExitUsage;
  }
  const auto source = open_source(options.file, terminal, options.stop_asked);
  if (!source) {
    terminal.err << fmt::format("carillon: cannot open {}: {}\n", options.file.string(),
                                source.error());
    return kExitFailure;
  }
  return Import(terminal, target, config, options).run(**source);
}

}  // namespace

int run_import(Terminal& terminal, store::Store* store, const config::Config& config,
               const ImportOptions& options) {
  return import_into(terminal, {.store = store}, config, options);
}

int run_import(Terminal& terminal, store::BulkLoad& load, const config::Config& config,
               const ImportOptions& options) {
  return import_into(terminal, {.load = &load}, config, options);
}

}  // namespace carillon::cli
