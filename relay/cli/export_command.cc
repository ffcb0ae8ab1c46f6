#include "relay/cli/export_command.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <ostream>
#include <string_view>
#include <utility>

#include "relay/cli/byte_sink.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/import_command.h"
#include "relay/cli/installation.h"
#include "relay/cli/progress_bar.h"
#include "relay/export/exporter.h"

namespace carillon::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::chrono::milliseconds since(SteadyClock::time_point begun) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - begun);
}

class Export {
 public:
  Export(Terminal& terminal, const ExportOptions& options,
         std::unique_ptr<store::DeviceExport> devices)
      : terminal_(terminal),
        options_(options),
        exporter_(
            std::move(devices),
            {.format = options.format.value_or(format_of_file(options.file)),
             .coding = options.compress.value_or(coding::coding_of_file(options.file.string()))}),
        bar_(terminal.err, {.terminal = terminal.err_is_terminal,
                            .colour = terminal.colour,
                            .columns = terminal.columns,
                            .plain_interval = std::chrono::seconds(5)}) {}

  int run(ByteSink& sink) {
    const auto begun = exporter_.begin([this](std::uint64_t done, std::uint64_t total) {
      show_copying(done, total);
      return !stop_asked();
    });
    if (!begun) return fail(begun.error().message);
    std::string piece;
    for (bool more = true; more;) {
      if (stop_asked()) return fail("");
      piece.clear();
      const auto read = exporter_.read(piece);
      if (!read) return fail(read.error().message);
      more = *read;
      const auto written = sink.write(piece);
      if (!written) return fail_to_write(written.error());
      if (*written == ByteSink::Written::kStopped) stopped_ = true;
      bytes_ += piece.size();
      show();
    }
    if (stopped_) return fail("");
    if (const auto finished = sink.finish(); !finished) return fail_to_write(finished.error());
    summarize();
    return kExitOk;
  }

 private:
  bool stop_asked() {
    stopped_ = stopped_ || (options_.stop_asked && options_.stop_asked());
    return stopped_;
  }

  void show_copying(std::uint64_t done, std::uint64_t total) {
    if (!bar_.due()) return;
    bar_.show({.what = "export",
               .fraction = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total),
               .figures = "copying the store"});
  }

  void show() {
    if (!bar_.due()) return;
    rate_.note(SteadyClock::now(), static_cast<double>(exporter_.devices()));
    bar_.show({.what = "export",
               .fraction = exporter_.fraction(),
               .figures = fmt::format("{} rows, {}/s", grouped(exporter_.devices()),
                                      grouped(static_cast<std::uint64_t>(rate_.per_second())))});
  }

  void summarize() {
    bar_.clear();
    const auto took = since(begun_at_);
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - begun_at_).count();
    terminal_.err << fmt::format(
        "exported {} rows in {} ({}/s), {} bytes\n", grouped(exporter_.devices()),
        duration_text(took),
        grouped(static_cast<std::uint64_t>(static_cast<double>(exporter_.devices()) / seconds)),
        grouped(bytes_));
    if (const std::uint64_t left_out = exporter_.without_device(); left_out != 0) {
      terminal_.err << fmt::format(
          "left out: {} without a device, of whom a line cannot tell (a backup has them)\n",
          counted(left_out, "subscriber"));
    }
    terminal_.err << std::flush;
  }

  // Whatever failed once a stop was asked for, failed for that.
  int fail(std::string_view sentence) {
    bar_.clear();
    explain(terminal_, stopped_ ? "stopped: the export is not whole" : sentence);
    return kExitFailure;
  }
  int fail_to_write(std::string_view why) {
    return fail(fmt::format("cannot write {}: {}",
                            options_.file == "-" ? "to standard output" : options_.file.string(),
                            why));
  }

  Terminal& terminal_;
  const ExportOptions& options_;
  exporting::Exporter exporter_;
  ProgressBar bar_;
  RateMeter rate_;
  const SteadyClock::time_point begun_at_ = SteadyClock::now();
  std::uint64_t bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace

int run_export(Terminal& terminal, store::Store& store, const config::Config& config,
               const ExportOptions& options) {
  if (!options.app.empty() && !config.apps.contains(options.app)) {
    explain(terminal, fmt::format("--app {}: there is no such app in the config", options.app));
    return kExitUsage;
  }
  auto devices = store.export_devices(options.app);
  if (!devices) {
    explain(terminal, devices.error().message);
    return kExitFailure;
  }
  const auto sink = open_sink(options.file, terminal, options.stop_asked);
  if (!sink) {
    explain(terminal, fmt::format("cannot write {}: {}", options.file.string(), sink.error()));
    return kExitFailure;
  }
  return Export(terminal, options, *std::move(devices)).run(**sink);
}

}  // namespace carillon::cli
