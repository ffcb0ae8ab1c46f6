// `carillon keys`: who may call the HTTP API.
#pragma once

#include <cstdint>
#include <string>

#include "relay/cli/terminal.h"
#include "storage/store.h"

namespace carillon::cli {

inline constexpr const char* kKeyPrefix = "crl_";  // so that a leaked key is recognised by scanners
inline constexpr std::size_t kKeyRandomBytes = 32;

// Prints the new key alone on a line of stdout: this once, the store has only its SHA-256.
int run_keys_create(Terminal& terminal, store::Store& store, const std::string& name,
                    const std::string& scopes);
int run_keys_list(Terminal& terminal, store::Store& store);
int run_keys_revoke(Terminal& terminal, store::Store& store, const std::string& name);

}  // namespace carillon::cli
