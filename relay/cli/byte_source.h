// Where a command's input comes from, in blocks: a file or a pipe that is waited for without being
// deaf to signals, or a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// For one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  enum class State : std::uint8_t { kData, kEnd, kStopped };
  struct Block {
    State state = State::kEnd;
    std::size_t bytes = 0;  // kData: at least 1
  };
  // kStopped: `stop_asked` said so, between two blocks or while nothing came. The error is a
  // sentence's end: why it cannot be read.
  virtual tl::expected<Block, std::string> read(std::span<char> block) = 0;
  // Nothing: it is a pipe.
  virtual std::optional<std::uintmax_t> bytes_total() const { return std::nullopt; }
};

// "-": standard input, the terminal's. `stop_asked` is asked about ten times a second while nothing
// comes; empty: never. The error is why the file cannot be opened.
tl::expected<std::unique_ptr<ByteSource>, std::string> open_source(
    const std::filesystem::path& file, Terminal& terminal, std::function<bool()> stop_asked);

}  // namespace carillon::cli
