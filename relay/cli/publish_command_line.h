// `carillon publish …` as the command line declares it.
#pragma once

#include <functional>
#include <string>

#include "relay/cli/api_client.h"
#include "relay/cli/publish_command.h"
#include "relay/cli/terminal.h"

namespace CLI {
class App;
}

namespace carillon::cli {

class PublishCommandLine {
 public:
  // `chosen` is called with what is to be run when the command was asked for.
  PublishCommandLine(Terminal& terminal, std::function<void(std::function<int()>)> chosen)
      : terminal_(terminal), chosen_(std::move(chosen)) {}

  // Must outlive the parsing.
  void declare(CLI::App& app);

 private:
  int run();

  Terminal& terminal_;
  const std::function<void(std::function<int()>)> chosen_;
  ApiAddress address_;
  PublishOptions options_;
  std::string ttl_;
};

}  // namespace carillon::cli
