#include "device-sim/gateway/message_opener.h"

#include <gtest/gtest.h>

#include "device-sim/gateway/jwt.h"
#include "tests/device-sim/test_push_sender.h"

namespace device_sim::message_opener_test {
namespace {

constexpr const char* kWatermelon = "When I grow up, I want to be a watermelon";

class MessageOpenerTest : public ::testing::Test {
 protected:
  static std::string decoded(const char* text) { return base64url_decode(text).value(); }

  std::optional<std::string> opened(const std::string& body, std::uint64_t number = 1) {
    return opener_.open(population_.browser_keys(), number, body);
  }
  std::string sealed(std::string_view text) { return seal_push_for(population_, 1, text); }

  Population population_{5, Mix::parse("webpush:1").value(), 10};
  MessageOpener opener_;
};

TEST_F(MessageOpenerTest, ReadsTheRecordsOfRfc8188) {
  EXPECT_EQ(opener_.open_records(
                decoded("yqdlZ-tYemfogSmv7Ws5PQ"),
                decoded("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg")),
            "I am the walrus");
  EXPECT_EQ(
      opener_.open_records(decoded("BO3ZVPxUlnLORbVGMpbT1Q"),
                           decoded("uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJF"
                                   "jEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA")),
      "I am the walrus")
      << "two records, and a key id of two bytes";
}

TEST_F(MessageOpenerTest, ReadsTheMessageOfRfc8291) {
  const std::string body = decoded(
      "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocIn"
      "mYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNW"
      "QexSgSxsj_Qulcy4a-fN");
  const std::string ikm = opener_.key_material(
      decoded("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"), decoded("BTBZMqHH6r4Tts7J_aSIgg"),
      decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIA"
              "iw4"),
      body.substr(21, 65));
  EXPECT_EQ(ikm, decoded("S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"));
  EXPECT_EQ(opener_.open_records(ikm, body), kWatermelon);
}

TEST_F(MessageOpenerTest, ReadsWhatWasSealedForItsDeviceAndNoOther) {
  const std::string body = sealed(kWatermelon);
  EXPECT_EQ(opened(body), kWatermelon);
  EXPECT_FALSE(opened(body, 2));
  EXPECT_EQ(opened(body), kWatermelon) << "after one that failed";
  EXPECT_EQ(opened(sealed("")), "");
  EXPECT_EQ(opened(sealed(std::string("a\0\2b", 4))), std::string("a\0\2b", 4));
}

TEST_F(MessageOpenerTest, ReadsNothingIfAnyBitIsAnother) {
  const std::string body = sealed("x");
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (i >= 16 && i < 20) continue;  // the record size only has to be large enough
    std::string changed = body;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(opened(changed)) << "byte " << i;
  }
}

TEST_F(MessageOpenerTest, ReadsNothingThatIsCutOrHasASecondRecord) {
  const std::string body = sealed("bells");
  for (std::size_t length = 0; length < body.size(); ++length) {
    EXPECT_FALSE(opened(body.substr(0, length))) << length;
  }
  std::string small_record = body;
  small_record.replace(16, 4, std::string("\0\0\0\x13", 4));
  EXPECT_FALSE(opened(small_record)) << "22 bytes are more than one record of 19";
  small_record.replace(16, 4, std::string("\0\0\0\x16", 4));
  EXPECT_EQ(opened(small_record), "bells");
}

}  // namespace
}  // namespace device_sim::message_opener_test
