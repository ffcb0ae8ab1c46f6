// How bulk data is compressed: as it is, gzip (RFC 1952) or zstd (RFC 8878).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace carillon::coding {

enum class Coding : std::uint8_t { kNone, kGzip, kZstd };

// "gzip", "zstd", "none": also what HTTP calls the first two.
std::optional<Coding> coding_named(std::string_view name);
std::string_view coding_name(Coding coding);

// By the ending of a file's name: ".gz", ".zst"; kNone for any other.
Coding coding_of_file(std::string_view name);
// The name without that ending.
std::string_view without_coding_ending(std::string_view name);

// How many first bytes tell the coding.
inline constexpr std::size_t kMagicBytes = 4;
// By the first bytes. No text that is UTF-8 begins like a compressed one.
Coding coding_of_bytes(std::string_view first);

}  // namespace carillon::coding
