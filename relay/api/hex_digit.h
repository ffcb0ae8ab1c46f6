// A hexadecimal digit, as chunk sizes and percent-encodings have them.
#pragma once

namespace carillon::api {

// 0 to 15; -1 if it is none.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace carillon::api
