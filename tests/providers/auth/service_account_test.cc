#include "providers/auth/service_account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/providers/test_credentials.h"

namespace carillon::push::auth {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::TestCredentials;
using testing::HasSubstr;

json account_json() {
  return json::parse(TestCredentials::shared().service_account_json("https://oauth.test/token"));
}

TEST(ServiceAccount, AssertsWhoItIs) {
  const auto account = ServiceAccount::from_json(account_json().dump());
  ASSERT_TRUE(account.has_value());
  EXPECT_EQ(account->project(), "bell-tower");
  EXPECT_EQ(account->token_uri(), "https://oauth.test/token");
  const auto jwt =
      test::split_jwt(account->assertion("https://oauth.test/token", "scope-1",
                                         std::chrono::system_clock::time_point(1'800'000'000s)));
  EXPECT_EQ(json::parse(jwt.header), json::parse(R"({"alg":"RS256","typ":"JWT","kid":"key-1"})"));
  EXPECT_EQ(json::parse(jwt.claims), json::parse(R"({
    "iss": "relay@bell-tower.iam.gserviceaccount.com", "scope": "scope-1",
    "aud": "https://oauth.test/token", "iat": 1800000000, "exp": 1800003600})"));
  EXPECT_TRUE(test::verify_rs256(TestCredentials::shared().rsa_public_pem(), jwt.signed_text,
                                 jwt.signature));
}

TEST(ServiceAccount, HasGooglesTokenUriUnlessItNamesOne) {
  auto text = account_json();
  text.erase("token_uri");
  EXPECT_EQ(ServiceAccount::from_json(text.dump())->token_uri(),
            "https://oauth2.googleapis.com/token");
}

TEST(ServiceAccount, TellsWhatIsMissing) {
  const auto problem_without = [](const char* member) {
    auto text = account_json();
    text.erase(member);
    return ServiceAccount::from_json(text.dump()).error();
  };
  EXPECT_THAT(problem_without("type"), HasSubstr("is not a service account's key"));
  EXPECT_THAT(problem_without("client_email"), HasSubstr("client_email"));
  EXPECT_THAT(problem_without("private_key"), HasSubstr("private_key"));
  auto wrong_key = account_json();
  wrong_key["private_key"] = "hunter2";
  const auto problem = ServiceAccount::from_json(wrong_key.dump()).error();
  EXPECT_THAT(problem, HasSubstr("not an RSA key"));
  EXPECT_THAT(problem, testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(ServiceAccount::from_json("[]").error(), HasSubstr("is not a JSON object"));
}

}  // namespace
}  // namespace carillon::push::auth
