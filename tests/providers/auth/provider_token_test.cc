#include "providers/auth/provider_token.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/providers/test_credentials.h"

namespace carillon::push::auth {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::TestCredentials;

constexpr ProviderToken::Time kStart{1'800'000'000s};

class ProviderTokenTest : public testing::Test {
 protected:
  ProviderToken token{Es256Key::from_file(TestCredentials::shared().apns_key_file()).value(),
                      "KEY1234567", "TEAM123456"};
};

test::Jwt jwt_of(const std::string& header) {
  return test::split_jwt(header.substr(7));
}

TEST_F(ProviderTokenTest, SaysWhatAppleWantsAndIsSigned) {
  const auto header = token.header(kStart);
  ASSERT_TRUE(header->starts_with("bearer "));
  const auto jwt = jwt_of(*header);
  EXPECT_EQ(json::parse(jwt.header), json::parse(R"({"alg":"ES256","kid":"KEY1234567"})"));
  EXPECT_EQ(json::parse(jwt.claims), json::parse(R"({"iss":"TEAM123456","iat":1800000000})"));
  EXPECT_TRUE(test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), jwt.signed_text,
                                     jwt.signature));
}

TEST_F(ProviderTokenTest, IsTheSameForFiftyMinutesAfterItsFirstUse) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.header(kStart + 50min - 1s), first);
  const auto second = token.header(kStart + 50min);
  EXPECT_NE(second, first);
  EXPECT_EQ(json::parse(jwt_of(*second).claims)["iat"], 1'800'003'000);
}

TEST_F(ProviderTokenTest, IsMintedByTheFirstUseNotBefore) {
  EXPECT_EQ(json::parse(jwt_of(*token.header(kStart + 5h)).claims)["iat"], 1'800'018'000);
}

TEST_F(ProviderTokenTest, IsNotReplacedWithinTwentyMinutesWhateverAppleSays) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.on_expired(*first, kStart + 20min - 1s), ProviderToken::Refusal::kTooYoung);
  EXPECT_EQ(token.header(kStart + 20min - 1s), first);
  EXPECT_EQ(token.on_expired(*first, kStart + 20min), ProviderToken::Refusal::kRenewed);
  EXPECT_NE(token.header(kStart + 20min), first);
}

TEST_F(ProviderTokenTest, KnowsARefusalOfATokenThatIsNoLongerUsed) {
  const auto first = token.header(kStart);
  const auto second = token.header(kStart + 50min);
  EXPECT_EQ(token.on_expired(*first, kStart + 51min), ProviderToken::Refusal::kOutdated);
  EXPECT_EQ(token.header(kStart + 51min), second);
}

TEST_F(ProviderTokenTest, StaysWhenTheClockIsSetBackALittleAndGoesWhenItIsSetBackFar) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.header(kStart - 5min), first);
  EXPECT_NE(token.header(kStart - 50min), first);
}

TEST_F(ProviderTokenTest, IsGivenUpWhenItIsRefusedAndWasMadeByAClockThatWasSetBackSince) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.on_invalid(*first, kStart), ProviderToken::Refusal::kTooYoung);
  EXPECT_EQ(token.on_invalid(*first, kStart - 1min + 1s), ProviderToken::Refusal::kTooYoung);
  EXPECT_EQ(token.header(kStart - 1min), first);
  EXPECT_EQ(token.on_invalid(*first, kStart - 1min), ProviderToken::Refusal::kRenewed);
  const auto second = token.header(kStart - 1min);
  EXPECT_NE(second, first);
  EXPECT_EQ(json::parse(jwt_of(*second).claims)["iat"], 1'799'999'940);
  EXPECT_EQ(token.on_invalid(*first, kStart - 1min), ProviderToken::Refusal::kOutdated);
}

}  // namespace
}  // namespace carillon::push::auth
