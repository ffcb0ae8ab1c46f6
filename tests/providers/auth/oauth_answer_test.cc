#include "providers/auth/oauth_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::push::auth::oauth_answer_test {
namespace {

using namespace std::chrono_literals;

std::chrono::seconds life_told(const std::string& expires_in) {
  return read_oauth_answer(200, R"({"access_token":"ya29.x","expires_in":)" + expires_in + "}")
      .life;
}

TEST(OauthAnswer, HasTheTokenAndHowLongItLives) {
  const auto answer = read_oauth_answer(
      200, R"({"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"})");
  EXPECT_EQ(answer.token, "ya29.x");
  EXPECT_EQ(answer.life, 3599s);
  EXPECT_EQ(answer.error, "");
}

TEST(OauthAnswer, LivesAMinuteToAnHourWhateverIsTold) {
  EXPECT_EQ(life_told("59"), 60s);
  EXPECT_EQ(life_told("60"), 60s);
  EXPECT_EQ(life_told("3600"), 3600s);
  EXPECT_EQ(life_told("3601"), 3600s);
  EXPECT_EQ(life_told("0"), 60s) << "it would be fetched for each request";
  EXPECT_EQ(life_told("4294967296"), 3600s) << "2^32";
  EXPECT_EQ(life_told("18446744073709551615"), 3600s);
  for (const char* no_time : {"-1", "1e3", "\"3599\"", "null", "[]"}) {
    EXPECT_EQ(life_told(no_time), 3600s) << no_time;
  }
  EXPECT_EQ(read_oauth_answer(200, R"({"access_token":"x"})").life, 3600s);
}

TEST(OauthAnswer, HasNoTokenThatWouldBreakOutOfAHeader) {
  for (const char* body :
       {R"({"access_token":"a\r\nb"})", R"({"access_token":"a b"})", R"({"access_token":""})",
        R"({"access_token":7})", R"({"access_token":"ä"})", "[]", "<html>", ""}) {
    const auto answer = read_oauth_answer(200, body);
    EXPECT_EQ(answer.token, "") << body;
    EXPECT_EQ(answer.error, "the answer has no usable access_token") << body;
    EXPECT_FALSE(answer.refused) << body;
  }
}

TEST(OauthAnswer, IsARefusalOnlyInAWordOfRfc6749) {
  const auto refused =
      read_oauth_answer(400, R"({"error":"invalid_grant","error_description":"Invalid JWT\n"})");
  EXPECT_TRUE(refused.refused);
  EXPECT_EQ(refused.error, "the token request was answered 400 invalid_grant (Invalid JWT?)");
  EXPECT_TRUE(read_oauth_answer(401, R"({"error":"invalid_client"})").refused);
  EXPECT_FALSE(read_oauth_answer(400, "<html>").refused);
  EXPECT_FALSE(read_oauth_answer(503, R"({"error":"unavailable"})").refused);
  EXPECT_EQ(read_oauth_answer(502, "<html>").error, "the token request was answered 502");
}

}  // namespace
}  // namespace carillon::push::auth::oauth_answer_test
