// One app's way to Apple's push service, with a provider token or a certificate.
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

namespace carillon::push {

namespace auth {
class TokenShelf;
}

struct ApnsConfig : ChannelLimits {
  // Apple allows several connections, and 1,000 streams on each as observed.
  ApnsConfig() : ChannelLimits{.connections_max = 4, .streams_max = 1000} {}

  // Apple's production service; "https://api.sandbox.push.apple.com" for apps signed for
  // development, a simulator's address for trials. Nothing else has to differ.
  std::string endpoint = "https://api.push.apple.com";
  // Where broadcast channels are made and deleted; empty: Apple's host for it that belongs to
  // `endpoint`, or `endpoint` itself where that is not Apple's. They are sent to at `endpoint`.
  std::string channels_endpoint;
  std::string ca_file;  // PEM, whom to trust instead of the system's store; empty: the store
  // Either a key, for provider tokens …
  std::string key_file;  // the .p8 file from Apple's developer pages
  std::string key_id;    // its 10 characters
  std::string team_id;   // 10 characters
  // … or a client certificate with its key, PEM or PKCS#12.
  std::string certificate_file;
  std::string certificate_password_file;  // what opens it; empty: nothing has to
  std::string bundle_id;                  // the app's, sent as apns-topic
};

// Reads the key or the certificate and checks the whole configuration; connects to nothing yet. On
// failure every problem, each a sentence that names the field and, if it is about one, the file. A
// certificate that has ended is none of them: ProviderHealth::credential_expires_at tells. `sink`
// and `loop` outlive the provider. Providers that have `tokens` in common, and therefore `loop`,
// share the provider token of a key; null: none does.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_apns_provider(
    ApnsConfig config, VerdictSink& sink, EventLoop& loop,
    std::shared_ptr<auth::TokenShelf> tokens = nullptr);

}  // namespace carillon::push
