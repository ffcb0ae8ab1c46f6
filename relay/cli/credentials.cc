#include "relay/cli/credentials.h"

#include <fmt/format.h>

#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "providers/apns/apns_provider.h"
#include "providers/fcm/fcm_provider.h"

namespace carillon::cli {
namespace {

using Made = tl::expected<std::unique_ptr<push::Provider>, std::vector<std::string>>;

void collect(Providers& providers, const std::string& app, std::string_view platform, Made made) {
  if (made) {
    providers.made.push_back({.app = app, .provider = std::move(*made)});
    return;
  }
  for (const std::string& problem : made.error()) {
    providers.problems.push_back(fmt::format("[apps.{}.{}] {}", app, platform, problem));
  }
}

}  // namespace

Providers make_providers(const config::Config& config, const SinkOf& sink_of,
                         push::EventLoop& loop) {
  Providers providers;
  for (const auto& [name, app] : config.apps) {
    if (app.apns) {
      collect(providers, name, "apns",
              push::make_apns_provider(*app.apns, sink_of(name, push::Platform::kApns), loop));
    }
    if (app.fcm) {
      collect(providers, name, "fcm",
              push::make_fcm_provider(*app.fcm, sink_of(name, push::Platform::kFcm), loop));
    }
  }
  return providers;
}

}  // namespace carillon::cli
