#include "relay/cli/figures.h"

#include <fmt/format.h>

#include <charconv>

namespace carillon::cli {
namespace {

// More than any provider keeps a notification (28 days), and far from overflow.
constexpr std::uint64_t kDurationSecondsMax = 366ULL * 24 * 3600;

std::uint64_t seconds_per(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 24 * 3600;
    case 'w':
      return 7 * 24 * 3600;
    default:
      return 0;
  }
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kKib = 1024;
  if (bytes < kKib) return counted(bytes, "byte");
  const auto of = [bytes](std::uint64_t unit) {
    return static_cast<double>(bytes) / static_cast<double>(unit);
  };
  if (bytes < kKib * kKib) return fmt::format("{:.1f} KiB", of(kKib));
  if (bytes < kKib * kKib * kKib) return fmt::format("{:.1f} MiB", of(kKib * kKib));
  return fmt::format("{:.2f} GiB", of(kKib * kKib * kKib));
}

std::string duration_text(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms < 1'000) return fmt::format("{} ms", ms);
  if (ms < 60'000) return fmt::format("{}.{} s", ms / 1'000, ms % 1'000 / 100);
  const std::int64_t seconds = ms / 1'000;
  if (seconds < 3'600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3'600, seconds % 3'600 / 60);
}

tl::expected<std::chrono::seconds, std::string> parse_duration(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  std::uint64_t unit = 0;
  if (error == std::errc()) {
    if (stopped == end) unit = 1;
    if (stopped + 1 == end) unit = seconds_per(*stopped);
  }
  if (unit == 0 || number > kDurationSecondsMax / unit) {
    return tl::unexpected(std::string(
        "must be a whole number with s, m, h, d or w behind it (\"90s\", \"1h\"), a year at most"));
  }
  return std::chrono::seconds(number * unit);
}

}  // namespace carillon::cli
