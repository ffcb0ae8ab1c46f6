#include "relay/api/key_ring.h"

#include <gtest/gtest.h>

#include <string>

#include "relay/config/scopes.h"
#include "tests/relay/api/relay_room.h"

namespace carillon::api {
namespace {

class KeyRingTest : public testing::Test {
 protected:
  tl::expected<Identity, KeyFault> identify(const std::string& authorization) {
    return ring_.identify(authorization);
  }
  KeyFault fault(const std::string& authorization) {
    const auto identity = identify(authorization);
    EXPECT_FALSE(identity) << authorization;
    return identity ? KeyFault::kStore : identity.error();
  }

  RelayRoom room_;
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  KeyRing ring_{*room_.store, [this] { return now_; }};
};

TEST_F(KeyRingTest, KnowsAKeyByItsHashInAnyOfTheWaysToSendIt) {
  room_.add_key("backend", "car_abc", config::kScopePublish);
  for (const char* const good : {"Bearer car_abc", "bearer car_abc", "BEARER   car_abc"}) {
    const auto identity = identify(good);
    ASSERT_TRUE(identity) << good;
    EXPECT_EQ(identity->key_name, "backend");
    EXPECT_EQ(identity->scopes, config::kScopePublish);
  }
}

TEST_F(KeyRingTest, TellsWhatIsWrongWithTheOthers) {
  room_.add_key("backend", "car_abc", config::kScopePublish);
  EXPECT_EQ(fault(""), KeyFault::kMissing);
  for (const char* const bad :
       {"Bearer", "Bearer ", "Bearer a b", "Basic car_abc", "Bearercar_abc", "car_abc"}) {
    EXPECT_EQ(fault(bad), KeyFault::kMalformed) << bad;
  }
  for (const char* const bad :
       {"Bearer car_abd", "Bearer car_ab", "Bearer car_abcd", "Bearer CAR_ABC"}) {
    EXPECT_EQ(fault(bad), KeyFault::kUnknown) << bad;
  }
  EXPECT_EQ(fault("Bearer " + std::string(kKeyBytesMax, 'k')), KeyFault::kUnknown);
  EXPECT_EQ(fault("Bearer " + std::string(kKeyBytesMax + 1, 'k')), KeyFault::kMalformed);
}

TEST_F(KeyRingTest, SeesAKeyThatWasMadeAMomentAgo) {
  EXPECT_EQ(fault("Bearer new"), KeyFault::kUnknown);
  room_.add_key("new", "new", config::kScopeAdmin);
  EXPECT_EQ(fault("Bearer new"), KeyFault::kUnknown) << "the store is not asked for every guess";
  now_ += KeyRing::kUnknownAge + std::chrono::milliseconds(1);
  EXPECT_TRUE(identify("Bearer new"));
}

TEST_F(KeyRingTest, ForgetsARevokedKeyWithinASecond) {
  room_.add_key("old", "old", config::kScopeAdmin);
  EXPECT_TRUE(identify("Bearer old"));
  ASSERT_TRUE(room_.store->revoke_key("old", 5));
  now_ += KeyRing::kSnapshotAge;
  EXPECT_TRUE(identify("Bearer old")) << "not older than the limit";
  now_ += std::chrono::milliseconds(1);
  EXPECT_EQ(fault("Bearer old"), KeyFault::kUnknown);
}

TEST(Scopes, AdminImpliesAllOthersAndNothingElseDoes) {
  using namespace config;
  EXPECT_TRUE(allows({"", kScopeAdmin}, kScopePublish));
  EXPECT_TRUE(allows({"", kScopeAdmin}, kScopeSubscribe));
  EXPECT_TRUE(allows({"", kScopePublish}, kScopePublish));
  EXPECT_FALSE(allows({"", kScopePublish}, kScopeSubscribe));
  EXPECT_FALSE(allows({"", kScopePublish | kScopeSubscribe}, kScopeAdmin));
  EXPECT_FALSE(allows({"", 0}, kScopePublish));
}

}  // namespace
}  // namespace carillon::api
