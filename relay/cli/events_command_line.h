// `carillon events …` as the command line declares it.
#pragma once

#include <functional>
#include <string>

#include "relay/cli/api_client.h"
#include "relay/cli/events_command.h"
#include "relay/cli/terminal.h"

namespace CLI {
class App;
}

namespace carillon::cli {

class EventsCommandLine {
 public:
  // `chosen` is called with what is to be run when one of the commands was asked for.
  EventsCommandLine(Terminal& terminal, std::function<void(std::function<int()>)> chosen)
      : terminal_(terminal), chosen_(std::move(chosen)) {}

  // Must outlive the parsing.
  void declare(CLI::App& app);

 private:
  using Command = std::function<int(ApiClient&)>;
  CLI::App* add(CLI::App& events, const std::string& name, const std::string& what,
                const std::string& examples, Command command);
  CLI::App* add_of_event(CLI::App& events, const std::string& name, const std::string& what,
                         const std::string& examples, Command command);
  void add_steering(CLI::App& events);
  void add_replay(CLI::App& events);
  void add_reports(CLI::App& events);

  Terminal& terminal_;
  const std::function<void(std::function<int()>)> chosen_;
  ApiAddress address_;
  EventsOptions options_;
  std::string per_second_, ttl_;
};

}  // namespace carillon::cli
