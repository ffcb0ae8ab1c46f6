#include "device-sim/population/browser_keys.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "device-sim/gateway/jwt.h"
#include "device-sim/population/population.h"

namespace device_sim::browser_keys_test {
namespace {

template <typename Bytes>
std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(BrowserKeys, AreTheSameForEveryoneWhoKnowsTheSeed) {
  const BrowserKeys one(3), same(3), other(4);
  EXPECT_EQ(one.public_key(7), same.public_key(7));
  EXPECT_EQ(one.secret(7), same.secret(7));
  EXPECT_NE(one.public_key(7), one.public_key(8));
  EXPECT_NE(one.secret(7), one.secret(8));
  EXPECT_NE(one.public_key(7), other.public_key(7));
  EXPECT_NE(one.secret(7), other.secret(7));
}

TEST(BrowserKeys, AgreeWithEachOther) {
  const BrowserKeys keys(3);
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const auto mine = keys.agree(number, text_of(keys.public_key(100)));
    const auto theirs = keys.agree(100, text_of(keys.public_key(number)));
    ASSERT_TRUE(mine && theirs);
    EXPECT_EQ(*mine, *theirs);
  }
}

TEST(BrowserKeys, AgreeWithNoPointOffTheCurve) {
  const BrowserKeys keys(3);
  std::string point = text_of(keys.public_key(1));
  EXPECT_FALSE(keys.agree(2, std::string_view(point).substr(1)));
  point.back() = static_cast<char>(point.back() ^ 1);
  EXPECT_FALSE(keys.agree(2, point));
  EXPECT_FALSE(keys.agree(2, ""));
}

TEST(BrowserKeys, StandInAnImportLineAsABrowserWouldSayThem) {
  const Population population(1, Mix::parse("webpush:1").value(), 10);
  const DeviceLines lines(population, {.webpush_origin = "https://localhost:1"});
  std::string out;
  lines.append(2, out);
  const auto line = nlohmann::json::parse(out);
  EXPECT_EQ(line["platform"], "webpush");
  EXPECT_FALSE(line.contains("token"));
  const auto& subscription = line["subscription"];
  EXPECT_EQ(subscription["endpoint"],
            "https://localhost:1/push/" + population.tokens().token(Platform::kWebPush, 2));
  EXPECT_EQ(base64url_decode(subscription["keys"]["p256dh"].get<std::string>()),
            text_of(population.browser_keys().public_key(2)));
  EXPECT_EQ(base64url_decode(subscription["keys"]["auth"].get<std::string>()),
            text_of(population.browser_keys().secret(2)));
  EXPECT_EQ(population.tokens().number_of(Platform::kWebPush,
                                          population.tokens().token(Platform::kWebPush, 2)),
            2U);
  EXPECT_FALSE(population.tokens().number_of(Platform::kWebPush,
                                             population.tokens().token(Platform::kFcm, 2)));
}

}  // namespace
}  // namespace device_sim::browser_keys_test
