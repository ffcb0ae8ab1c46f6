#include "device-sim/gateway/access_token.h"

#include <gtest/gtest.h>

namespace device_sim {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

TEST(AccessToken, IsValidUntilItExpires) {
  AccessTokens tokens(random_access_token_key());
  const std::string token = tokens.issue(kNow);
  EXPECT_TRUE(token.starts_with("ya29."));
  EXPECT_EQ(tokens.check(token, kNow + 3'598), AccessTokenVerdict::kValid);
  EXPECT_EQ(tokens.check(token, kNow + 3'599), AccessTokenVerdict::kExpired);
}

TEST(AccessToken, IsTakenByWhoeverSharesTheKey) {
  const AccessTokenKey key = random_access_token_key();
  const std::string token = AccessTokens(key).issue(kNow);
  AccessTokens same(key);
  AccessTokens other(random_access_token_key());
  EXPECT_EQ(same.check(token, kNow), AccessTokenVerdict::kValid);
  EXPECT_EQ(other.check(token, kNow), AccessTokenVerdict::kInvalid);
}

TEST(AccessToken, IsInvalidWhenAnythingIsChanged) {
  AccessTokens tokens(random_access_token_key());
  const std::string token = tokens.issue(kNow);
  EXPECT_NE(token, tokens.issue(kNow)) << "two tokens are never alike";
  EXPECT_EQ(tokens.check("", kNow), AccessTokenVerdict::kInvalid);
  EXPECT_EQ(tokens.check("ya29.", kNow), AccessTokenVerdict::kInvalid);
  ASSERT_EQ(tokens.check(token, kNow), AccessTokenVerdict::kValid);
  // The last character has bits that encode nothing.
  for (std::size_t i = 0; i + 1 < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(tokens.check(forged, kNow), AccessTokenVerdict::kInvalid) << i;
  }
}

}  // namespace
}  // namespace device_sim
