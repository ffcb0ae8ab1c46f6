// One app's way to Apple's push service, with a provider token.
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

namespace carillon::push {

struct ApnsConfig {
  // Apple's production service; "https://api.sandbox.push.apple.com" for apps signed for
  // development, a simulator's address for trials. Nothing else has to differ.
  std::string endpoint = "https://api.push.apple.com";
  std::string ca_file;    // PEM, whom to trust instead of the system's store; empty: the store
  std::string key_file;   // the .p8 file from Apple's developer pages
  std::string key_id;     // its 10 characters
  std::string team_id;    // 10 characters
  std::string bundle_id;  // the app's, sent as apns-topic
  // Apple allows several; a window of 64 KiB at 50 ms round trip carries some 5,000 a second each.
  std::size_t connections_max = 4;
  // Per connection. What the service allows (1,000 as observed) counts if it is less.
  std::size_t streams_max = 1000;
  // From the first SYN to the service's SETTINGS.
  std::chrono::milliseconds connect_max{10'000};
  // From a request's start to its answer; then it is kUnanswered.
  std::chrono::milliseconds request_timeout{30'000};
  // The longest that a request waits for a connection and a stream; then it is kNotSent.
  std::chrono::milliseconds queued_max{30'000};
  // Silence while requests are open, after which a PING asks whether anyone is there.
  std::chrono::milliseconds stuck_after{5'000};
  // Silence otherwise; Apple's advice is an hour.
  std::chrono::milliseconds idle_after{3'600'000};
  // From a PING to any sign of life; then the connection is given up.
  std::chrono::milliseconds ping_max{5'000};
  // The calendar, for tokens; injected by tests. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> calendar;
};

// Reads the key and checks the whole configuration; connects to nothing yet. On failure every
// problem, each a sentence that names the field and, if it is about one, the file. `sink` and
// `loop` outlive the provider.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_apns_provider(
    ApnsConfig config, VerdictSink& sink, EventLoop& loop);

}  // namespace carillon::push
