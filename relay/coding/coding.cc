#include "relay/coding/coding.h"

#include <array>
#include <utility>

namespace carillon::coding {
namespace {

constexpr auto kNames = std::to_array<std::pair<std::string_view, Coding>>(
    {{"none", Coding::kNone}, {"gzip", Coding::kGzip}, {"zstd", Coding::kZstd}});
constexpr auto kEndings = std::to_array<std::pair<std::string_view, Coding>>(
    {{".gz", Coding::kGzip}, {".zst", Coding::kZstd}});

}  // namespace

std::optional<Coding> coding_named(std::string_view name) {
  for (const auto& [known, coding] : kNames) {
    if (name == known) return coding;
  }
  return std::nullopt;
}

std::string_view coding_name(Coding coding) {
  return kNames[static_cast<std::size_t>(coding)].first;
}

Coding coding_of_file(std::string_view name) {
  for (const auto& [ending, coding] : kEndings) {
    if (name.ends_with(ending)) return coding;
  }
  return Coding::kNone;
}

std::string_view without_coding_ending(std::string_view name) {
  for (const auto& [ending, coding] : kEndings) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

Coding coding_of_bytes(std::string_view first) {
  if (first.starts_with("\x1F\x8B")) return Coding::kGzip;
  if (first.starts_with("\x28\xB5\x2F\xFD")) return Coding::kZstd;
  // A skippable frame, 50..5F 2A 4D 18, may come before the first that has data.
  const bool skippable = first.size() >= kMagicBytes && (first[0] & 0xF0) == 0x50 &&
                         first.substr(1, 3) == "\x2A\x4D\x18";
  return skippable ? Coding::kZstd : Coding::kNone;
}

}  // namespace carillon::coding
