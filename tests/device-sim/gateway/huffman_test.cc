#include "device-sim/gateway/huffman.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/device-sim/gateway/header_coder.h"

namespace device_sim::huffman_test {
namespace {

std::string bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

std::string decoded(std::string_view coded) {
  std::string out = "before ";
  return append_huffman(coded, out) ? out.substr(7) : "malformed";
}

// RFC 7541, appendix C.4 and C.6.
TEST(Huffman, ReadsTheExamplesOfItsStandard) {
  EXPECT_EQ(decoded(bytes("f1e3c2e5f23a6ba0ab90f4ff")), "www.example.com");
  EXPECT_EQ(decoded(bytes("a8eb10649cbf")), "no-cache");
  EXPECT_EQ(decoded(bytes("25a849e95ba97d7f")), "custom-key");
  EXPECT_EQ(decoded(bytes("25a849e95bb8e8b4bf")), "custom-value");
  EXPECT_EQ(decoded(bytes("d07abe941054d444a8200595040b8166e082a62d1bff")),
            "Mon, 21 Oct 2013 20:13:21 GMT");
  EXPECT_EQ(decoded(""), "");
}

TEST(Huffman, ReadsWhatNghttp2HasCoded) {
  constexpr unsigned kSeed = 7541;
  std::mt19937_64 random(kSeed);
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/";
  std::size_t coded_values = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string value(random() % 300, ' ');
    // Mostly what headers hold, so that it is worth coding; any byte now and then.
    for (char& c : value) {
      c = random() % 50 == 0 ? static_cast<char>(random()) : letters[random() % letters.size()];
    }
    if (const auto coded = HeaderCoder::huffman_value(value)) {
      ++coded_values;
      ASSERT_EQ(decoded(*coded), value) << "seed " << kSeed << ", value " << i;
    }
  }
  EXPECT_GT(coded_values, 3'000u);
}

TEST(Huffman, KnowsEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string value = std::string(64, 'a') + static_cast<char>(byte) + std::string(3, 'a');
    const auto coded = HeaderCoder::huffman_value(value);
    ASSERT_TRUE(coded);
    EXPECT_EQ(decoded(*coded), value) << byte;
  }
}

TEST(Huffman, RefusesPaddingThatIsWrong) {
  EXPECT_EQ(decoded(bytes("1f")), "a") << "three bits of ones";
  EXPECT_EQ(decoded(bytes("18")), "malformed") << "of zeros";
  EXPECT_EQ(decoded(bytes("1fff")), "malformed") << "more than seven bits";
  EXPECT_EQ(decoded(bytes("ff")), "malformed");
  EXPECT_EQ(decoded(bytes("fe")), "malformed") << "half a character";
  EXPECT_EQ(decoded(bytes("ffffffff")), "malformed") << "the end of a string is not for use";
  EXPECT_EQ(decoded(std::string(64, '\x18') + bytes("ffffffffffff")), "malformed");
}

}  // namespace
}  // namespace device_sim::huffman_test
