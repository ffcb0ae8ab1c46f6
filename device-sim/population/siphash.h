#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace device_sim {

static_assert(std::endian::native == std::endian::little, "words are read as SipHash defines them");

// 128 bits of key. Who does not know it can neither make nor foretell a value of siphash24.
struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

// SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012), 64-bit output.
class SipState {
 public:
  explicit SipState(SipKey key)
      : v0_(key.k0 ^ 0x736f6d6570736575ULL),
        v1_(key.k1 ^ 0x646f72616e646f6dULL),
        v2_(key.k0 ^ 0x6c7967656e657261ULL),
        v3_(key.k1 ^ 0x7465646279746573ULL) {}

  void absorb(std::uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }

  std::uint64_t finish() {
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

inline std::uint64_t siphash24(SipKey key, const void* data, std::size_t length) {
  SipState state(key);
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::size_t left = length;
  for (; left >= 8; left -= 8, bytes += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    state.absorb(word);
  }
  std::uint64_t last = static_cast<std::uint64_t>(length) << 56;
  for (std::size_t i = 0; i < left; ++i) last |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  state.absorb(last);
  return state.finish();
}

// The same value as siphash24 over the word's eight little-endian bytes.
inline std::uint64_t siphash24(SipKey key, std::uint64_t word) {
  SipState state(key);
  state.absorb(word);
  state.absorb(8ULL << 56);
  return state.finish();
}

// SplitMix64 (Steele, Lea, Flood 2014): spreads a counter over 64 bits. Not a secret.
inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// One key per purpose, all from one seed.
inline SipKey derive_key(std::uint64_t seed, std::uint64_t purpose) {
  const std::uint64_t base = splitmix64(seed) ^ splitmix64(~purpose);
  return SipKey{.k0 = splitmix64(base), .k1 = splitmix64(base + 1)};
}

}  // namespace device_sim
