// SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash, so that nobody who chooses names can choose
// where they fall.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace carillon::store::sqlite {

using SipKey = std::array<std::uint64_t, 2>;

inline std::uint64_t siphash24(const SipKey& key, std::string_view bytes) {
  std::uint64_t v0 = key[0] ^ 0x736f6d6570736575, v1 = key[1] ^ 0x646f72616e646f6d;
  std::uint64_t v2 = key[0] ^ 0x6c7967656e657261, v3 = key[1] ^ 0x7465646279746573;
  const auto round = [&]() __attribute__((always_inline)) {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  };
  const auto absorb = [&](std::uint64_t word) __attribute__((always_inline)) {
    v3 ^= word;
    round(), round();
    v0 ^= word;
  };
  // The branch is taken for all words but the last.
  const auto little_endian = [](const char* p, std::size_t count) __attribute__((always_inline)) {
    std::uint64_t word = 0;
    if (std::endian::native == std::endian::little && count == 8) {
      std::memcpy(&word, p, 8);
      return word;
    }
    for (std::size_t i = 0; i < count; ++i) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])) << (8 * i);
    }
    return word;
  };
  const std::size_t whole = bytes.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) absorb(little_endian(bytes.data() + i, 8));
  absorb(little_endian(bytes.data() + whole, bytes.size() - whole) |
         static_cast<std::uint64_t>(bytes.size()) << 56);
  v2 ^= 0xff;
  round(), round(), round(), round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace carillon::store::sqlite
