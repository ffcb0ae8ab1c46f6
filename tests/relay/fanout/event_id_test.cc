#include "relay/fanout/event_id.h"

#include <gtest/gtest.h>

#include <set>

namespace carillon::fanout {
namespace {

TEST(EventId, IsAUuidOfVersion7ThatBeginsWithItsTime) {
  const auto id = make_event_id(0x0123456789abLL, {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(to_string(id), "01234567-89ab-7fff-bfff-000000000001");
}

TEST(EventId, ReadsBackWhatItPrintsInEitherCaseAndNothingElse) {
  const auto id = make_event_id(1'700'000'000'000, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_EQ(parse_event_id(to_string(id)), id);
  EXPECT_EQ(parse_event_id("01234567-89AB-7FFF-BFFF-000000000001"),
            parse_event_id("01234567-89ab-7fff-bfff-000000000001"));
  for (const char* bad :
       {"", "0", "01234567-89ab-7fff-bfff-00000000000", "01234567-89ab-7fff-bfff-0000000000011",
        "0123456789ab7fffbfff000000000001", "01234567-89ab-7fff-bfff-00000000000g",
        "01234567+89ab-7fff-bfff-000000000001", "{1234567-89ab-7fff-bfff-00000000000}"}) {
    EXPECT_FALSE(parse_event_id(bad)) << bad;
  }
}

TEST(PushIdentity, IsTheSameForTheSamePairAndAnotherForEveryOther) {
  const auto event = make_event_id(1'700'000'000'000, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const auto other = make_event_id(1'700'000'000'000, {1, 2, 3, 4, 5, 6, 7, 8, 9, 11});
  EXPECT_EQ(push_identity(event, 7), push_identity(event, 7));
  std::set<std::array<std::uint8_t, 16>> seen;
  for (store::DevicePosition position = 0; position < 100'000; ++position) {
    EXPECT_TRUE(seen.insert(push_identity(event, position << 8)).second) << position;
    EXPECT_TRUE(seen.insert(push_identity(other, position << 8)).second) << position;
  }
}

TEST(PushIdentity, IsAWellFormedUuid) {
  const auto id = push_identity(make_event_id(1, {}), 99);
  EXPECT_EQ(id[6] >> 4, 8);
  EXPECT_EQ(id[8] >> 6, 2);
}

}  // namespace
}  // namespace carillon::fanout
