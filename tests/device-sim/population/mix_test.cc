#include "device-sim/population/mix.h"

#include <gtest/gtest.h>

#include "device-sim/population/siphash.h"

namespace device_sim {
namespace {

TEST(Mix, ReadsWeightsByPlatform) {
  const auto mix = Mix::parse("fcm:1,apns:3");
  ASSERT_TRUE(mix);
  EXPECT_EQ(mix->weights[0], 3U);
  EXPECT_EQ(mix->weights[1], 1U);
  EXPECT_EQ(mix->to_string(), "apns:3,fcm:1");
}

TEST(Mix, GivesAPlatformThatIsLeftOutNoDevices) {
  const auto mix = Mix::parse("fcm:1");
  ASSERT_TRUE(mix);
  for (std::uint64_t i = 0; i < 1'000; ++i) EXPECT_EQ(mix->pick(splitmix64(i)), Platform::kFcm);
}

TEST(Mix, SpreadsDrawsByWeight) {
  const auto mix = Mix::parse("apns:55,fcm:45").value();
  int apns = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) apns += mix.pick(splitmix64(i)) == Platform::kApns;
  EXPECT_NEAR(apns, 55'000, 1'000);
}

TEST(Mix, TakesTheLargestWeightAndRefusesOneMore) {
  EXPECT_TRUE(Mix::parse("apns:1000000"));
  EXPECT_FALSE(Mix::parse("apns:1000001"));
}

TEST(Mix, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {{"", "above 0"},
                                                        {"apns:0", "above 0"},
                                                        {"apns", "platform:weight"},
                                                        {"apns:x", "not a number"},
                                                        {"apns:-1", "not a number"},
                                                        {"apns:1,apns:2", "twice"},
                                                        {"pager:1", "not a platform"}};
  for (const auto& [text, expected] : kCases) {
    const auto mix = Mix::parse(text);
    ASSERT_FALSE(mix) << text;
    EXPECT_NE(mix.error().find(expected), std::string::npos) << mix.error();
  }
}

}  // namespace
}  // namespace device_sim
