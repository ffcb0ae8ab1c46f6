#include "providers/webpush/message_cipher.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "providers/auth/base64url.h"

namespace carillon::push::message_cipher_test {
namespace {

template <std::size_t kBytes>
std::array<std::uint8_t, kBytes> bytes(std::string_view text) {
  std::array<std::uint8_t, kBytes> out{};
  EXPECT_TRUE(auth::decode_base64url(text, out)) << text;
  return out;
}

// RFC 8291, 5 and appendix A.
const SubscriptionKeys kBrowser{
    .p256dh = bytes<65>("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZ"
                        "GH6SRpkNtoIAiw4"),
    .auth = bytes<16>("BTBZMqHH6r4Tts7J_aSIgg")};
constexpr std::string_view kWatermelon = "When I grow up, I want to be a watermelon";

std::string sealed(MessageCipher& cipher, std::string_view plaintext) {
  std::string body;
  EXPECT_TRUE(cipher.seal(kBrowser, plaintext, body));
  return body;
}

// Of this thread, in microseconds.
double cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

TEST(MessageCipher, WritesTheMessageOfRfc8291ByteForByte) {
  const MessageSecrets secrets{
      .private_key = bytes<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
      .salt = bytes<16>("DGv6ra1nlYgDCS1FRnbzlw")};
  MessageCipher cipher;
  std::string body = "before ";
  ASSERT_TRUE(cipher.seal(kBrowser, kWatermelon, secrets, body));
  EXPECT_EQ(auth::base64url(std::string_view(body).substr(7)),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocIn"
            "mYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNW"
            "QexSgSxsj_Qulcy4a-fN");
}

TEST(MessageCipher, WritesTheRecordOfRfc8188ByteForByte) {
  MessageCipher cipher;
  std::string body;
  cipher.seal_record(bytes<16>("yqdlZ-tYemfogSmv7Ws5PQ"), bytes<16>("I1BsxtFttlv3u_Oo94xnmw"), {},
                     "I am the walrus", body);
  EXPECT_EQ(auth::base64url(body),
            "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg");
}

TEST(MessageCipher, FillsABodyOf4096BytesWith3993) {
  MessageCipher cipher;
  EXPECT_EQ(sealed(cipher, std::string(kWebPushPlaintextBytesMax, 'x')).size(),
            kWebPushBodyBytesMax);
  EXPECT_EQ(sealed(cipher, "").size(), kSealBytes);
}

TEST(MessageCipher, TakesANewKeyAndSaltForEachMessage) {
  MessageCipher cipher;
  const std::string first = sealed(cipher, kWatermelon);
  const std::string second = sealed(cipher, kWatermelon);
  EXPECT_NE(first.substr(0, 16), second.substr(0, 16)) << "the salt";
  EXPECT_NE(first.substr(21, 65), second.substr(21, 65)) << "the sender's key";
}

TEST(MessageCipher, RefusesAKeyThatIsNoPointOfTheCurveAndGoesOnAfter) {
  MessageCipher cipher;
  std::string body = "before";
  SubscriptionKeys wrong = kBrowser;
  wrong.p256dh.back() ^= 1;
  EXPECT_FALSE(cipher.seal(wrong, kWatermelon, body));
  wrong = kBrowser;
  wrong.p256dh.front() = 0x02;
  EXPECT_FALSE(cipher.seal(wrong, kWatermelon, body));
  EXPECT_FALSE(cipher.seal({}, kWatermelon, body));
  EXPECT_EQ(body, "before");
  EXPECT_TRUE(cipher.seal(kBrowser, kWatermelon, body));
}

// A figure for the log, no judgement: a busy machine is not a slow cipher. CARILLON_BENCH=1 asks
// for enough messages to believe it.
TEST(MessageCipher, TellsHowLongAMessageTakes) {
  const int count = std::getenv("CARILLON_BENCH") != nullptr ? 20'000 : 200;
  MessageCipher cipher;
  std::string body;
  const std::string plaintext(300, 'x');
  const double start = cpu_us();
  for (int i = 0; i < count; ++i) {
    body.clear();
    ASSERT_TRUE(cipher.seal(kBrowser, plaintext, body));
  }
  std::printf("%d messages of %zu bytes: %.1f us of CPU each\n", count, plaintext.size(),
              (cpu_us() - start) / count);
  EXPECT_EQ(body.size(), plaintext.size() + kSealBytes);
}

}  // namespace
}  // namespace carillon::push::message_cipher_test
