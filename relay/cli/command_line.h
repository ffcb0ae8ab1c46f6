// `carillon …` as it is typed.
#pragma once

#include <string>
#include <vector>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// Runs the command that `arguments` (without the program's name) asks for and returns its exit
// code;
// `--help` and what makes no sense end here.
int run_command_line(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace carillon::cli
