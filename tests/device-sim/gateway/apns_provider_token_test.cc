#include "device-sim/gateway/apns_provider_token.h"

#include <gtest/gtest.h>

#include "tests/device-sim/test_keys.h"

namespace device_sim {
namespace {

constexpr std::int64_t kIssued = 1'800'000'000;

class ApnsProviderTokenTest : public ::testing::Test {
 protected:
  using Verdict = ProviderTokenVerdict;

  static std::string token(const nlohmann::json& header, const nlohmann::json& claims) {
    return "bearer " + make_es256_jwt(apns_test_key(), header, claims);
  }

  ApnsProviderTokens tokens_{
      {{kTestKeyId, kTestTeamId, apns_test_key().public_key(PublicKey::Kind::kEcP256)}}};
};

TEST_F(ApnsProviderTokenTest, IsValidForExactlyOneHour) {
  const std::string token = apns_authorization(kIssued);
  EXPECT_EQ(tokens_.check(token, kIssued), Verdict::kValid);
  EXPECT_EQ(tokens_.check(token, kIssued + 3'600), Verdict::kValid);
  EXPECT_EQ(tokens_.check(token, kIssued + 3'601), Verdict::kExpired) << "also when it is known";
}

TEST_F(ApnsProviderTokenTest, MayRunAheadOfTheClockByAMinute) {
  const std::string token = apns_authorization(kIssued);
  EXPECT_EQ(tokens_.check(token, kIssued - 60), Verdict::kValid);
  EXPECT_EQ(tokens_.check(token, kIssued - 61), Verdict::kInvalid);
}

TEST_F(ApnsProviderTokenTest, TakesTheSchemeInAnyCaseAndBothSignatureForms) {
  const nlohmann::json header{{"alg", "ES256"}, {"kid", kTestKeyId}};
  const nlohmann::json claims{{"iss", kTestTeamId}, {"iat", kIssued}};
  const std::string der = make_es256_jwt(apns_test_key(), header, claims, SignatureForm::kDer);
  EXPECT_EQ(tokens_.check("BEARER " + der, kIssued), Verdict::kValid);
}

TEST_F(ApnsProviderTokenTest, SaysWhenThereIsNone) {
  EXPECT_EQ(tokens_.check("", kIssued), Verdict::kMissing);
}

TEST_F(ApnsProviderTokenTest, RefusesEveryOtherToken) {
  const nlohmann::json good_header{{"alg", "ES256"}, {"kid", kTestKeyId}};
  const nlohmann::json good_claims{{"iss", kTestTeamId}, {"iat", kIssued}};
  ASSERT_EQ(tokens_.check(token(good_header, good_claims), kIssued), Verdict::kValid);
  const std::string stranger =
      "bearer " + make_es256_jwt(TestKey::ec_p256(), good_header, good_claims);
  for (const std::string& text : {std::string("bearer"), std::string("bearer "),
                                  std::string("bearer x.y.z"), std::string("basic abc"), stranger,
                                  token({{"alg", "HS256"}, {"kid", kTestKeyId}}, good_claims),
                                  token({{"alg", "ES256"}, {"kid", "OTHER12345"}}, good_claims),
                                  token({{"alg", "ES256"}}, good_claims),
                                  token(good_header, {{"iss", "OTHER12345"}, {"iat", kIssued}}),
                                  token(good_header, {{"iss", kTestTeamId}}),
                                  token(good_header, {{"iss", kTestTeamId}, {"iat", "now"}})}) {
    EXPECT_EQ(tokens_.check(text, kIssued), Verdict::kInvalid) << text;
  }
}

TEST_F(ApnsProviderTokenTest, RemembersMoreTokensThanItHasRoomFor) {
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t i = 0; i < 20; ++i) {
      EXPECT_EQ(tokens_.check(apns_authorization(kIssued + i), kIssued + i), Verdict::kValid);
    }
  }
}

}  // namespace
}  // namespace device_sim
