// A request's target, taken apart: decoded strictly, so that no two readers disagree on a path.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace carillon::api {

struct Target {
  std::vector<std::string> segments;  // decoded one by one: a %2F stays inside its segment
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
};

// `text` with every %XX replaced, or nothing if a % is not followed by two hex digits. A '+' is a
// plus.
std::optional<std::string> percent_decoded(std::string_view text);

// What may stand in one segment or query value stays; everything else becomes %XX.
std::string percent_encoded(std::string_view text);

// The error is what is wrong, as a sentence. Empty segments ("//", a trailing '/') and the segments
// "." and ".." are refused rather than normalized; so are control characters and what is not UTF-8.
tl::expected<Target, std::string> parse_target(std::string_view target);

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace carillon::api
