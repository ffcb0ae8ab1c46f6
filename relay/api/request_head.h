// The head of an HTTP/1.x request: found, bounded and checked before anything acts on it.
//
// Stricter than RFC 9112 has to be, because leniency is what request smuggling lives on: lines end
// with CRLF, no folded lines, no space before a colon, one Host, one framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/api/problem.h"

namespace carillon::api {

inline constexpr std::size_t kTargetBytesMax = 4096;
inline constexpr std::size_t kHeaderFieldsMax = 64;  // fields
inline constexpr std::size_t kMethodBytesMax = 16;

struct RequestHead {
  struct Field {
    std::string name;  // lower case
    std::string value;
  };
  std::string method;
  std::string target;  // origin form: begins with '/', visible ASCII only
  std::vector<Field> fields;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;  // never together with a content_length
  bool http_1_1 = true;  // otherwise 1.0
  bool keep_alive = true;
  bool expects_continue = false;

  // The first field of that (lower-case) name; empty if there is none.
  std::string_view field(std::string_view name) const;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct HeadFault {
  Problem problem = Problem::kMalformedRequest;
  std::string detail;
};

enum class HeadEnd : std::uint8_t { kIncomplete, kFound, kMalformed };

// Looks for the empty line that ends the head. `*scanned` remembers, from call to call with a
// growing `bytes`, what need not be looked at again; on kFound it is the head's length, that line
// included. A line feed without its carriage return is malformed at once, not waited upon.
HeadEnd find_head_end(std::string_view bytes, std::size_t* scanned);

// `bytes` is one whole head, the empty line included. Pure.
tl::expected<RequestHead, HeadFault> parse_head(std::string_view bytes);

}  // namespace carillon::api
