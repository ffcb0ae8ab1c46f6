// `carillon check`: is everything in order, before it matters?
#pragma once

#include <chrono>
#include <filesystem>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// How long all platforms together have to answer: a connection may take ten seconds by default, an
// answer seldom takes one.
inline constexpr std::chrono::milliseconds kOnlineCheckMax{15'000};

struct CheckOptions {
  std::filesystem::path config_file;
  bool deep = false;    // walk the whole store: minutes for a large one
  bool online = false;  // ask each platform whether it takes the credential; nobody is sent to
  std::chrono::milliseconds online_max = kOnlineCheckMax;
};

// All problems of config, credentials, CA files and store at once, each on a line of stderr; what
// is in order on stdout. Connects to nobody unless it is to, creates nothing. kExitOk or
// kExitFailure; a platform that does not answer is one.
int run_check(Terminal& terminal, const CheckOptions& options);

}  // namespace carillon::cli
