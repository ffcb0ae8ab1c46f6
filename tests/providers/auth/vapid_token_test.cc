#include "providers/auth/vapid_token.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "providers/auth/base64url.h"
#include "tests/providers/test_credentials.h"

namespace carillon::push::auth::vapid_token_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::TestCredentials;

constexpr VapidToken::Time kStart{1'800'000'000s};

Es256Key key() {
  return Es256Key::from_file(TestCredentials::shared().apns_key_file()).value();
}

class VapidTokenTest : public testing::Test {
 protected:
  VapidToken token{key(), "https://push.example.com", "mailto:push@example.com"};
};

std::string jwt_text(const std::string& header) {
  return header.substr(8, header.find(',') - 8);
}

std::int64_t expiry(const std::string& header) {
  return json::parse(test::split_jwt(jwt_text(header)).claims)["exp"];
}

TEST_F(VapidTokenTest, SaysForWhomFromWhomAndUntilWhenAndIsSigned) {
  const auto header = token.header(kStart);
  ASSERT_TRUE(header->starts_with("vapid t="));
  EXPECT_TRUE(header->ends_with(", k=" + base64url(key().public_point())));
  const auto jwt = test::split_jwt(jwt_text(*header));
  EXPECT_EQ(json::parse(jwt.header), json::parse(R"({"alg":"ES256","typ":"JWT"})"));
  EXPECT_EQ(json::parse(jwt.claims),
            json::parse(R"({"aud":"https://push.example.com","exp":1800043200,
                            "sub":"mailto:push@example.com"})"));
  EXPECT_TRUE(test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), jwt.signed_text,
                                     jwt.signature));
}

TEST_F(VapidTokenTest, IsTheSameForSixHoursAfterItsFirstUse) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.header(kStart + 6h - 1s), first);
  const auto second = token.header(kStart + 6h);
  EXPECT_NE(second, first);
  EXPECT_EQ(expiry(*second), 1'800'000'000 + 18 * 3600);
}

TEST_F(VapidTokenTest, NeverEndsMoreThanADayAheadEvenIfTheClockIsSetBack) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.header(kStart - 12h + 1s), first);
  const auto second = token.header(kStart - 12h);
  EXPECT_NE(second, first);
  EXPECT_EQ(expiry(*second), 1'800'000'000);
}

TEST_F(VapidTokenTest, IsNotReplacedWithinAnHourWhateverTheServiceSays) {
  const auto first = token.header(kStart);
  EXPECT_EQ(token.on_refused(*first, kStart + 1h - 1s), VapidToken::Refusal::kTooYoung);
  EXPECT_EQ(token.header(kStart + 1h - 1s), first);
  EXPECT_EQ(token.on_refused(*first, kStart + 1h), VapidToken::Refusal::kRenewed);
  EXPECT_NE(token.header(kStart + 1h), first);
  EXPECT_EQ(token.on_refused(*first, kStart + 3h), VapidToken::Refusal::kOutdated);
}

TEST(VapidContact, IsAnAddressOrAPageOnAHostThatCanExist) {
  for (const char* good : {"mailto:push@example.com", "https://example.com",
                           "https://example.com:8443/contact?x=1", "mailto:a@b@c.example"}) {
    EXPECT_EQ(contact_fault(good), "") << good;
  }
  for (const char* bad :
       {"", "push@example.com", "http://example.com", "mailto:", "mailto:@example.com",
        "mailto:push", "mailto:push@localhost", "mailto:push@relay.invalid", "https://localhost",
        "https://", "https://a.localhost/", "mailto:push@.com", "mailto:push@example.com.",
        "mailto:pu sh@example.com", "mailto:p\"@example.com", "mailto:p\n@example.com"}) {
    EXPECT_NE(contact_fault(bad), "") << bad;
  }
}

}  // namespace
}  // namespace carillon::push::auth::vapid_token_test
