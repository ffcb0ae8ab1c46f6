#include "device-sim/population/siphash.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace device_sim {
namespace {

// Key 00 01 … 0f, message 00 01 02 …, as in the reference implementation's vectors.
constexpr SipKey kReferenceKey{.k0 = 0x0706050403020100, .k1 = 0x0f0e0d0c0b0a0908};

TEST(SipHash, AgreesWithTheReferenceVectors) {
  constexpr std::array<std::uint64_t, 9> kExpected{
      0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
      0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
      0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462};
  std::array<unsigned char, 16> message{};
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<unsigned char>(i);
  for (std::size_t length = 0; length < kExpected.size(); ++length) {
    EXPECT_EQ(siphash24(kReferenceKey, message.data(), length), kExpected[length]) << length;
  }
  // The example of the paper's appendix A.
  EXPECT_EQ(siphash24(kReferenceKey, message.data(), 15), 0xa129ca6149be45e5);
}

TEST(SipHash, OfAWordIsThatOfItsBytes) {
  for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{0}}) {
    EXPECT_EQ(siphash24(kReferenceKey, word), siphash24(kReferenceKey, &word, sizeof word));
  }
}

TEST(SipHash, DerivesADifferentKeyForEveryPurposeAndSeed) {
  std::set<std::uint64_t> halves;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    for (std::uint64_t purpose = 0; purpose < 16; ++purpose) {
      const SipKey key = derive_key(seed, purpose);
      halves.insert(key.k0);
      halves.insert(key.k1);
    }
  }
  EXPECT_EQ(halves.size(), 2U * 16U * 16U);
}

}  // namespace
}  // namespace device_sim
