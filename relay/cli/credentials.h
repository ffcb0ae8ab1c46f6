// The providers of a config, made from their credentials.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/auth/token_shelf.h"
#include "providers/http2/event_loop.h"
#include "providers/provider.h"
#include "relay/config/config.h"

namespace carillon::cli {

struct AppProvider {
  std::string app;
  std::unique_ptr<push::Provider> provider;
};

// "[apps.video.apns]"
std::string section_of(std::string_view app, push::Platform platform);
inline std::string section_of(const AppProvider& made) {
  return section_of(made.app, made.provider->platform());
}

struct Providers {
  std::vector<AppProvider> made;
  // Of all apps, each told once with the sections that have it: "[apps.video.apns] key_file …".
  std::vector<std::string> problems;
};

// What all providers on a loop are to share: one token for a key, whichever app has it.
using SharedTokens = std::shared_ptr<push::auth::TokenShelf>;

// As the platform's own `make_…_provider`. The app has such a section.
using MadeProvider = tl::expected<std::unique_ptr<push::Provider>, std::vector<std::string>>;
auto make_provider(const config::App& app, push::Platform platform, push::VerdictSink& sink,
                   push::EventLoop& loop, const SharedTokens& tokens) -> MadeProvider;
// Of which the app has a section.
std::vector<push::Platform> platforms_of(const config::App& app);

// Reads keys, service accounts and CA files; connects to nothing. `sink_of` and what it answers, as
// the loop, outlive the providers.
using SinkOf = std::function<push::VerdictSink&(const std::string& app, push::Platform platform)>;
Providers make_providers(const config::Config& config, const SinkOf& sink_of, push::EventLoop& loop,
                         const SharedTokens& tokens);

}  // namespace carillon::cli
