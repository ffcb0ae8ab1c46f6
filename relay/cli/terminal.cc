#include "relay/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "relay/cli/api_client.h"
#include "relay/cli/process_secrecy.h"

namespace carillon::cli {
namespace {

std::optional<std::string> process_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

unsigned process_columns() {
  winsize size{};
  for (const int descriptor : {STDERR_FILENO, STDOUT_FILENO}) {
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return kColumnsDefault;
}

}  // namespace

Terminal Terminal::of_process() {
  // Whichever command it is: who starts a relay with the key beside it has no use for it there.
  const auto key = take_from_environment(kKeyVariable);
  const bool out = isatty(STDOUT_FILENO) != 0;
  const bool err = isatty(STDERR_FILENO) != 0;
  return {
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_descriptor = STDIN_FILENO,
      .out_descriptor = STDOUT_FILENO,
      .out_is_terminal = out,
      .err_is_terminal = err,
      .colour = (out || err) && !process_environment("NO_COLOR"),
      .columns = process_columns,
      .environment =
          [key](const std::string& name) {
            return name == kKeyVariable ? key : process_environment(name);
          },
  };
}

}  // namespace carillon::cli
