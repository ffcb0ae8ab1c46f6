#include "device-sim/gateway/jwt.h"

#include <gtest/gtest.h>

#include "tests/device-sim/test_keys.h"
#include "tests/rfc7515.h"

namespace device_sim {
namespace {

TEST(Base64Url, AgreesWithRfc4648) {
  const std::pair<const char*, const char*> kPairs[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [plain, encoded] : kPairs) {
    EXPECT_EQ(base64url_encode(plain), encoded);
    EXPECT_EQ(base64url_decode(encoded), plain);
  }
}

TEST(Base64Url, RefusesPaddingOtherAlphabetsAndImpossibleLengths) {
  for (const char* text : {"Zg==", "+/8", "Z", "Zm9vY", "Zm 9v", "Zm\n9"}) {
    EXPECT_FALSE(base64url_decode(text)) << text;
  }
}

TEST(Jwt, IsTakenApart) {
  const auto jwt = parse_jwt(base64url_encode(R"({"alg":"none"})") + "." +
                             base64url_encode(R"({"iat":12.9,"iss":"me","n":5})") + ".");
  ASSERT_TRUE(jwt);
  EXPECT_EQ(text_member(jwt->header, "alg"), "none");
  EXPECT_EQ(text_member(jwt->claims, "n"), "");
  EXPECT_EQ(seconds_member(jwt->claims, "iat"), 12);
  EXPECT_FALSE(seconds_member(jwt->claims, "iss"));
  EXPECT_FALSE(seconds_member(jwt->claims, "exp"));
}

TEST(Jwt, IsRefusedWhenItsFormIsWrong) {
  const std::string object = base64url_encode("{}");
  const std::string list = base64url_encode("[]");
  for (const std::string& text :
       {std::string(), std::string("a"), object + "." + object, list + "." + object + ".",
        object + "." + list + ".", object + "." + object + ".!", "e." + object + "."}) {
    EXPECT_FALSE(parse_jwt(text)) << text;
  }
}

TEST(PublicKey, VerifiesTheSignaturesOfRfc7515) {
  const auto es256 = PublicKey::from_pem(rfc7515::kEs256PublicPem, PublicKey::Kind::kEcP256);
  const auto rs256 = PublicKey::from_pem(rfc7515::kRs256PublicPem, PublicKey::Kind::kRsa);
  ASSERT_TRUE(es256 && rs256);
  const auto es256_signature = base64url_decode(rfc7515::kEs256Signature);
  const auto rs256_signature = base64url_decode(rfc7515::kRs256Signature);
  ASSERT_TRUE(es256_signature && rs256_signature);
  EXPECT_TRUE(es256->verifies(rfc7515::kEs256Signed, *es256_signature));
  EXPECT_TRUE(rs256->verifies(rfc7515::kRs256Signed, *rs256_signature));
  EXPECT_FALSE(es256->verifies(rfc7515::kRs256Signed, *es256_signature));
  EXPECT_FALSE(rs256->verifies(rfc7515::kEs256Signed, *rs256_signature));
}

TEST(PublicKey, VerifiesEs256InBothFormsAndNothingElse) {
  const TestKey& key = apns_test_key();
  const PublicKey verifier = key.public_key(PublicKey::Kind::kEcP256);
  for (const SignatureForm form : {SignatureForm::kRaw, SignatureForm::kDer}) {
    const std::string text = make_es256_jwt(key, {{"alg", "ES256"}}, {{"iat", 1}}, form);
    const auto jwt = parse_jwt(text);
    ASSERT_TRUE(jwt);
    EXPECT_TRUE(verifier.verifies(jwt->signed_part, jwt->signature));
    EXPECT_FALSE(verifier.verifies(std::string(jwt->signed_part) + "x", jwt->signature));
    std::string forged = jwt->signature;
    forged.back() = static_cast<char>(forged.back() ^ 1);
    EXPECT_FALSE(verifier.verifies(jwt->signed_part, forged));
  }
  EXPECT_FALSE(verifier.verifies("text", ""));
  EXPECT_FALSE(verifier.verifies("text", std::string(64, '\0')));
  EXPECT_FALSE(PublicKey().verifies("text", key.sign("text")));
}

TEST(PublicKey, VerifiesRs256) {
  const PublicKey verifier = fcm_test_key().public_key(PublicKey::Kind::kRsa);
  EXPECT_TRUE(verifier.verifies("text", fcm_test_key().sign("text")));
  EXPECT_FALSE(verifier.verifies("other", fcm_test_key().sign("text")));
}

TEST(PublicKey, IsRefusedWhenItIsNotOfItsKind) {
  using Kind = PublicKey::Kind;
  EXPECT_FALSE(PublicKey::from_pem("no key", Kind::kRsa));
  EXPECT_FALSE(PublicKey::from_pem(apns_test_key().private_pem(), Kind::kEcP256));
  EXPECT_FALSE(PublicKey::from_pem(apns_test_key().public_pem(), Kind::kRsa));
  EXPECT_FALSE(PublicKey::from_pem(fcm_test_key().public_pem(), Kind::kEcP256));
  EXPECT_FALSE(PublicKey::from_pem(TestKey::ec_p384().public_pem(), Kind::kEcP256));
}

}  // namespace
}  // namespace device_sim
