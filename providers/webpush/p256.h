// The curve of Web Push's key agreement (RFC 8291, 3.1), by OpenSSL.
#pragma once

#include <openssl/ec.h>

#include <cstdint>
#include <span>

namespace carillon::push {

// One for the program, made at the first call: making it takes longer than encrypting a message.
// Read-only, so any thread may compute on it.
const EC_GROUP* p256_group();

// Whether an uncompressed point (SEC 1, 2.3.4) lies on the curve. Any thread.
bool is_p256_point(std::span<const std::uint8_t, 65> point);

}  // namespace carillon::push
