// JSON as a contract reads it: one value, no name twice in an object, bounded depth.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/api/problem.h"

namespace carillon::api {

inline constexpr std::size_t kJsonDepthMax = 32;  // nested objects and arrays

struct JsonFault {
  // false: not JSON at all. true: JSON, but with a name twice in an object or nested too deeply.
  bool well_formed = false;
  FieldError error;
};

tl::expected<nlohmann::json, JsonFault> parse_strict_json(std::string_view text);

// `token` as one reference token of a pointer: '~' and '/' escaped (RFC 6901, section 3).
std::string pointer_token(std::string_view token);

// What a value is, for people: "an object", "a string", …
std::string_view json_type_name(const nlohmann::json& value);

}  // namespace carillon::api
