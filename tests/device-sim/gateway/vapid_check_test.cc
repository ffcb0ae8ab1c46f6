#include "device-sim/gateway/vapid_check.h"

#include <gtest/gtest.h>

#include "tests/device-sim/test_keys.h"
#include "tests/device-sim/test_push_sender.h"

namespace device_sim::vapid_check_test {
namespace {

using nlohmann::json;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr const char* kOrigin = "https://localhost:8446";

class VapidCheckTest : public ::testing::Test {
 protected:
  using Verdict = VapidVerdict;

  static PublicKey key() { return apns_test_key().public_key(PublicKey::Kind::kEcP256); }
  static std::string k() { return base64url_encode(key().point()); }
  static json claims() {
    return {{"aud", kOrigin}, {"exp", kNow + 3'600}, {"sub", "mailto:push@example.com"}};
  }
  static std::string jwt(const json& claims, const json& header = {{"alg", "ES256"}},
                         SignatureForm form = SignatureForm::kRaw) {
    return make_es256_jwt(apns_test_key(), header, claims, form);
  }
  Verdict verdict(const std::string& authorization, std::int64_t now_s = kNow) {
    return tokens_.check(authorization, kOrigin, now_s);
  }
  Verdict verdict_of(const json& claims) {
    return verdict("vapid t=" + jwt(claims) + ", k=" + k());
  }

  VapidTokens tokens_{key()};
};

TEST_F(VapidCheckTest, TakesBothParametersInAnyOrderAndTheSchemeInAnyCase) {
  const std::string t = jwt(claims());
  EXPECT_EQ(verdict("vapid t=" + t + ", k=" + k()), Verdict::kValid);
  EXPECT_EQ(verdict("vapid t=" + t + ",k=" + k()), Verdict::kValid);
  EXPECT_EQ(verdict("Vapid k=" + k() + ", t=" + t), Verdict::kValid);
  EXPECT_EQ(verdict(vapid_authorization(kOrigin, kNow)), Verdict::kValid);
}

TEST_F(VapidCheckTest, SaysWhatIsMissingOrMadeWithAnotherKey) {
  EXPECT_EQ(verdict(""), Verdict::kMissing);
  EXPECT_EQ(verdict("vapid t=" + jwt(claims())), Verdict::kInvalid);
  EXPECT_EQ(verdict("vapid k=" + k()), Verdict::kInvalid);
  EXPECT_EQ(verdict("bearer " + jwt(claims())), Verdict::kInvalid);
  const std::string other =
      base64url_encode(TestKey::ec_p256().public_key(PublicKey::Kind::kEcP256).point());
  EXPECT_EQ(verdict("vapid t=" + jwt(claims()) + ", k=" + other), Verdict::kOtherKey);
}

TEST_F(VapidCheckTest, BelievesOnlyWhatTheKeyHasSigned) {
  const std::string forged = make_es256_jwt(TestKey::ec_p256(), {{"alg", "ES256"}}, claims());
  EXPECT_EQ(verdict("vapid t=" + forged + ", k=" + k()), Verdict::kInvalid);
  const std::string der = jwt(claims(), {{"alg", "ES256"}}, SignatureForm::kDer);
  EXPECT_EQ(verdict("vapid t=" + der + ", k=" + k()), Verdict::kInvalid) << "JOSE wants R and S";
  EXPECT_EQ(verdict("vapid t=" + jwt(claims(), {{"alg", "none"}}) + ", k=" + k()),
            Verdict::kInvalid);
  EXPECT_EQ(verdict("vapid t=a.b.c, k=" + k()), Verdict::kInvalid);
}

TEST_F(VapidCheckTest, WantsTheServicesOwnOriginAsAudience) {
  json other = claims();
  for (const char* audience : {"https://localhost", "https://localhost:8446/", "localhost:8446"}) {
    other["aud"] = audience;
    EXPECT_EQ(verdict_of(other), Verdict::kInvalid) << audience;
  }
  other.erase("aud");
  EXPECT_EQ(verdict_of(other), Verdict::kInvalid);
}

TEST_F(VapidCheckTest, WantsAContact) {
  json other = claims();
  other["sub"] = "https://example.com/contact";
  EXPECT_EQ(verdict_of(other), Verdict::kValid);
  other["sub"] = "push@example.com";
  EXPECT_EQ(verdict_of(other), Verdict::kInvalid);
  other.erase("sub");
  EXPECT_EQ(verdict_of(other), Verdict::kInvalid);
}

TEST_F(VapidCheckTest, LetsATokenLiveForADayAtMost) {
  json late = claims();
  late["exp"] = kNow + kVapidAheadSecondsMax;
  EXPECT_EQ(verdict_of(late), Verdict::kValid);
  late["exp"] = kNow + kVapidAheadSecondsMax + 1;
  EXPECT_EQ(verdict_of(late), Verdict::kInvalid);
  const std::string token = vapid_authorization(kOrigin, kNow);
  EXPECT_EQ(verdict(token, kNow + 3'599), Verdict::kValid);
  EXPECT_EQ(verdict(token, kNow + 3'600), Verdict::kInvalid) << "also when it is known";
  late.erase("exp");
  EXPECT_EQ(verdict_of(late), Verdict::kInvalid);
}

TEST_F(VapidCheckTest, HasNoKeyUntilItIsGivenOne) {
  VapidTokens none{PublicKey()};
  EXPECT_EQ(none.check(vapid_authorization(kOrigin, kNow), kOrigin, kNow), Verdict::kOtherKey);
}

}  // namespace
}  // namespace device_sim::vapid_check_test
