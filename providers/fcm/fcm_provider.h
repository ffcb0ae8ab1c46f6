// One app's way to Firebase Cloud Messaging, with a service account.
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

struct FcmConfig {
  // Google's service, or a simulator's address. Nothing else has to differ.
  std::string endpoint = "https://fcm.googleapis.com";
  // PEM, whom to trust instead of the system's store, for the endpoint and for the token URI;
  // empty: the store.
  std::string ca_file;
  std::string service_account_file;  // the JSON file from the Google Cloud console
  std::string project;               // id or number; empty: the file's project_id
  std::string token_uri;             // where access tokens come from; empty: the file's token_uri
  // A window of 64 KiB at 50 ms round trip carries some 5,000 requests a second per connection, but
  // 100 streams only 2,000.
  std::size_t connections_max = 8;
  // Per connection. Google closes connections that exceed 100, whatever SETTINGS say (as reported).
  std::size_t streams_max = 100;
  // From the first SYN to the service's SETTINGS.
  std::chrono::milliseconds connect_max{10'000};
  // From a request's start to its answer; then it is kUnanswered. Firebase asks for ≥ 10 s.
  std::chrono::milliseconds request_timeout{30'000};
  // The longest that a request waits for an access token, a connection and a stream; then it is
  // kNotSent.
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

// Reads the service account and checks the whole configuration; connects to nothing yet. On failure
// every problem, each a sentence that names the field and, if it is about one, the file. `sink` and
// `loop` outlive the provider.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_fcm_provider(
    FcmConfig config, VerdictSink& sink, EventLoop& loop);

}  // namespace carillon::push
