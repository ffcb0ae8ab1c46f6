#include "providers/auth/base64url.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace carillon::push::auth::base64url_test {
namespace {

template <std::size_t kBytes>
bool decodes(std::string_view text, std::array<std::uint8_t, kBytes>& bytes) {
  return decode_base64url(text, bytes);
}

TEST(Base64url, ReadsBackWhatItWrites) {
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(251 * i + size);
    std::vector<std::uint8_t> back(size, 0xaa);
    EXPECT_TRUE(decode_base64url(base64url(bytes), back)) << size;
    EXPECT_EQ(back, bytes);
  }
}

TEST(Base64url, ReadsTheAlphabetOfUrlsWithOrWithoutPadding) {
  std::array<std::uint8_t, 4> bytes{};
  EXPECT_TRUE(decodes("-_-_AA", bytes));
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{0xfb, 0xff, 0xbf, 0x00}));
  EXPECT_TRUE(decodes("-_-_AA==", bytes));
}

TEST(Base64url, RefusesWhatIsNotExactlyTheBytesThatAreWanted) {
  std::array<std::uint8_t, 4> bytes{};
  for (const char* text : {"", "-_-_A", "-_-_AAA", "-_-_AA=", "-_-_AA===", "-_-_AAxx", "+/+/AA",
                           "-_-_A=", "-_-_ A", "-_-_AB"}) {
    EXPECT_FALSE(decodes(text, bytes)) << text << ": the last has bits beyond the last byte";
  }
}

}  // namespace
}  // namespace carillon::push::auth::base64url_test
