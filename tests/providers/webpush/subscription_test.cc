#include "providers/webpush/subscription.h"

#include <gtest/gtest.h>

namespace carillon::push::subscription_test {
namespace {

constexpr std::string_view kKey =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
constexpr std::string_view kSecret = "BTBZMqHH6r4Tts7J_aSIgg";

const OriginList& origins() {
  static const OriginList list = OriginList::parse({"push.test", "push.test:8443"}).value();
  return list;
}

std::string written(std::string_view endpoint, std::string_view p256dh = kKey,
                    std::string_view auth = kSecret) {
  const auto token = write_subscription({endpoint, p256dh, auth}, origins());
  return token ? *token : token.error().pointer + " " + token.error().message;
}

std::string token_of(std::string_view endpoint) {
  return std::string(endpoint) + " " + std::string(kKey) + " " + std::string(kSecret);
}

TEST(Subscription, IsWrittenTheSameWayWhateverWayItWasSaid) {
  const std::string token = token_of("https://push.test/send/aB-1?x=%20");
  EXPECT_EQ(written("https://push.test/send/aB-1?x=%20"), token);
  EXPECT_EQ(written("https://PUSH.test:443/send/aB-1?x=%20", std::string(kKey) + "=",
                    std::string(kSecret) + "=="),
            token);
  EXPECT_EQ(written("https://push.test:8443"), token_of("https://push.test:8443/"));
}

TEST(Subscription, IsReadBackInItsParts) {
  const std::string token = written("https://push.test:8443/send/aB-1");
  const auto subscription = read_subscription(token);
  ASSERT_TRUE(subscription.has_value());
  EXPECT_EQ(subscription->origin, "https://push.test:8443");
  EXPECT_EQ(subscription->path, "/send/aB-1");
  EXPECT_EQ(subscription->keys.p256dh[0], 0x04);
  EXPECT_EQ(subscription->keys.p256dh[64], 0x0e);
  EXPECT_EQ(subscription->keys.auth[0], 0x05);
  EXPECT_EQ(subscription->keys.auth[15], 0x82);
  const auto texts = split_subscription(token);
  ASSERT_TRUE(texts.has_value());
  EXPECT_EQ(texts->endpoint, "https://push.test:8443/send/aB-1");
  EXPECT_EQ(texts->p256dh, kKey);
  EXPECT_EQ(texts->auth, kSecret);
}

TEST(Subscription, NamesTheFieldThatIsWrong) {
  const std::string endpoint = "https://push.test/x";
  EXPECT_EQ(written("http://push.test/x"), "/endpoint must begin with https://");
  EXPECT_EQ(written("https://other.test/x"),
            "/endpoint must be of a push service that this relay sends to: push.test, "
            "push.test:8443");
  EXPECT_EQ(written("https://push.test:444/x"), written("https://other.test/x"));
  EXPECT_EQ(written("https://push.test@other.test/x"),
            "/endpoint has a character in its host that a host name cannot have");
  EXPECT_EQ(written("https://push.test/a b"),
            "/endpoint has a character in its path that a URL cannot have");
  EXPECT_EQ(written("https://push.test/a\r\nb"), written("https://push.test/a b"));
  const std::string no_key =
      "/keys/p256dh must be a point of the curve P-256: base64url of 65 bytes";
  EXPECT_EQ(written(endpoint, ""), no_key);
  EXPECT_EQ(written(endpoint, kKey.substr(1)), no_key);
  std::string off_the_curve(kKey);
  off_the_curve[10] = off_the_curve[10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(written(endpoint, off_the_curve), no_key);
  const std::string no_secret = "/keys/auth must be base64url of 16 bytes";
  EXPECT_EQ(written(endpoint, kKey, ""), no_secret);
  EXPECT_EQ(written(endpoint, kKey, std::string(kSecret) + "AA"), no_secret);
}

TEST(Subscription, HasAnEndpointOfAtMost2048Bytes) {
  std::string endpoint = "https://push.test/";
  endpoint.resize(kEndpointBytesMax, 'x');
  EXPECT_EQ(written(endpoint), token_of(endpoint));
  EXPECT_EQ(written(endpoint + "x"), "/endpoint must be at most 2048 bytes long");
}

TEST(Subscription, IsNothingIfTheTokenWasNotWrittenHere) {
  const std::string keys = " " + std::string(kKey) + " " + std::string(kSecret);
  for (const std::string& token :
       {std::string(), std::string("abc"), std::string("https://push.test/x"),
        "http://push.test/x" + keys, "https://push.test" + keys, "https:///x" + keys,
        "https://push.test/x\r\ny" + keys, "https://push.test/x" + keys + " more",
        "https://push.test/x " + std::string(kKey) + " short",
        "https://push.test/x short " + std::string(kSecret)}) {
    EXPECT_FALSE(read_subscription(token).has_value()) << token;
  }
}

}  // namespace
}  // namespace carillon::push::subscription_test
