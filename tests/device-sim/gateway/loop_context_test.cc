#include "device-sim/gateway/loop_context.h"

#include <gtest/gtest.h>

namespace device_sim::loop_context_test {
namespace {

using Kind = DeviceStanding::Kind;
constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::uint64_t kPopulation = 100;

class DeliveryDeskTest : public ::testing::Test {
 protected:
  Platform platform_of(std::uint64_t number) { return population_.platform_of(number); }
  Platform other_than(Platform platform) {
    return platform == Platform::kApns ? Platform::kFcm : Platform::kApns;
  }
  Notification notification(std::uint64_t device, std::string_view event) {
    return {.device = device,
            .platform = platform_of(device),
            .event = event,
            .title = {},
            .body = {},
            .identity = {},
            .identity_hash = 50};
  }

  Population population_{1, Mix::parse("apns:1,fcm:1").value(), kPopulation};
  Journal journal_{{.devices_max = kPopulation + kPhonesMax}};
  DeviceBook book_{population_};
  DeliveryDesk desk_{population_, journal_, book_};
};

TEST_F(DeliveryDeskTest, KnowsADeviceOnItsOwnPlatformOnly) {
  const Platform platform = platform_of(1);
  EXPECT_EQ(desk_.look_up(1, platform).kind, Kind::kInstalled);
  EXPECT_EQ(desk_.look_up(1, other_than(platform)).kind, Kind::kUnknown);
  EXPECT_EQ(desk_.look_up(0, platform).kind, Kind::kUnknown);
  EXPECT_EQ(desk_.look_up(kPopulation + 1, platform).kind, Kind::kUnknown);
}

TEST_F(DeliveryDeskTest, KnowsAPhoneOnceItHasRefreshed) {
  const Phone phone = book_.add_phones(1, Platform::kFcm).value().front();
  EXPECT_EQ(desk_.look_up(phone.number, Platform::kFcm).kind, Kind::kUnknown);
  desk_.refresh();
  EXPECT_EQ(desk_.look_up(phone.number, Platform::kFcm).kind, Kind::kInstalled);
  EXPECT_TRUE(desk_.look_up(phone.number, Platform::kFcm).is_special);
  EXPECT_EQ(desk_.look_up(phone.number, Platform::kApns).kind, Kind::kUnknown);
  EXPECT_FALSE(desk_.look_up(1, platform_of(1)).is_special);
}

TEST_F(DeliveryDeskTest, SeesAnUninstalledDeviceOfThePopulation) {
  book_.set_state(5, std::nullopt, true, kNow);
  desk_.refresh();
  const DeviceStanding standing = desk_.look_up(5, platform_of(5));
  EXPECT_EQ(standing.kind, Kind::kUninstalled);
  EXPECT_EQ(standing.uninstalled_ms, kNow);
  EXPECT_EQ(desk_.look_up(6, platform_of(6)).kind, Kind::kInstalled);
}

TEST_F(DeliveryDeskTest, JournalsAndRemembersWhatItAccepts) {
  desk_.accept(notification(3, "e1"), false, kNow);
  desk_.accept(notification(4, "e1"), false, kNow);
  desk_.accept(notification(3, ""), false, kNow + 1);
  EXPECT_EQ(journal_.find("e1")->counts().unique_devices, 2U);
  const auto recent = desk_.recent_of(3);
  ASSERT_EQ(recent.size(), 2U);
  EXPECT_EQ(recent[0].event_serial, journal_.find("e1")->serial());
  EXPECT_EQ(recent[1].event_serial, 0U);
  EXPECT_EQ(recent[1].accepted_ms, kNow + 1);
}

TEST_F(DeliveryDeskTest, ForgetsSendsWhenItsRingIsFull) {
  desk_.accept(notification(3, "e1"), false, kNow);
  for (std::size_t i = 1; i < DeliveryDesk::kRecentSends; ++i) {
    desk_.accept(notification(4, "e1"), false, kNow);
  }
  EXPECT_EQ(desk_.recent_of(3).size(), 1U);
  desk_.accept(notification(4, "e1"), false, kNow);
  EXPECT_EQ(desk_.recent_of(3).size(), 0U);
}

TEST_F(DeliveryDeskTest, DoesNotJournalAnEventIdOverItsLimit) {
  const std::string longest(kEventIdBytesMax, 'e');
  desk_.accept(notification(3, longest), false, kNow);
  desk_.accept(notification(3, longest + "e"), false, kNow);
  EXPECT_TRUE(journal_.find(longest));
  EXPECT_FALSE(journal_.find(longest + "e"));
}

}  // namespace
}  // namespace device_sim::loop_context_test
