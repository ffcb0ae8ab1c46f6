// `carillon keys vapid`: the key pair of Web Push.
#pragma once

#include <filesystem>

#include "relay/cli/terminal.h"

namespace carillon::cli {

// Writes a new private key (PEM, PKCS#8) to `out`, which must not be there yet, for its owner
// alone, and prints the public key alone on a line of stdout: what browsers subscribe with.
// Of a key that is there already it prints the public key.
int run_keys_vapid(Terminal& terminal, const std::filesystem::path& out);

}  // namespace carillon::cli
