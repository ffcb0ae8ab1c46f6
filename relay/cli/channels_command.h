// `carillon channels …`: broadcast channels of APNs, over a relay's HTTP API.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "relay/cli/api_client.h"
#include "relay/cli/terminal.h"

namespace CLI {
class App;
}

namespace carillon::cli {

struct ChannelsOptions {
  std::string app;
  bool json = false;    // the relay's document as it is, on one line
  std::string channel;  // its id; delete, send
  std::string storage;  // create: none or latest
  // send
  std::string apns;  // JSON
  std::uint64_t ttl_s = 0;
  std::string priority;  // empty: the relay's own
};

// Each prints what the relay answers; kExitFailure with its problem if it refuses.
int run_channels_create(Terminal& terminal, ApiClient& api, const ChannelsOptions& options);
int run_channels_list(Terminal& terminal, ApiClient& api, const ChannelsOptions& options);
int run_channels_delete(Terminal& terminal, ApiClient& api, const ChannelsOptions& options);
// kExitUsage if `apns` is not JSON.
int run_channels_send(Terminal& terminal, ApiClient& api, const ChannelsOptions& options);

// Declares the commands and runs the one that was asked for.
class ChannelsCommands {
 public:
  explicit ChannelsCommands(Terminal& terminal) : terminal_(terminal) {}
  // `chosen` is set when the command line asks for one of them.
  void declare(CLI::App& app, std::function<int()>& chosen);

 private:
  using Run = int (*)(Terminal&, ApiClient&, const ChannelsOptions&);

  Terminal& terminal_;
  ApiAddress address_;
  ChannelsOptions options_;
};

}  // namespace carillon::cli
