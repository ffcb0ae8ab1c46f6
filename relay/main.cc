#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "relay/cli/command_line.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/process_secrecy.h"
#include "relay/cli/terminal.h"

int main(int argc, char** argv) {
  carillon::cli::refuse_core_files();
  std::ios::sync_with_stdio(false);  // an import reads millions of lines from std::cin
  try {
    auto terminal = carillon::cli::Terminal::of_process();
    return carillon::cli::run_command_line({argv + 1, argv + argc}, terminal);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "carillon: %s\n", error.what());
    return carillon::cli::kExitFailure;
  }
}
