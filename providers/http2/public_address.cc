#include "providers/http2/public_address.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>

namespace carillon::push::http2 {
namespace {

template <std::size_t kBytes>
struct Range {
  std::array<std::uint8_t, kBytes> start;  // zeros after
  unsigned bits;
};

// https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast.
constexpr Range<4> kNotPublic4[] = {
    {{0}, 8},              // this network
    {{10}, 8},             // private
    {{100, 64}, 10},       // shared with a carrier's NAT
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local: clouds answer for their secrets at 169.254.169.254
    {{172, 16}, 12},       // private
    {{192, 0, 0}, 24},     // IETF protocols
    {{192, 0, 2}, 24},     // documentation
    {{192, 88, 99}, 24},   // 6to4 relays, withdrawn
    {{192, 168}, 16},      // private
    {{198, 18}, 15},       // benchmarks
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, and broadcast
};

// Within 2000::/3: https://www.iana.org/assignments/iana-ipv6-special-registry.
constexpr Range<16> kNotPublic6[] = {
    {{0x20, 0x01, 0x00}, 23},        // IETF protocols; Teredo
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02}, 16},              // 6to4: any IPv4 address inside
    {{0x3f, 0xff, 0x00}, 20},        // documentation
};
constexpr Range<16> kGlobal6{{0x20}, 3};
// The last four bytes are an IPv4 address.
constexpr Range<16> kMapped6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
constexpr Range<16> kTranslated6{{0x00, 0x64, 0xff, 0x9b}, 96};  // RFC 6052

template <std::size_t kBytes>
bool is_in(const std::array<std::uint8_t, kBytes>& address, const Range<kBytes>& range) {
  const std::size_t whole = range.bits / 8;
  if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole),
                  range.start.begin())) {
    return false;
  }
  const unsigned rest = range.bits % 8;
  return rest == 0 || (address[whole] ^ range.start[whole]) >> (8 - rest) == 0;
}

}  // namespace

bool is_public_ipv4(const std::array<std::uint8_t, 4>& address) noexcept {
  return std::none_of(std::begin(kNotPublic4), std::end(kNotPublic4),
                      [&](const auto& range) { return is_in(address, range); });
}

bool is_public_ipv6(const std::array<std::uint8_t, 16>& address) noexcept {
  if (is_in(address, kMapped6) || is_in(address, kTranslated6)) {
    return is_public_ipv4({address[12], address[13], address[14], address[15]});
  }
  return is_in(address, kGlobal6) &&
         std::none_of(std::begin(kNotPublic6), std::end(kNotPublic6),
                      [&](const auto& range) { return is_in(address, range); });
}

}  // namespace carillon::push::http2
