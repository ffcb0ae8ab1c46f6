// A number as JSON writes it, for texts that are not JSON.
#pragma once

#include <optional>
#include <string_view>

namespace carillon::import {

// RFC 8259, section 6, the whole of `text`. Nothing: not of that form, or beyond a double.
std::optional<double> parse_json_number(std::string_view text);

}  // namespace carillon::import
