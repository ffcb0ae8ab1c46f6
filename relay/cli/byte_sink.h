// Where a command's bulk output goes: a file that appears whole or not at all, a pipe that is
// waited for without being deaf to signals, or a stream.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// For one thread. Destroyed without `finish`, a file leaves nothing behind.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  enum class Written { kAll, kStopped };
  // All of it, or as much as went out before `stop_asked` said so. The error is a sentence's end:
  // why it cannot be written; "Broken pipe" if nobody reads any more.
  virtual tl::expected<Written, std::string> write(std::string_view bytes) = 0;
  // Everything is on the disk, and the file has its name. Once.
  virtual tl::expected<void, std::string> finish() = 0;
};

// "-": standard output, the terminal's. A file is made as `<file>.part`, readable by its owner only
// (a list of tokens is nobody else's), and replaces one of its name at the end. `stop_asked` is
// asked about ten times a second while nobody takes anything; empty: never. The error is why the
// file cannot be made.
tl::expected<std::unique_ptr<ByteSink>, std::string> open_sink(const std::filesystem::path& file,
                                                               Terminal& terminal,
                                                               std::function<bool()> stop_asked);

}  // namespace carillon::cli
