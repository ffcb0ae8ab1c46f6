// Where a command reads and writes, and what is at the other end: tests put strings there.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

namespace carillon::cli {

// What a terminal's width is taken for when nobody knows it.
inline constexpr unsigned kColumnsDefault = 80;

// References are the caller's and outlive the command.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  int in_descriptor = -1;   // what `in` reads from; -1: none
  int out_descriptor = -1;  // what `out` writes to
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool colour = false;  // a terminal, and NO_COLOR (https://no-color.org) is not set
  // Asked each time: windows are resized.
  std::function<unsigned()> columns = [] { return kColumnsDefault; };
  std::function<std::optional<std::string>(const std::string& name)> environment =
      [](const std::string&) { return std::nullopt; };

  // The process's own.
  static Terminal of_process();
};

}  // namespace carillon::cli
