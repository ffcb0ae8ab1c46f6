// One line of CSV (RFC 4180), taken apart and put together.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace carillon::import {

inline constexpr std::size_t kCsvColumnsMax = 1'100;  // an app's attributes, and what else there is

// Fields are separated by commas; one in double quotes may have commas, and quotes doubled. RFC
// 4180 lets a quoted field go on over a line's end: here a record is one line, as no column may
// have a line break in it, and a quote that is missing costs one line instead of all that follow.
//
// Splits line after line with the same buffers. For one thread.
class CsvLine {
 public:
  // The fields, without their quotes, until the next call; at least one. The error is a sentence
  // about the line. A carriage return at the line's end is not part of it.
  tl::expected<const std::vector<std::string_view>*, std::string> split(std::string_view line);

 private:
  std::string unquoted_;
  std::vector<std::string_view> fields_;
};

// `field` as one of a line, in quotes where it needs them.
void append_csv(std::string_view field, std::string& out);

}  // namespace carillon::import
