#include "relay/cli/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

namespace carillon::cli {
namespace {

constexpr std::size_t kBarCellsMin = 10;  // a shorter bar says nothing: it is left out
constexpr std::size_t kBarCellsMax = 40;
constexpr std::string_view kEraseToEndOfLine = "\x1b[K";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kPlain = "\x1b[0m";

int percent(double fraction) {
  // Rounded down: 100 % is said when it is done and not before.
  return static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 100.0);
}

}  // namespace

std::string bar_line(const Progress& progress, unsigned columns) {
  std::string line = progress.what + ' ';
  if (progress.fraction) {
    const std::string behind = fmt::format(" {:3} % ", percent(*progress.fraction));
    const std::size_t taken = line.size() + behind.size() + progress.figures.size() + 2;
    // One column stays free: terminals that wrap at the last one would scroll.
    const std::size_t room = columns > taken + 1 ? columns - taken - 1 : 0;
    if (room >= kBarCellsMin) {
      const std::size_t cells = std::min(room, kBarCellsMax);
      const auto full = static_cast<std::size_t>(std::clamp(*progress.fraction, 0.0, 1.0) *
                                                 static_cast<double>(cells));
      line += '[' + std::string(full, '#') + std::string(cells - full, '-') + ']';
    }
    line += behind;
  }
  line += progress.figures;
  if (line.size() >= columns) line.resize(columns > 0 ? columns - 1 : 0);
  return line;
}

std::string plain_line(const Progress& progress) {
  if (!progress.fraction) return fmt::format("{}: {}", progress.what, progress.figures);
  return fmt::format("{}: {} %, {}", progress.what, percent(*progress.fraction), progress.figures);
}

ProgressBar::ProgressBar(std::ostream& stream, Options options)
    : stream_(stream), options_(std::move(options)) {}

ProgressBar::~ProgressBar() {
  clear();
}

bool ProgressBar::due() const {
  const auto interval = options_.terminal ? options_.bar_interval : options_.plain_interval;
  return !drawn_at_ || options_.now() - *drawn_at_ >= interval;
}

void ProgressBar::show(const Progress& progress) {
  if (!due()) return;
  drawn_at_ = options_.now();
  if (options_.terminal) {
    draw(bar_line(progress, options_.columns()));
  } else {
    stream_ << plain_line(progress) + '\n' << std::flush;
  }
}

void ProgressBar::print_above(std::string_view line) {
  const std::string bar = std::exchange(on_screen_, {});
  // One write for all of it, so that no half of it is ever seen.
  stream_ << fmt::format("{}{}\n", bar.empty() ? "" : fmt::format("\r{}", kEraseToEndOfLine), line);
  if (!bar.empty()) draw(bar);
  stream_ << std::flush;
}

void ProgressBar::clear() {
  if (on_screen_.empty()) return;
  on_screen_.clear();
  stream_ << '\r' << kEraseToEndOfLine << std::flush;
}

void ProgressBar::draw(const std::string& line) {
  on_screen_ = line;
  std::string painted = line;
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  if (options_.colour && open != line.npos && close != line.npos) {
    painted = fmt::format("{}{}{}{}{}", line.substr(0, open + 1), kGreen,
                          line.substr(open + 1, close - open - 1), kPlain, line.substr(close));
  }
  // Overwritten first, erased behind: an erase before the text would flicker.
  stream_ << fmt::format("\r{}{}", painted, kEraseToEndOfLine) << std::flush;
}

void RateMeter::note(std::chrono::steady_clock::time_point now, double done) {
  samples_.push_back({now, done});
  while (samples_.size() > 2 && now - samples_[1].at >= kWindow) samples_.pop_front();
}

double RateMeter::per_second() const {
  if (samples_.size() < 2) return 0;
  const std::chrono::duration<double> span = samples_.back().at - samples_.front().at;
  if (span.count() <= 0) return 0;
  return (samples_.back().done - samples_.front().done) / span.count();
}

}  // namespace carillon::cli
