// Numbers as people read and write them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::cli {

// 1234567 → "1,234,567"
std::string grouped(std::uint64_t number);

// 1, "app" → "1 app"; 2, "app" → "2 apps"
std::string counted(std::uint64_t number, std::string_view noun);

// 999 → "999 bytes", 1536 → "1.5 KiB", 1048576 → "1.0 MiB"
std::string size_text(std::uint64_t bytes);

// "850 ms", "12.3 s", "4 min 05 s", "3 h 20 min"
std::string duration_text(std::chrono::milliseconds duration);

// "90" (seconds), "90s", "15m", "1h", "2d", "4w". The error is the end of a sentence: "must be …".
tl::expected<std::chrono::seconds, std::string> parse_duration(std::string_view text);

}  // namespace carillon::cli
