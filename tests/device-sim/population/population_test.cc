#include "device-sim/population/population.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace device_sim {
namespace {

const Mix kMix = Mix::parse("apns:55,fcm:45").value();

TEST(Population, IsTheSameForEveryoneWhoKnowsSeedAndMix) {
  const Population small(3, kMix, 10);
  const Population large(3, kMix, 1'000'000);
  for (std::uint64_t number = 1; number <= 10; ++number) {
    EXPECT_EQ(small.platform_of(number), large.platform_of(number));
    const Platform platform = small.platform_of(number);
    EXPECT_EQ(small.tokens().token(platform, number), large.tokens().token(platform, number));
  }
}

TEST(Population, HoldsTheNumbersFromOneToItsCount) {
  const Population population(1, kMix, 10);
  EXPECT_FALSE(population.contains(0));
  EXPECT_TRUE(population.contains(1));
  EXPECT_TRUE(population.contains(10));
  EXPECT_FALSE(population.contains(11));
}

TEST(Population, ShufflesEveryNumberToOnePlace) {
  for (const std::uint64_t count : {1U, 2U, 3U, 5U, 1'000U, 4'097U}) {
    const Population population(9, kMix, count);
    std::vector<bool> seen(count + 1, false);
    bool in_order = true;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t number = population.shuffled(i);
      ASSERT_GE(number, 1U);
      ASSERT_LE(number, count);
      EXPECT_FALSE(seen[number]);
      seen[number] = true;
      in_order = in_order && number == i + 1;
    }
    EXPECT_TRUE(count < 1'000 || !in_order);
  }
}

TEST(Population, WritesALineThatTheRelayImports) {
  const Population population(1, kMix, 10);
  const DeviceLines lines(population, {.app = "vi\"deo", .topics = {"channel-42", "all"}});
  std::string out;
  lines.append(2, out);
  ASSERT_TRUE(out.ends_with("\n"));
  const auto line = nlohmann::json::parse(out);
  EXPECT_EQ(line["device"], "d-0000002");
  EXPECT_EQ(line["app"], "vi\"deo");
  EXPECT_EQ(line["subscriber"], "u-0000002");
  EXPECT_EQ(line["platform"], platform_name(population.platform_of(2)));
  EXPECT_EQ(line["token"], population.tokens().token(population.platform_of(2), 2));
  EXPECT_EQ(line["topics"], nlohmann::json::parse(R"(["channel-42","all"])"));
  EXPECT_EQ(line.size(), 6U);
}

TEST(Population, GivesConsecutiveDevicesToOneSubscriberWhenAsked) {
  const Population population(1, kMix, 10);
  const DeviceLines lines(population, {.app = "video", .topics = {}, .devices_per_subscriber = 3});
  const char* kSubscribers[] = {"u-0000001", "u-0000001", "u-0000001", "u-0000002"};
  for (std::uint64_t number = 1; number <= 4; ++number) {
    std::string out;
    lines.append(number, out);
    EXPECT_EQ(nlohmann::json::parse(out)["subscriber"], kSubscribers[number - 1]);
  }
}

TEST(DeviceId, IsReadBackAsItWasWritten) {
  for (const std::uint64_t number : {1U, 9'999'999U, 10'000'000U}) {
    EXPECT_EQ(parse_device_id(device_id(number)), number);
  }
  for (const char* text :
       {"", "d-", "d-0", "d-1x", "x-1", "d--1", "1", "d-99999999999999999999999"}) {
    EXPECT_FALSE(parse_device_id(text)) << text;
  }
}

}  // namespace
}  // namespace device_sim
