// What an operator decides, as values. `load_config` reads it from one TOML file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "providers/apns/apns_provider.h"
#include "providers/fcm/fcm_provider.h"
#include "providers/webpush/webpush_provider.h"
#include "relay/config/fanout_limits.h"
#include "relay/import/push_origins.h"

namespace carillon::config {

// Every default has its reason beside it in deploy/carillon.example.toml.
struct Http {
  std::string listen = "127.0.0.1:8080";  // address:port; port 0 lets the system choose
  std::size_t threads = 16;               // requests that are worked on at once
  std::size_t connections_max = 1024;     // open at once; an idle one costs no thread
  std::size_t body_bytes_max = 256 * 1024;
  std::size_t head_bytes_max = 16 * 1024;
  std::uint32_t head_timeout_ms = 5'000;   // the whole head, from the first byte
  std::uint32_t body_timeout_ms = 30'000;  // a whole body, and 1 s more for every 16 KiB of it; an
                                           // import's: between two reads
  std::uint32_t idle_timeout_ms = 15'000;  // a kept-alive connection without a request
  friend bool operator==(const Http&, const Http&) = default;
};

struct Store {
  std::filesystem::path path = "carillon.db";
  std::size_t group_commit_max = 64;       // requests a commit
  std::uint32_t group_commit_wait_ms = 5;  // how long the first one waits for others, at most
  std::uint32_t idempotency_hours = 48;    // how long a key is remembered
  // [outcomes]: what the feed keeps for those who follow it.
  std::uint64_t outcome_rows = 1'000'000;  // 0: no feed
  std::uint32_t outcome_days = 30;
};

struct Log {
  std::string level = "info";  // trace debug info warning error
  bool core_files = false;     // of a crash, with all keys and tokens in them
  friend bool operator==(const Log&, const Log&) = default;
};

// What becomes of devices whose app was not heard of for so many days; 0: nothing.
struct Stale {
  std::uint32_t leave_out_after_days = 0;  // of audiences, until they register again
  std::uint32_t remove_after_days = 0;
  friend bool operator==(const Stale&, const Stale&) = default;
};

// How fast a provider is used; see fanout/rate_governor.h.
struct Rate {
  std::uint32_t per_minute = 0;  // devices; 0: no budget
  std::uint32_t ramp_up_ms = 60'000;
  friend bool operator==(const Rate&, const Rate&) = default;
};

// What a provider is made from, to tell whether that has changed.
struct Basis {
  std::string text;  // of the section, without what is no provider's to know (its rate)
  std::vector<std::filesystem::path> files;  // that it names
};

struct App {
  std::optional<push::ApnsConfig> apns;
  std::optional<push::FcmConfig> fcm;
  std::optional<push::WebPushConfig> webpush;
  std::map<push::Platform, Basis> basis;  // of each that is there
  Rate apns_rate, fcm_rate, webpush_rate;
  Stale stale;

  const Rate& rate(push::Platform platform) const;
};

struct Config {
  Http http;
  Store store;
  Fanout fanout;
  Log log;
  std::map<std::string, App> apps;
};

// One mistake, with where it is: "carillon.toml:12: …".
struct Problem {
  std::string where;
  std::string message;
};

// All problems at once, in the order of their lines; but a file that is no TOML has one only, the
// first. An unknown key is a problem. Relative paths in the file are relative to the file's folder.
// Does not open credentials or the store: what those say is for their owners.
tl::expected<Config, std::vector<Problem>> load_config(const std::filesystem::path& file);

// Where the browsers of each app with a [apps.NAME.webpush] may be subscribed.
import::PushOrigins push_origins(const Config& config);

// Every key that a file may have, as "http.listen" and "apps.<app>.apns.key_file".
std::vector<std::string> known_keys();

}  // namespace carillon::config
