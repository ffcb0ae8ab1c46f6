#pragma once

#include <string>
#include <string_view>

#include "device-sim/population/population.h"
#include "tests/device-sim/tls_client.h"

namespace device_sim {

// An application server's side of Web Push, written from RFC 8291 with OpenSSL's high-level
// functions: neither the relay's code nor the simulator's.
std::string seal_push(std::string_view public_key, std::string_view secret, std::string_view text);
// For a device of the population.
std::string seal_push_for(const Population& population, std::uint64_t number,
                          std::string_view text);

// "vapid t=…, k=…" of the test's key for an hour from `now_s`.
std::string vapid_authorization(std::string_view origin, std::int64_t now_s);

// What the relay writes for an event.
std::string webpush_text(const std::string& event);

}  // namespace device_sim
