// One app's way to the browsers, with a VAPID key: to whatever push service a subscription names.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "providers/channel_limits.h"
#include "providers/http2/event_loop.h"
#include "providers/provider.h"
#include "providers/webpush/origin_list.h"

namespace carillon::push {

namespace auth {
class TokenShelf;
}

struct WebPushConfig : ChannelLimits {
  // Per push service; as many streams as Firebase allows.
  WebPushConfig() : ChannelLimits{.connections_max = 4, .streams_max = 100} {}

  std::string vapid_key_file;  // PEM, P-256; its public half is the browsers' applicationServerKey
  std::string subject;         // whom a push service can write to: "mailto:…" or "https://…"
  // Push services that may be called (OriginList). An endpoint is whatever a browser says.
  std::vector<std::string> origins = OriginList::known_services();
  // Also connect to private, loopback and link-local addresses: for a simulator.
  bool allow_private_addresses = false;
  std::string ca_file;  // PEM, whom to trust instead of the system's store; empty: the store
  // Push services at once. There are four; Microsoft's has some dozen hosts.
  std::size_t origins_max = 64;
  // Without a message for so long, the way to a push service is closed. Its VAPID token is kept.
  std::chrono::milliseconds origin_idle{3'600'000};

  // Threads that encrypt, some 20,000 messages a second each; 0: one less than there are
  // processors.
  std::size_t encryption_threads = 0;
};

// Reads the key and checks the whole configuration; connects to nothing yet. On failure every
// problem, each a sentence that names the field and, if it is about one, the file. `sink` and
// `loop` outlive the provider. Its targets' tokens are those of `write_subscription`. Providers
// that have `tokens` in common, and therefore `loop`, share the VAPID tokens of a key and subject;
// null: none does.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_webpush_provider(
    WebPushConfig config, VerdictSink& sink, EventLoop& loop,
    std::shared_ptr<auth::TokenShelf> tokens = nullptr);

}  // namespace carillon::push
