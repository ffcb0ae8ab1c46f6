#include "relay/fanout/event_id.h"

#include <cstring>

namespace carillon::fanout {
namespace {

constexpr char kHex[] = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// MurmurHash3's 64-bit finalizer: a bijection in which every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  x ^= x >> 33;
  return x;
}

}  // namespace

store::EventId make_event_id(std::int64_t now_ms, const std::array<std::uint8_t, 10>& entropy) {
  store::EventId id{};
  for (int i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(now_ms >> (40 - 8 * i));
  std::memcpy(id.data() + 6, entropy.data(), entropy.size());
  id[6] = static_cast<std::uint8_t>(0x70 | (id[6] & 0x0f));
  id[8] = static_cast<std::uint8_t>(0x80 | (id[8] & 0x3f));
  return id;
}

std::string to_string(const store::EventId& id) {
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[id[i] >> 4]);
    text.push_back(kHex[id[i] & 15]);
  }
  return text;
}

std::optional<store::EventId> parse_event_id(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  store::EventId id{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (text[at++] != '-') return std::nullopt;
    }
    const int high = hex_value(text[at++]);
    const int low = hex_value(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    id[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return id;
}

std::array<std::uint8_t, 16> push_identity(const store::EventId& event,
                                           store::DevicePosition position) noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, event.data(), sizeof halves);
  halves[0] = mix(halves[0] ^ mix(position + 0x9e3779b97f4a7c15ULL));
  halves[1] = mix(halves[1] + mix(position));
  std::array<std::uint8_t, 16> id;
  std::memcpy(id.data(), halves, sizeof halves);
  id[6] = static_cast<std::uint8_t>(0x80 | (id[6] & 0x0f));
  id[8] = static_cast<std::uint8_t>(0x80 | (id[8] & 0x3f));
  return id;
}

}  // namespace carillon::fanout
