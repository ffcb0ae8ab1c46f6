// Ids of events: UUIDv7 (RFC 9562, section 5.7), so that their order is the order of their making.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/store.h"

namespace carillon::fanout {

// From milliseconds since the epoch and 10 bytes of entropy, of which 74 bits are used.
store::EventId make_event_id(std::int64_t now_ms, const std::array<std::uint8_t, 10>& entropy);

// Canonical lower case, 8-4-4-4-12.
std::string to_string(const store::EventId& id);

// Accepts the canonical form in either case; nothing else.
std::optional<store::EventId> parse_event_id(std::string_view text);

// The identity of (event, device): the same for every attempt, another one for every other pair. It
// is a well-formed UUID (version 8, RFC 9562, section 5.8), which is what APNs asks of an apns-id.
// For one event it is injective in `position` up to the 6 bits that mark the version.
std::array<std::uint8_t, 16> push_identity(const store::EventId& event,
                                           store::DevicePosition position) noexcept;

}  // namespace carillon::fanout
