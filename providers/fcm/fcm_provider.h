// One app's way to Firebase Cloud Messaging, with a service account.
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

// Google closes connections that exceed it, whatever SETTINGS say (as reported).
inline constexpr std::size_t kFcmStreamsMax = 100;

struct FcmConfig : ChannelLimits {
  // At 50 ms round trip 2,000 requests a second on each connection. More streams are a problem of
  // the configuration.
  FcmConfig() : ChannelLimits{.connections_max = 8, .streams_max = kFcmStreamsMax} {}

  // Google's service, or a simulator's address. Nothing else has to differ.
  std::string endpoint = "https://fcm.googleapis.com";
  // PEM, whom to trust instead of the system's store, for the endpoint and for the token URI;
  // empty: the store.
  std::string ca_file;
  std::string service_account_file;  // the JSON file from the Google Cloud console
  std::string project;               // id or number; empty: the file's project_id
  std::string token_uri;             // where access tokens come from; empty: the file's token_uri
};

// Reads the service account and checks the whole configuration; connects to nothing yet. On failure
// every problem, each a sentence that names the field and, if it is about one, the file. `sink` and
// `loop` outlive the provider.
tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_fcm_provider(
    FcmConfig config, VerdictSink& sink, EventLoop& loop);

}  // namespace carillon::push
