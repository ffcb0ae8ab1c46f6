#include "device-sim/population/token_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace device_sim {
namespace {

constexpr Platform kBoth[] = {Platform::kApns, Platform::kFcm};

TEST(TokenCodec, FindsTheDeviceOfEveryTokenItMade) {
  const TokenCodec codec(1);
  for (const Platform platform : kBoth) {
    for (const std::uint64_t number :
         {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{99'999'999},
          (std::uint64_t{1} << 40) + 5, ~std::uint64_t{0}}) {
      EXPECT_EQ(codec.number_of(platform, codec.token(platform, number)), number);
    }
  }
}

TEST(TokenCodec, MakesTokensThatLookLikeTheVendors) {
  const TokenCodec codec(1);
  const std::string apns = codec.token(Platform::kApns, 1);
  EXPECT_EQ(apns.size(), 64U);
  EXPECT_EQ(apns.find_first_not_of("0123456789abcdef"), std::string::npos);
  const std::string fcm = codec.token(Platform::kFcm, 1);
  EXPECT_EQ(fcm.size(), 143U);
  EXPECT_EQ(fcm.substr(22, 7), ":APA91b");
  std::string rest = fcm.substr(0, 22) + fcm.substr(29);
  EXPECT_TRUE(std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  }));
}

TEST(TokenCodec, MakesNeighboursUnlike) {
  const TokenCodec codec(1);
  std::set<std::string> starts;
  for (std::uint64_t number = 1; number <= 1'000; ++number) {
    starts.insert(codec.token(Platform::kApns, number).substr(0, 12));
    starts.insert(codec.token(Platform::kFcm, number).substr(0, 12));
  }
  EXPECT_EQ(starts.size(), 2'000U);
}

TEST(TokenCodec, DoesNotKnowATokenWithAnyCharacterChanged) {
  const TokenCodec codec(1);
  for (const Platform platform : kBoth) {
    const std::string token = codec.token(platform, 4'711);
    for (std::size_t i = 0; i < token.size(); ++i) {
      std::string forged = token;
      forged[i] = forged[i] == '0' ? '1' : '0';
      EXPECT_FALSE(codec.number_of(platform, forged)) << platform_name(platform) << " at " << i;
    }
  }
}

TEST(TokenCodec, DoesNotKnowTokensOfAnotherSeedOrPlatformOrLength) {
  const TokenCodec ours(1);
  const TokenCodec other(2);
  for (const Platform platform : kBoth) {
    const std::string token = ours.token(platform, 5);
    EXPECT_FALSE(other.number_of(platform, token));
    EXPECT_FALSE(ours.number_of(platform, token + "0"));
    EXPECT_FALSE(ours.number_of(platform, token.substr(1)));
    EXPECT_FALSE(ours.number_of(platform, ""));
  }
  EXPECT_FALSE(ours.number_of(Platform::kFcm, ours.token(Platform::kApns, 5)));
  EXPECT_FALSE(ours.number_of(Platform::kApns, ours.token(Platform::kFcm, 5)));
}

TEST(TokenCodec, TakesHexadecimalDigitsInBothCases) {
  const TokenCodec codec(1);
  std::string token = codec.token(Platform::kApns, 77);
  std::transform(token.begin(), token.end(), token.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  EXPECT_EQ(codec.number_of(Platform::kApns, token), 77U);
}

TEST(TokenCodec, KnowsADeviceByItsInstallationId) {
  const TokenCodec codec(1);
  const std::string fid = codec.token(Platform::kFcm, 12).substr(0, 22);
  EXPECT_EQ(codec.number_of_installation(fid), 12U);
  EXPECT_FALSE(codec.number_of_installation(fid.substr(1) + "A"));
  EXPECT_FALSE(codec.number_of_installation("short"));
}

}  // namespace
}  // namespace device_sim
