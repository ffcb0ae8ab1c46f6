// A terminal made of strings.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <utility>

#include "relay/cli/terminal.h"

namespace carillon::cli {

struct StringTerminal {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  std::map<std::string, std::string> variables;
  Terminal terminal{.in = in,
                    .out = out,
                    .err = err,
                    .environment = [this](const std::string& name) -> std::optional<std::string> {
                      const auto found = variables.find(name);
                      if (found == variables.end()) return std::nullopt;
                      return found->second;
                    }};

  StringTerminal() = default;
  explicit StringTerminal(std::string input) : in(std::move(input)) {}
};

}  // namespace carillon::cli
