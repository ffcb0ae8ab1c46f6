// `carillon tokens quarantine`: devices that a provider called dead when that was suspicious, and
// what is to become of them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "relay/cli/api_client.h"
#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/quarantine.h"

namespace CLI {
class App;
}

namespace carillon::cli {

struct QuarantineOptions {
  std::string app;
  std::optional<store::Platform> platform;  // of this alone
  std::vector<std::string> devices;         // these alone
  bool all = false;                         // a decision needs it if nobody is named
  bool json = false;                        // list: one object a line
};

// Counts and devices on stdout.
int run_quarantine_list(Terminal& terminal, store::Store& store, const config::Config& config,
                        const QuarantineOptions& options);
// What was decided before an error stays decided, and is told.
int run_quarantine_decision(Terminal& terminal, store::Store& store, const config::Config& config,
                            store::QuarantineAction action, const QuarantineOptions& options);

// The same through a relay's HTTP API, with a key of scope admin: for whoever has no store's file.
int run_quarantine_list(Terminal& terminal, ApiClient& api, const QuarantineOptions& options);
int run_quarantine_decision(Terminal& terminal, ApiClient& api, store::QuarantineAction action,
                            const QuarantineOptions& options);

class QuarantineCommands {
 public:
  explicit QuarantineCommands(Terminal& terminal) : terminal_(terminal) {}
  // Declares them; `chosen` gets the one that was asked for. `this` outlives both.
  void declare(CLI::App& app, std::function<int()>& chosen);

 private:
  int run(std::optional<store::QuarantineAction> action);
  int run_over_http(std::optional<store::QuarantineAction> action);

  Terminal& terminal_;
  ApiAddress api_;
  std::filesystem::path config_file_;
  std::string platform_;
  QuarantineOptions options_;
};

}  // namespace carillon::cli
