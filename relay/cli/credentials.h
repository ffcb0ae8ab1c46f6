// The providers of a config, made from their credentials.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "providers/http2/event_loop.h"
#include "providers/provider.h"
#include "relay/config/config.h"

namespace carillon::cli {

struct AppProvider {
  std::string app;
  std::unique_ptr<push::Provider> provider;
};

struct Providers {
  std::vector<AppProvider> made;
  // Of all apps, each told once with the sections that have it: "[apps.video.apns] key_file …".
  std::vector<std::string> problems;
};

// Reads keys, service accounts and CA files; connects to nothing. `sink_of` and what it answers, as
// the loop, outlive the providers.
using SinkOf = std::function<push::VerdictSink&(const std::string& app, push::Platform platform)>;
Providers make_providers(const config::Config& config, const SinkOf& sink_of,
                         push::EventLoop& loop);

}  // namespace carillon::cli
