// The Retry-After header (RFC 9110, 10.2.3).
#pragma once

#include <chrono>
#include <string_view>

namespace carillon::push {

// Longer waits are taken as this long: nothing that is told to wait for a day is better off waiting
// for a week, and a date far ahead is mostly a clock gone wrong.
inline constexpr std::chrono::seconds kRetryAfterMax{86'400};

// Seconds, or an HTTP date seen from `now` (a past one is 0). Negative: neither.
std::chrono::seconds parse_retry_after(std::string_view value,
                                       std::chrono::system_clock::time_point now);

}  // namespace carillon::push
