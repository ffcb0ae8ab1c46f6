// Which addresses belong to the open internet. A name that somebody else chose may resolve to
// anything, also to a machine of this network.
#pragma once

#include <array>
#include <cstdint>

namespace carillon::push::http2 {

// False: private, loopback, link-local, shared, documentation, multicast or another range that IANA
// marks as not globally reachable (the special-purpose registries of RFC 6890). Network order.
bool is_public_ipv4(const std::array<std::uint8_t, 4>& address) noexcept;
// Mapped and translated IPv4 addresses are judged as such; of the rest only 2000::/3 is public.
bool is_public_ipv6(const std::array<std::uint8_t, 16>& address) noexcept;

}  // namespace carillon::push::http2
