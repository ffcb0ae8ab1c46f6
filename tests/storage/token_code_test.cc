#include "storage/sqlite/token_code.h"

#include <gtest/gtest.h>

#include "storage/store.h"

namespace carillon::store::sqlite::token_code_test {
namespace {

std::string hex(std::size_t digits) {
  std::string token;
  for (std::size_t i = 0; i < digits; ++i) token.push_back("0123456789abcdef"[i * 7 % 16]);
  return token;
}

struct Case {
  const char* what;
  std::string token;
  TokenCode code;
  std::size_t bytes;  // packed, length included
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"an APNs token", hex(64), TokenCode::kHex32, 32},
      {"a longer APNs token", hex(160), TokenCode::kHex, 81},
      {"a short hexadecimal token", "ab", TokenCode::kHex, 2},
      {"upper-case digits are letters", "AB", TokenCode::kLetters, 4},
      {"an odd count of digits", "abc", TokenCode::kLetters, 5},
      {"a letter", "x", TokenCode::kLetters, 3},
      {"a colon alone", ":", TokenCode::kLetters, 2},
      {"a colon first", ":xyzw", TokenCode::kLetters, 5},
      {"a colon last", "xyzw:", TokenCode::kLetters, 5},
      {"an FCM token", "dQw4w9WgXcQ-abc_DEF123:APA91b" + std::string(134, 'Z'), TokenCode::kLetters,
       125},
      {"two colons", "a:b:c", TokenCode::kRaw, 6},
      {"another character", "abc/", TokenCode::kRaw, 5},
      {"the most letters", std::string(254, 'Z'), TokenCode::kLetters, 194},
      {"one letter more", std::string(255, 'Z'), TokenCode::kRaw, 257},
      {"a subscription", R"({"endpoint":"https://push.example/x"})", TokenCode::kRaw, 38},
      {"the longest", std::string(kTokenBytesMax, '{'), TokenCode::kRaw, kTokenBytesMax + 2},
      {"the longest in digits", hex(kTokenBytesMax), TokenCode::kHex, kTokenBytesMax / 2 + 2},
  };
  return all;
}

TEST(TokenCode, PacksEveryTokenIntoItsShortestCodeAndBack) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.what);
    std::string packed;
    const TokenCode code = pack_token(each.token, packed);
    EXPECT_EQ(code, each.code);
    EXPECT_EQ(packed.size(), each.bytes);
    std::string unpacked = "before ";
    const std::string with_tail = packed + "after";
    ByteReader reader(with_tail, "a test");
    unpack_token(code, reader, unpacked);
    EXPECT_EQ(unpacked, "before " + each.token);
    EXPECT_EQ(reader.left(), 5u);
    ByteReader skipping(with_tail, "a test");
    EXPECT_EQ(skip_token(code, skipping), packed);
    EXPECT_EQ(skipping.left(), 5u);
  }
}

TEST(TokenCode, GivesBackEveryLengthOfLetters) {
  for (std::size_t length = 1; length <= 254; ++length) {
    for (const bool colon : {false, true}) {
      std::string token(length, 'q');
      token.back() = '_';
      if (colon) token[length / 2] = ':';
      std::string packed, unpacked;
      const TokenCode code = pack_token(token, packed);
      ByteReader reader(packed, "a test");
      unpack_token(code, reader, unpacked);
      ASSERT_EQ(unpacked, token);
      ASSERT_TRUE(reader.done());
    }
  }
}

TEST(TokenCode, CallsEveryCutTokenCorrupt) {
  for (const Case& each : cases()) {
    std::string packed;
    const TokenCode code = pack_token(each.token, packed);
    const std::size_t step = packed.size() > 300 ? 97 : 1;
    for (std::size_t cut = 0; cut < packed.size(); cut += step) {
      const std::string part = packed.substr(0, cut);
      std::string unpacked;
      ByteReader reader(part, "a test"), skipping(part, "a test");
      EXPECT_THROW(unpack_token(code, reader, unpacked), StoreFailure)
          << each.what << " at " << cut;
      EXPECT_THROW(skip_token(code, skipping), StoreFailure) << each.what << " at " << cut;
    }
  }
}

TEST(Varint, KeepsEveryNumberAndRefusesWhatDoesNotFit) {
  for (int bits = 0; bits <= 64; ++bits) {
    for (const std::uint64_t off : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      const std::uint64_t value = (bits == 64 ? 0 : std::uint64_t{1} << bits) + off;
      std::string bytes;
      append_varint(bytes, value);
      EXPECT_EQ(bytes.size(), varint_bytes(value));
      EXPECT_LE(bytes.size(), kVarintBytesMax);
      ByteReader reader(bytes, "a test");
      EXPECT_EQ(reader.varint(), value);
      EXPECT_TRUE(reader.done());
    }
  }
  for (const std::string& bad : {std::string(), std::string("\x80"), std::string(11, '\x80'),
                                 std::string(9, '\xff') + "\x02"}) {
    ByteReader reader(bad, "a test");
    EXPECT_THROW(reader.varint(), StoreFailure);
  }
}

}  // namespace
}  // namespace carillon::store::sqlite::token_code_test
