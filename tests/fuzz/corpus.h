// The inputs that every test run tries again, as text: an input a line, bytes that are not
// printable ASCII, and the backslash, as \xNN. Lines that begin with # say something to people.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace carillon::fuzz {

struct CorpusInput {
  std::size_t line = 0;  // 1 is the first
  std::vector<std::uint8_t> bytes;
};

// The error is a sentence that names the line.
tl::expected<std::vector<CorpusInput>, std::string> read_corpus(std::string_view text);

}  // namespace carillon::fuzz
