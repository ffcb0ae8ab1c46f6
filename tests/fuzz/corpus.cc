#include "tests/fuzz/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace carillon::fuzz {

tl::expected<std::vector<CorpusInput>, std::string> read_corpus(std::string_view text) {
  std::vector<CorpusInput> inputs;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view written = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (written.starts_with('#')) continue;
    CorpusInput input{.line = line, .bytes = {}};
    for (std::size_t at = 0; at < written.size(); ++at) {
      auto byte = static_cast<std::uint8_t>(written[at]);
      if (written[at] == '\\') {
        const char* digits = written.data() + at + 2;
        if (at + 4 > written.size() || written[at + 1] != 'x' ||
            std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
          return tl::unexpected(fmt::format("line {}: a backslash without xNN", line));
        }
        at += 3;
      }
      input.bytes.push_back(byte);
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace carillon::fuzz
