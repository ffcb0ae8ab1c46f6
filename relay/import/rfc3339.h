// Times as people and programs exchange them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace carillon::import {

// RFC 3339, UTC, milliseconds: "2026-01-02T03:04:05.678Z". `ms` since 1970, up to the year 9999.
std::string rfc3339(std::int64_t ms);

// RFC 3339 (section 5.6) to milliseconds since 1970: with a fraction or without, with `Z` or an
// offset. Nothing: it is not of that form, no such day, or before 1970. A leap second is the next
// minute's first; digits beyond milliseconds are cut.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace carillon::import
