// `carillon publish`: one event over the HTTP API.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "relay/cli/api_client.h"
#include "relay/cli/terminal.h"
#include "relay/cli/watch_command.h"

namespace carillon::cli {

inline constexpr std::size_t kEventFileBytesMax = 1u << 20;  // beyond what the relay takes

struct PublishOptions {
  std::string file;  // the whole event as JSON; "-": standard input. Then only the last four count
  std::string app;
  // Who gets it: any of these, at least one.
  std::vector<std::string> topics;
  std::string condition;
  std::vector<std::string> subscribers;
  std::vector<std::string> devices;
  std::string title, body, image;  // empty: not given
  std::vector<std::string> data;   // "name=value"
  std::optional<std::chrono::seconds> ttl;
  std::string priority;  // "urgent", "normal", "bulk"; empty: the relay's default
  std::string collapse_key;
  std::string idempotency_key;
  bool watch = false;
  WatchOptions watching;  // `event` is filled in
};

// The body of POST /v1/events from the options other than `file`. Pure. The error is a sentence
// about the options.
tl::expected<std::string, std::string> event_body(const PublishOptions& options);

// The body as it stands in the file, or on `standard_input` for "-".
tl::expected<std::string, std::string> event_file(const std::string& name,
                                                  std::istream& standard_input);

// Prints the event's id alone on a line. kExitOk if it was accepted and, with `watch`, completed.
int run_publish(Terminal& terminal, ApiClient& api, const PublishOptions& options);

}  // namespace carillon::cli
