// How far long work has come: a bar that redraws itself on a terminal, a plain line now and then
// elsewhere.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace carillon::cli {

struct Progress {
  std::string what;                // "import"
  std::optional<double> fraction;  // 0..1; nothing: the end is not known
  std::string figures;             // "1,234,567 rows, 480,000/s, 12 s left"
};

// One line, at most `columns` wide: "import [#####-----]  50 % 1,234,567 rows, …". Pure.
std::string bar_line(const Progress& progress, unsigned columns);
// "import: 50 %, 1,234,567 rows, …". Pure.
std::string plain_line(const Progress& progress);

class ProgressBar {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  struct Options {
    bool terminal = false;
    bool colour = false;
    std::function<unsigned()> columns;
    std::chrono::milliseconds bar_interval{100};  // faster than that only flickers
    std::chrono::milliseconds plain_interval{1'000};
    Now now = [] { return std::chrono::steady_clock::now(); };
  };
  ProgressBar(std::ostream& stream, Options options);
  ~ProgressBar();  // leaves the cursor on an empty line

  // True if `show` would draw now: what it takes to make a Progress can be saved otherwise.
  bool due() const;
  void show(const Progress& progress);  // draws if due
  // A line of text that stays, above the bar. On a terminal only if the bar's stream is the one
  // that `stream` writes to does this look right.
  void print_above(std::string_view line);
  void clear();  // takes the bar off the screen

 private:
  void draw(const std::string& line);

  std::ostream& stream_;
  const Options options_;
  std::optional<std::chrono::steady_clock::time_point> drawn_at_;
  std::string on_screen_;  // the bar as it stands; empty: none
};

// A rate over the last seconds. Pure but for what it remembers.
class RateMeter {
 public:
  // `done` so far, at `now`; never decreasing.
  void note(std::chrono::steady_clock::time_point now, double done);
  double per_second() const;  // 0 until two notes are apart

 private:
  static constexpr std::chrono::seconds kWindow{5};
  struct Sample {
    std::chrono::steady_clock::time_point at;
    double done;
  };
  std::deque<Sample> samples_;
};

}  // namespace carillon::cli
