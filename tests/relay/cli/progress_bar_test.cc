#include "relay/cli/progress_bar.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace carillon::cli {
namespace {

using namespace std::chrono_literals;

Progress progress(double fraction) {
  return {.what = "import", .fraction = fraction, .figures = "7 rows"};
}

TEST(BarLine, FillsWithTheWorkDone) {
  EXPECT_EQ(bar_line(progress(0), 40), "import [-----------------]   0 % 7 rows");
  EXPECT_EQ(bar_line(progress(0.5), 40), "import [########---------]  50 % 7 rows");
  EXPECT_EQ(bar_line(progress(1), 40), "import [#################] 100 % 7 rows");
}

TEST(BarLine, Says100PercentNotBeforeTheEnd) {
  EXPECT_NE(bar_line(progress(0.9999), 40).find(" 99 %"), std::string::npos);
  EXPECT_NE(bar_line(progress(1.5), 40).find("100 %"), std::string::npos);
}

TEST(BarLine, StaysShorterThanTheTerminalIsWide) {
  for (unsigned columns = 0; columns <= 200; ++columns) {
    EXPECT_LT(bar_line(progress(0.5), columns).size(), columns == 0 ? 1 : columns) << columns;
  }
  EXPECT_EQ(bar_line(progress(0.5), 30), "import   50 % 7 rows") << "a tiny bar is left out";
}

TEST(BarLine, LeavesTheBarOutWhenTheEndIsNotKnown) {
  const Progress endless{.what = "import", .fraction = std::nullopt, .figures = "7 rows"};
  EXPECT_EQ(bar_line(endless, 80), "import 7 rows");
  EXPECT_EQ(plain_line(endless), "import: 7 rows");
  EXPECT_EQ(plain_line(progress(0.42)), "import: 42 %, 7 rows");
}

class ProgressBarTest : public testing::Test {
 protected:
  ProgressBar::Options options(bool terminal, bool colour = false) {
    return {.terminal = terminal,
            .colour = colour,
            .columns = [] { return 40U; },
            .bar_interval = 100ms,
            .plain_interval = 1'000ms,
            .now = [this] { return now_; }};
  }
  std::string taken() {
    std::string text = stream_.str();
    stream_.str("");
    return text;
  }
  std::ostringstream stream_;
  std::chrono::steady_clock::time_point now_{};
};

TEST_F(ProgressBarTest, RedrawsItsLineOnATerminalNoOftenerThanItsInterval) {
  ProgressBar bar(stream_, options(true));
  bar.show(progress(0));
  EXPECT_EQ(taken(), "\rimport [-----------------]   0 % 7 rows\x1b[K");
  now_ += 99ms;
  EXPECT_FALSE(bar.due());
  bar.show(progress(0.5));
  EXPECT_EQ(taken(), "");
  now_ += 1ms;
  bar.show(progress(0.5));
  EXPECT_EQ(taken(), "\rimport [########---------]  50 % 7 rows\x1b[K");
}

TEST_F(ProgressBarTest, PutsLinesAboveItselfAndLeavesNothingBehind) {
  {
    ProgressBar bar(stream_, options(true));
    bar.print_above("before the bar");
    EXPECT_EQ(taken(), "before the bar\n");
    bar.show(progress(0));
    taken();
    bar.print_above("line 3: bad");
    EXPECT_EQ(taken(), "\r\x1b[Kline 3: bad\n\rimport [-----------------]   0 % 7 rows\x1b[K");
  }
  EXPECT_EQ(taken(), "\r\x1b[K");
}

TEST_F(ProgressBarTest, WritesPlainLinesElsewhere) {
  {
    ProgressBar bar(stream_, options(false, true));
    bar.show(progress(0));
    now_ += 999ms;
    bar.show(progress(0.3));
    now_ += 1ms;
    bar.show(progress(0.4));
    bar.print_above("line 3: bad");
  }
  EXPECT_EQ(taken(), "import: 0 %, 7 rows\nimport: 40 %, 7 rows\nline 3: bad\n");
}

TEST_F(ProgressBarTest, ColoursOnlyTheBarAndOnlyWhenAsked) {
  ProgressBar bar(stream_, options(true, true));
  bar.show(progress(1));
  EXPECT_EQ(taken(), "\rimport [\x1b[32m#################\x1b[0m] 100 % 7 rows\x1b[K");
}

TEST(RateMeter, MeasuresTheLastSecondsOnly) {
  RateMeter rate;
  std::chrono::steady_clock::time_point now{};
  rate.note(now, 0);
  EXPECT_EQ(rate.per_second(), 0);
  rate.note(now, 5);
  EXPECT_EQ(rate.per_second(), 0) << "no time has passed";
  double done = 0;
  for (int second = 1; second <= 20; ++second) rate.note(now += 1s, done += 1'000);
  EXPECT_DOUBLE_EQ(rate.per_second(), 1'000);
  for (int second = 1; second <= 6; ++second) rate.note(now += 1s, done);
  EXPECT_DOUBLE_EQ(rate.per_second(), 0) << "it has stood still for longer than the window";
}

}  // namespace
}  // namespace carillon::cli
