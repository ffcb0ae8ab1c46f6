#include "providers/auth/token_shelf.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/providers/test_credentials.h"

namespace carillon::push::auth::token_shelf_test {
namespace {

using namespace std::chrono_literals;
using test::TestCredentials;

constexpr ProviderToken::Time kStart{1'800'000'000s};

Es256Key first_key() {
  return Es256Key::from_file(TestCredentials::shared().apns_key_file()).value();
}

class TokenShelfTest : public testing::Test {
 protected:
  std::string vapid_header(int origin, VapidToken::Time now) {
    return *shelf
                .vapid_token(first_key(), "https://" + std::to_string(origin) + ".example.com",
                             "mailto:push@example.com")
                ->header(now);
  }
  TokenShelf shelf;
};

TEST_F(TokenShelfTest, GivesOneProviderTokenToAllWhoHaveTheKeyItsIdAndTheTeam) {
  const auto one = shelf.provider_token(first_key(), "KEY1234567", "TEAM123456");
  const auto header = one->header(kStart);
  EXPECT_EQ(shelf.provider_token(first_key(), "KEY1234567", "TEAM123456"), one);
  EXPECT_NE(shelf.provider_token(first_key(), "KEY1234567", "TEAM999999"), one);
  EXPECT_NE(shelf.provider_token(first_key(), "KEY9999999", "TEAM123456"), one);
  EXPECT_EQ(shelf.provider_token(first_key(), "KEY1234567", "TEAM123456")->header(kStart + 49min),
            header);
}

TEST_F(TokenShelfTest, GivesNobodyATokenOfAnotherKeyForItsIdAlone) {
  const auto one = shelf.provider_token(first_key(), "KEY1234567", "TEAM123456");
  const auto other = Es256Key::from_file(TestCredentials::shared().localhost().key).value();
  EXPECT_NE(shelf.provider_token(other, "KEY1234567", "TEAM123456"), one);
}

TEST_F(TokenShelfTest, KeepsAVapidTokenThatNobodyUses) {
  const auto header = vapid_header(0, kStart);
  EXPECT_EQ(vapid_header(0, kStart + 59min), header);
  EXPECT_NE(vapid_header(1, kStart), header);
}

TEST_F(TokenShelfTest, ForgetsTheUnusedVapidTokenThatWasTakenLongestAgoBeyondItsLimit) {
  const auto used =
      shelf.vapid_token(first_key(), "https://used.example.com", "mailto:a@b.example");
  const auto used_header = *used->header(kStart);
  const auto first = vapid_header(0, kStart), second = vapid_header(1, kStart);
  for (int i = 2; i < static_cast<int>(TokenShelf::kUnusedMax); ++i) vapid_header(i, kStart);
  EXPECT_EQ(vapid_header(0, kStart), first) << "as many as it keeps; this one is the youngest now";
  vapid_header(static_cast<int>(TokenShelf::kUnusedMax), kStart);
  // The one that is taken is in use while it is looked for another.
  vapid_header(static_cast<int>(TokenShelf::kUnusedMax) + 1, kStart);
  EXPECT_EQ(vapid_header(0, kStart), first);
  EXPECT_NE(vapid_header(1, kStart), second) << "made anew: ECDSA signs no two times alike";
  EXPECT_EQ(*shelf.vapid_token(first_key(), "https://used.example.com", "mailto:a@b.example")
                 ->header(kStart),
            used_header);
}

}  // namespace
}  // namespace carillon::push::auth::token_shelf_test
