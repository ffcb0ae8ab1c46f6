#include "relay/import/rfc3339.h"

#include <gtest/gtest.h>

#include <random>

namespace carillon::import::rfc3339_test {
namespace {

TEST(Rfc3339, ReadsTimesWithFractionsAndOffsets) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05Z"), 1'767'323'045'000);
  EXPECT_EQ(parse_rfc3339("2026-01-02t03:04:05z"), 1'767'323'045'000);
  EXPECT_EQ(parse_rfc3339("2026-01-02 03:04:05Z"), 1'767'323'045'000);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.6Z"), 1'767'323'045'600);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.678912345Z"), 1'767'323'045'678);
  EXPECT_EQ(parse_rfc3339("2026-01-02T05:34:05+02:30"), 1'767'323'045'000);
  EXPECT_EQ(parse_rfc3339("2026-01-01T22:04:05-05:00"), 1'767'323'045'000);
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), 1'483'228'800'000);
  EXPECT_EQ(parse_rfc3339("9999-12-31T23:59:59.999Z"), 253'402'300'799'999);
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* const text :
       {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-00-02T03:04:05Z",
        "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05Zx", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
        "+026-01-02T03:04:05Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, WhatIsWrittenIsReadBack) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 1'000; ++i) {
    const auto ms = static_cast<std::int64_t>(random() % 253'402'300'800'000);
    ASSERT_EQ(parse_rfc3339(rfc3339(ms)), ms) << rfc3339(ms);
  }
}

}  // namespace
}  // namespace carillon::import::rfc3339_test
