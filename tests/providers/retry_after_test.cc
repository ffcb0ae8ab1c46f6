#include "providers/retry_after.h"

#include <gtest/gtest.h>

namespace carillon::push {
namespace {

using namespace std::chrono_literals;

// Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example.
constexpr std::chrono::system_clock::time_point kThen{784'111'777s};

TEST(RetryAfter, ReadsSeconds) {
  EXPECT_EQ(parse_retry_after("0", kThen), 0s);
  EXPECT_EQ(parse_retry_after("30", kThen), 30s);
}

TEST(RetryAfter, ReadsADateAsTheTimeThatIsLeft) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kThen - 90s), 90s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kThen - 90s - 1ms), 91s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kThen + 90s), 0s);
}

TEST(RetryAfter, TakesTheLongestForWhatIsLonger) {
  EXPECT_EQ(parse_retry_after("86400", kThen), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("86401", kThen), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", kThen), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 2094 08:49:37 GMT", kThen), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kThen), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 1013 07:28:00 GMT", kThen), 0s);
}

TEST(RetryAfter, IsNotToldByWhatIsNeither) {
  for (const char* value : {"", "soon", "-1", "1.5", " 5", "Sun, 06 Nov 1994 08:49:37 CET",
                            "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Abc 1994 08:49:37 GMT",
                            "Sunday, 06-Nov-94 08:49:37 GMT"}) {
    EXPECT_LT(parse_retry_after(value, kThen), 0s) << value;
  }
}

}  // namespace
}  // namespace carillon::push
