#include "providers/auth/base64url.h"

#include <array>
#include <cstddef>

namespace carillon::push::auth {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNoLetter = 0xff;

constexpr std::array<std::uint8_t, 256> kLetterValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoLetter);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

}  // namespace

std::string base64url(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    count += 8;
    while (count >= 6) {
      count -= 6;
      text.push_back(kAlphabet[bits >> count & 63]);
    }
  }
  if (count > 0) text.push_back(kAlphabet[bits << (6 - count) & 63]);
  return text;
}

std::string base64url(std::string_view text) {
  return base64url(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

bool decode_base64url(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
  const std::size_t letters = (bytes.size() * 8 + 5) / 6;
  if (text.size() != letters) {
    const std::size_t padding = (4 - letters % 4) % 4;
    if (text.size() != letters + padding) return false;
    for (const char c : text.substr(letters)) {
      if (c != '=') return false;
    }
    text = text.substr(0, letters);
  }
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t at = 0;
  for (const char c : text) {
    const std::uint8_t value = kLetterValues[static_cast<unsigned char>(c)];
    if (value == kNoLetter) return false;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes[at++] = static_cast<std::uint8_t>(bits >> count);
  }
  return (bits & ((1u << count) - 1)) == 0;  // one text for each row of bytes
}

}  // namespace carillon::push::auth
