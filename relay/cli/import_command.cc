#include "relay/cli/import_command.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <ostream>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/progress_bar.h"
#include "relay/import/importer.h"

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

class Import {
 public:
  template <class Target>
  Import(Terminal& terminal, Target& target, const config::Config& config,
         const ImportOptions& options)
      : terminal_(terminal),
        options_(options),
        bar_(terminal.err, {.terminal = terminal.err_is_terminal,
                            .colour = terminal.colour,
                            .columns = terminal.columns,
                            .plain_interval = kPlainInterval}),
        importer_(target, importer_options(config)) {}

  int run(std::istream& in, std::optional<std::uintmax_t> bytes_total) {
    std::vector<char> block(kBlockBytes);
    std::uintmax_t bytes = 0;
    while (in) {
      in.read(block.data(), static_cast<std::streamsize>(block.size()));
      const auto size = static_cast<std::size_t>(in.gcount());
      if (const auto fed = importer_.feed({block.data(), size}); !fed) return fail(fed.error());
      bytes += size;
      show(bytes, bytes_total);
    }
    if (in.bad()) return fail_reading();
    const auto report = importer_.finish();
    if (!report) return fail(report.error());
    return summarize(*report);
  }

 private:
  import::Importer::Options importer_options(const config::Config& config){
      std::vector<std::string> apps;
  for (const auto& [name, app] : config.apps) apps.push_back(name);
  return {
      .app = options_.app,
      .known_apps = std::move(apps),
      .now_ms = system_now_ms,
      .on_bad_line =
          [this](const import::BadLine& bad) {
            bar_.print_above(fmt::format("line {}: {}", bad.number, bad.reason));
          },
      .retry_busy =
          [this](unsigned attempt) {
            if (options_.busy_pause * attempt > options_.busy_wait_max) return false;
            pause();
            return true;
          },
  };
}

  void pause() const {
  if (options_.pause) {
    options_.pause(options_.busy_pause);
  } else {
    std::this_thread::sleep_for(options_.busy_pause);
  }
}

void show(std::uintmax_t bytes, std::optional<std::uintmax_t> bytes_total) {
  if (!bar_.due()) return;
  const std::uint64_t rows = importer_.so_far().lines;
  rate_.note(Clock::now(), static_cast<double>(rows));
  Progress progress{.what = "import", .fraction = std::nullopt, .figures = {}};
  progress.figures = fmt::format("{} rows, {}/s", grouped(rows),
                                 grouped(static_cast<std::uint64_t>(rate_.per_second())));
  if (bytes_total && *bytes_total > 0) {
    progress.fraction = static_cast<double>(bytes) / static_cast<double>(*bytes_total);
    const std::chrono::duration<double> spent = Clock::now() - begun_at_;
    if (bytes > 0) {
      const auto left = spent * ((1.0 - *progress.fraction) / *progress.fraction);
      progress.figures += fmt::format(
          ", {} left", duration_text(std::chrono::duration_cast<std::chrono::milliseconds>(left)));
    }
  }
  bar_.show(progress);
}

int summarize(const import::ImportReport& report) {
  bar_.clear();
  const std::chrono::duration<double> spent = Clock::now() - begun_at_;
  terminal_.out << fmt::format(
      "imported {} lines in {} ({}/s): {} created, {} updated, {} unchanged, {} bad\n",
      grouped(report.lines),
      duration_text(std::chrono::duration_cast<std::chrono::milliseconds>(spent)),
      grouped(static_cast<std::uint64_t>(static_cast<double>(report.lines) / spent.count())),
      grouped(report.created), grouped(report.updated), grouped(report.unchanged),
      grouped(report.bad));
  return report.bad == 0 ? kExitOk : kExitBadLines;
}

int fail(const store::Error& error) {
  bar_.clear();
  terminal_.err << fmt::format(
      "carillon: {}\ncarillon: {} lines are in the store; run the import again when that is "
      "mended, what is there already costs little\n",
      error.message, grouped(importer_.so_far().lines - importer_.so_far().bad));
  return kExitFailure;
}

int fail_reading() {
  bar_.clear();
  terminal_.err << fmt::format("carillon: cannot read {}: {}\n", options_.file.string(),
                               std::strerror(errno));
  return kExitFailure;
}

Terminal& terminal_;
const ImportOptions& options_;
ProgressBar bar_;
RateMeter rate_;
const Clock::time_point begun_at_ = Clock::now();
import::Importer importer_;  // last: its callbacks use what is above
};                           // namespace

}  // namespace carillon::cli

namespace {

template <class Target>
int import_into(Target& target, Terminal& terminal, const config::Config& config,
                const ImportOptions& options) {
  if (!options.app.empty() && !config.apps.contains(options.app)) {
    terminal.err << fmt::format("carillon: --app {}: there is no such app in the config\n",
                                options.app);
    return kExitUsage;
  }
  if (options.file == "-") {
    return Import(terminal, target, config, options).run(terminal.in, std::nullopt);
  }
  std::ifstream file(options.file, std::ios::binary);
  if (!file) {
    terminal.err << fmt::format("carillon: cannot open {}: {}\n", options.file.string(),
                                std::strerror(errno));
    return kExitFailure;
  }
  std::error_code no_size;  // a pipe has none
  const std::uintmax_t bytes = std::filesystem::file_size(options.file, no_size);
  return Import(terminal, target, config, options)
      .run(file, no_size ? std::nullopt : std::optional(bytes));
}

}  // namespace

int run_import(Terminal& terminal, store::Store& store, const config::Config& config,
               const ImportOptions& options) {
  return import_into(store, terminal, config, options);
}

int run_import(Terminal& terminal, store::BulkLoad& load, const config::Config& config,
               const ImportOptions& options) {
  return import_into(load, terminal, config, options);
}

}  // namespace carillon::cli
