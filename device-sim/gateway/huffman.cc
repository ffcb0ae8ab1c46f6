#include "device-sim/gateway/huffman.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace device_sim {
namespace {

// Bits of each symbol's code, the last one is the end of the string (appendix B). The code is
// canonical: shorter ones first, of equal length in the order of their symbols, so the lengths say
// everything.
constexpr std::array<std::uint8_t, 257> kCodeBits = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};
constexpr std::size_t kEndOfString = 256;
constexpr unsigned kShortestCodeBits = 5;
constexpr unsigned kLongestCodeBits = 30;
// What one look-up sees: two characters where both are short, as nearly all in tokens are.
constexpr unsigned kLookBits = 12;
constexpr unsigned kPaddingBitsMax = 7;

struct Canonical {
  std::array<std::uint16_t, 257> symbols{};                  // in the order of their codes
  std::array<std::uint32_t, kLongestCodeBits + 1> first{};   // code of each length
  std::array<std::uint16_t, kLongestCodeBits + 1> count{};   // codes of each length
  std::array<std::uint16_t, kLongestCodeBits + 1> offset{};  // into `symbols`
};

constexpr Canonical kCanonical = [] {
  Canonical made;
  std::uint32_t code = 0;
  std::uint16_t at = 0;
  for (unsigned bits = 1; bits <= kLongestCodeBits; ++bits) {
    code <<= 1;
    made.first[bits] = code;
    made.offset[bits] = at;
    for (std::size_t symbol = 0; symbol < kCodeBits.size(); ++symbol) {
      if (kCodeBits[symbol] != bits) continue;
      made.symbols[at++] = static_cast<std::uint16_t>(symbol);
      ++made.count[bits];
      ++code;
    }
  }
  return made;
}();

struct Look {
  std::array<char, 2> characters{};
  std::uint8_t count = 0;  // of them; 0: the code is longer than a look
  std::uint8_t bits = 0;   // of all of them
  std::uint8_t first_bits = 0;
};

// The symbol whose code begins `window`, from its highest bit; 0 bits: none of at most `bits_max`.
struct Symbol {
  std::size_t symbol = 0;
  unsigned bits = 0;
};
constexpr Symbol symbol_at(std::uint64_t window, unsigned bits_max) {
  for (unsigned bits = kShortestCodeBits; bits <= bits_max; ++bits) {
    const auto code = static_cast<std::uint32_t>(window >> (64 - bits));
    if (code - kCanonical.first[bits] < kCanonical.count[bits]) {
      return {kCanonical.symbols[kCanonical.offset[bits] + code - kCanonical.first[bits]], bits};
    }
  }
  return {};
}

const std::array<Look, 1 << kLookBits>& looks() {
  static const auto kLooks = [] {
    std::array<Look, 1 << kLookBits> made{};
    for (std::uint64_t i = 0; i < made.size(); ++i) {
      const std::uint64_t window = i << (64 - kLookBits);
      const Symbol first = symbol_at(window, kLookBits);
      if (first.bits == 0) continue;
      const Symbol second = symbol_at(window << first.bits, kLookBits - first.bits);
      made[i] = {.characters = {static_cast<char>(first.symbol), static_cast<char>(second.symbol)},
                 .count = static_cast<std::uint8_t>(second.bits == 0 ? 1 : 2),
                 .bits = static_cast<std::uint8_t>(first.bits + second.bits),
                 .first_bits = static_cast<std::uint8_t>(first.bits)};
    }
    return made;
  }();
  return kLooks;
}

std::uint64_t load_big_endian(const char* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  static_assert(std::endian::native == std::endian::little);
  return __builtin_bswap64(word);
}

}  // namespace

bool append_huffman(std::string_view coded, std::string& out) {
  const auto& look_at = looks();
  const std::size_t before = out.size();
  out.resize(before + coded.size() * 8 / kShortestCodeBits + 2);
  char* to = out.data() + before;
  const char* in = coded.data();
  const char* const end = in + coded.size();
  std::uint64_t window = 0;  // the bits that come next, from its highest one
  unsigned bits = 0;         // how many of them are there
  bool good = true;
  while (good) {
    if (end - in >= 8) {
      window |= load_big_endian(in) >> bits;
      in += (63 - bits) >> 3;
      bits |= 56;
      // Far from the end: whatever a look shows is there.
      while (bits >= kLookBits) {
        const Look& look = look_at[window >> (64 - kLookBits)];
        if (look.count == 0) break;
        std::memcpy(to, look.characters.data(), look.characters.size());
        to += look.count;
        window <<= look.bits;
        bits -= look.bits;
      }
      if (bits < kLongestCodeBits) continue;  // the next code may be longer than that
    } else {
      for (; in != end && bits <= 56; bits += 8) {
        window |= static_cast<std::uint64_t>(static_cast<unsigned char>(*in++)) << (56 - bits);
      }
    }
    // What is beyond the end looks like padding: ones.
    const std::uint64_t padded = bits < 64 ? window | ~std::uint64_t{0} >> bits : window;
    const Look& look = look_at[padded >> (64 - kLookBits)];
    unsigned used = look.bits;
    if (look.count == 2 && used <= bits) {
      *to++ = look.characters[0];
      *to++ = look.characters[1];
    } else if (look.count != 0 && look.first_bits <= bits) {
      *to++ = look.characters[0];
      used = look.first_bits;
    } else {
      const Symbol symbol = symbol_at(padded, std::min(bits, kLongestCodeBits));
      if (symbol.bits == 0) break;
      good = symbol.symbol != kEndOfString;
      *to++ = static_cast<char>(symbol.symbol);
      used = symbol.bits;
    }
    window <<= used;
    bits -= used;
  }
  // Ones only, and fewer than a byte of them (section 5.2).
  good = good && in == end && bits <= kPaddingBitsMax &&
         (bits == 0 || window >> (64 - bits) == (std::uint64_t{1} << bits) - 1);
  out.resize(static_cast<std::size_t>(to - out.data()));
  return good;
}

}  // namespace device_sim
