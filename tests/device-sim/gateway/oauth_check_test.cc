#include "device-sim/gateway/oauth_check.h"

#include <gtest/gtest.h>

#include "tests/device-sim/test_keys.h"

namespace device_sim::oauth_check_test {
namespace {

using nlohmann::json;
constexpr std::int64_t kNow = 1'800'000'000;
constexpr const char* kGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";

class OauthCheck : public ::testing::Test {
 protected:
  static json claims() {
    return {{"iss", kTestEmail},
            {"scope", "https://www.googleapis.com/auth/firebase.messaging"},
            {"aud", kTestTokenUri},
            {"iat", kNow},
            {"exp", kNow + 3'600}};
  }
  std::string error_of(const json& claims, std::int64_t now_s = kNow,
                       const json& header = {{"alg", "RS256"}}) const {
    return error_of_form("grant_type=" + form_encode(kGrant) +
                             "&assertion=" + make_rs256_jwt(fcm_test_key(), header, claims),
                         now_s);
  }
  std::string error_of_form(const std::string& form, std::int64_t now_s = kNow) const {
    const OauthVerdict verdict = check_token_request(form, account_, now_s);
    EXPECT_EQ(verdict.status == 200, verdict.error.empty());
    return std::string(verdict.error);
  }
  static json changed(const char* claim, const json& value) {
    json all = claims();
    all[claim] = value;
    return all;
  }

  ServiceAccount account_{.client_email = kTestEmail,
                          .token_uri = kTestTokenUri,
                          .public_key = fcm_test_key().public_key(PublicKey::Kind::kRsa)};
};

TEST_F(OauthCheck, TakesAnAssertionOfTheServiceAccount) {
  EXPECT_EQ(error_of(claims()), "");
  EXPECT_EQ(error_of(changed("scope", "openid https://www.googleapis.com/auth/cloud-platform")),
            "");
}

TEST_F(OauthCheck, RefusesInTheWordsOfRfc6749) {
  EXPECT_EQ(error_of_form(""), "invalid_request");
  EXPECT_EQ(error_of_form("grant_type=password"), "unsupported_grant_type");
  EXPECT_EQ(error_of_form("grant_type=" + form_encode(kGrant)), "invalid_request");
  EXPECT_EQ(error_of_form("grant_type=" + form_encode(kGrant) + "&assertion=x"), "invalid_grant");
  EXPECT_EQ(error_of(claims(), kNow, {{"alg", "none"}}), "invalid_grant");
  EXPECT_EQ(error_of(changed("iss", "other@example.com")), "invalid_grant");
  EXPECT_EQ(error_of(changed("aud", "https://oauth2.googleapis.com/token")), "invalid_grant");
  EXPECT_EQ(error_of(changed("scope", "https://www.googleapis.com/auth/firebase")),
            "invalid_scope");
  const std::string forged = make_rs256_jwt(TestKey::rsa(), {{"alg", "RS256"}}, claims());
  EXPECT_EQ(error_of_form("grant_type=" + form_encode(kGrant) + "&assertion=" + forged),
            "invalid_grant");
}

TEST_F(OauthCheck, HoldsIatAndExpToAnHourAndAMinute) {
  EXPECT_EQ(error_of(claims(), kNow - 60), "");
  EXPECT_EQ(error_of(claims(), kNow - 61), "invalid_grant");
  EXPECT_EQ(error_of(claims(), kNow + 3'660), "");
  EXPECT_EQ(error_of(claims(), kNow + 3'661), "invalid_grant");
  EXPECT_EQ(error_of(changed("exp", kNow + 3'601)), "invalid_grant");
  EXPECT_EQ(error_of(changed("exp", kNow)), "invalid_grant");
  EXPECT_EQ(error_of(changed("exp", "later")), "invalid_grant");
}

TEST(FormValue, IsDecoded) {
  EXPECT_EQ(form_value("a=1&b=x%3Ay+z&c", "b"), "x:y z");
  EXPECT_EQ(form_value("a=1&b=%zz%4", "b"), "%zz%4");
  EXPECT_EQ(form_value("a=1", "c"), "");
}

}  // namespace
}  // namespace device_sim::oauth_check_test
