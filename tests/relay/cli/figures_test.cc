#include "relay/cli/figures.h"

#include <gtest/gtest.h>

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Figures, GroupDigitsByThree) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(grouped(18'446'744'073'709'551'615U), "18,446,744,073,709,551,615");
}

TEST(Figures, CountThings) {
  EXPECT_EQ(counted(0, "app"), "0 apps");
  EXPECT_EQ(counted(1, "app"), "1 app");
  EXPECT_EQ(counted(1'000, "app"), "1,000 apps");
}

TEST(Figures, TellASizeInTheUnitThatFitsIt) {
  EXPECT_EQ(size_text(0), "0 bytes");
  EXPECT_EQ(size_text(1'023), "1,023 bytes");
  EXPECT_EQ(size_text(1'024), "1.0 KiB");
  EXPECT_EQ(size_text(1'536 * 1'024), "1.5 MiB");
  EXPECT_EQ(size_text(1'024ULL * 1'024 * 1'024 * 5 / 4), "1.25 GiB");
}

TEST(Figures, TellADurationInTheUnitsThatFitIt) {
  EXPECT_EQ(duration_text(milliseconds(0)), "0 ms");
  EXPECT_EQ(duration_text(milliseconds(999)), "999 ms");
  EXPECT_EQ(duration_text(milliseconds(1'000)), "1.0 s");
  EXPECT_EQ(duration_text(milliseconds(59'999)), "59.9 s");
  EXPECT_EQ(duration_text(seconds(60)), "1 min 00 s");
  EXPECT_EQ(duration_text(seconds(3'599)), "59 min 59 s");
  EXPECT_EQ(duration_text(seconds(3'600)), "1 h 00 min");
}

TEST(Figures, ReadADurationWithItsUnit) {
  EXPECT_EQ(parse_duration("0"), seconds(0));
  EXPECT_EQ(parse_duration("90"), seconds(90));
  EXPECT_EQ(parse_duration("90s"), seconds(90));
  EXPECT_EQ(parse_duration("15m"), seconds(900));
  EXPECT_EQ(parse_duration("1h"), seconds(3'600));
  EXPECT_EQ(parse_duration("2d"), seconds(172'800));
  EXPECT_EQ(parse_duration("4w"), seconds(2'419'200));
  EXPECT_EQ(parse_duration("366d"), seconds(31'622'400));
}

TEST(Figures, RefuseADurationThatIsNone) {
  for (const char* const text : {"", "h", "-1h", "1.5h", "1h30m", "1 h", "1y", "367d", "+1",
                                 "99999999999999999999s", "18446744073709551615w"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace carillon::cli
