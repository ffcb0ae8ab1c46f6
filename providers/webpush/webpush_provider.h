// One app's way to the browsers, with a VAPID key: to whatever push service a subscription names.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "providers/http2/event_loop.h"
#include "providers/provider.h"
#include "providers/webpush/origin_list.h"

namespace carillon::push {

struct WebPushConfig {
  std::string vapid_key_file;  // PEM, P-256; its public half is the browsers' applicationServerKey
  std::string subject;         // whom a push service can write to: "mailto:…" or "https://…"
  // Push services that may be called (OriginList). An endpoint is whatever a browser says.
  std::vector<std::string> origins = OriginList::known_services();
  // Also connect to private, loopback and link-local addresses: for a simulator.
  bool allow_private_addresses = false;
  std::string ca_file;  // PEM, whom to trust instead of the system's store; empty: the store
  // Push services at once. There are four; Microsoft's has some dozen hosts.
  std::size_t origins_max = 64;
  // Without a message for so long, the way to a push service is closed. An hour: with it goes its
  // VAPID token, and Apple asks not to make one more often.
  std::chrono::milliseconds origin_idle{3'600'000};
  // Threads that encrypt, some 20,000 messages a second each; 0: one less than there are
  // processors.
  std::size_t encryption_threads = 0;
  // Per push service: 64 KiB at 50 ms round trip carry some 1,500 messages a second per connection.
  std::size_t connections_max = 4;
  std::size_t streams_max = 100;  // per connection, as Firebase has it
  // From the first SYN to the service's SETTINGS.
  std::chrono::milliseconds connect_max{10'000};
  // From a request's start to its answer; then it is kUnanswered.
  std::chrono::milliseconds request_timeout{30'000};
  // The longest that a request waits for a connection and a stream; then it is kNotSent.
  std::chrono::milliseconds queued_max{30'000};
  // Silence while requests are open, after which a PING asks whether anyone is there.
  std::chrono::milliseconds stuck_after{5'000};
  // Silence otherwise.
  std::chrono::milliseconds idle_after{3'600'000};
  // From a PING to any sign of life; then the connection is given up.
  std::chrono::milliseconds ping_max{5'000};
  // The calendar, for tokens; injected by tests. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> calendar;
};

// Reads the key and checks the whole configuration; connects to nothing yet. On failure every
// problem, each a sentence that names the field and, if it is about one, the file. `sink` and
// `loop` outlive the provider. Its targets' tokens are those of `write_subscription`.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_webpush_provider(
    WebPushConfig config, VerdictSink& sink, EventLoop& loop);

}  // namespace carillon::push
