#include "storage/sqlite/subscriber.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "storage/sqlite/database.h"
#include "storage/sqlite/siphash.h"

namespace carillon::store::sqlite {
namespace {

struct Case {
  const char* what;
  std::function<void(Subscriber&)> change;
  std::size_t bytes;
};

constexpr std::int64_t kNow = 1'700'000'000'000;

Subscriber plain() {
  Subscriber subscriber;
  subscriber.app = 1;
  subscriber.name = "u-1";
  subscriber.next_ordinal = 1;
  subscriber.devices = {{.name = "d-1", .registered_ms = kNow, .seen_day = day_of(kNow)}};
  subscriber.topics = {1, 7};
  return subscriber;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"one device, two topics", [](Subscriber&) {}, 19},
      {"anonymous", [](Subscriber& s) { s.anonymous = true, s.name.clear(); }, 15},
      {"no device", [](Subscriber& s) { s.devices.clear(), s.next_ordinal = 0; }, 8},
      {"a device went", [](Subscriber& s) { s.next_ordinal = 2, s.freed_at = 300; }, 22},
      {"its topics changed", [](Subscriber& s) { s.changed_at = 300; }, 22},
      {"a device went, as a clock says that stands high",
       [](Subscriber& s) { s.next_ordinal = 2, s.freed_at = s.changed_at = 1u << 30; }, 31},
      {"a time zone", [](Subscriber& s) { s.devices[0].timezone = 200; }, 21},
      {"time before 1970",
       [](Subscriber& s) { s.devices[0].registered_ms = -1, s.devices[0].seen_day = 0; }, 23},
      {"the first ordinal is free",
       [](Subscriber& s) { s.devices[0].ordinal = 3, s.next_ordinal = 4; }, 22},
      {"another platform", [](Subscriber& s) { s.devices[0].platform = Platform::kWebPush; }, 19},
      {"traits elsewhere", [](Subscriber& s) { s.devices[0].traits = true; }, 19},
      {"stale", [](Subscriber& s) { s.devices[0].stale = true; }, 19},
      {"seen on a later day", [](Subscriber& s) { s.devices[0].seen_day += 60; }, 20},
      {"seen on an earlier day", [](Subscriber& s) { s.devices[0].seen_day -= 60; }, 20},
      {"topics of its own",
       [](Subscriber& s) {
         s.devices[0].topics = {3, 4, 900};
       },
       24},
      {"as many devices as there may be",
       [](Subscriber& s) {
         s.devices.resize(kDevicesPerSubscriberMax);
         for (std::size_t i = 0; i < s.devices.size(); ++i) {
           s.devices[i] = {.name = "d", .ordinal = static_cast<std::uint8_t>(i)};
         }
         s.next_ordinal = kDevicesPerSubscriberMax;
       },
       328},
  };
  return all;
}

bool same(const Subscriber& a, const Subscriber& b) {
  std::string one, two;
  encode_subscriber(a, one);
  encode_subscriber(b, two);
  return one == two;
}

TEST(SubscriberRow, ComesBackAsItWasWritten) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.what);
    Subscriber subscriber = plain();
    each.change(subscriber);
    std::string row;
    encode_subscriber(subscriber, row);
    EXPECT_EQ(row.size(), each.bytes);
    Subscriber back = plain();  // what was in it before must not shine through
    decode_subscriber(row, back);
    EXPECT_TRUE(same(subscriber, back));
    EXPECT_EQ(back.name, subscriber.name);
    EXPECT_EQ(back.topics, subscriber.topics);
    EXPECT_EQ(back.next_ordinal, subscriber.next_ordinal);
    EXPECT_EQ(back.freed_at, subscriber.freed_at);
    EXPECT_EQ(back.changed_at, subscriber.changed_at);
    ASSERT_EQ(back.devices.size(), subscriber.devices.size());
    for (std::size_t i = 0; i < back.devices.size(); ++i) {
      EXPECT_EQ(back.devices[i].ordinal, subscriber.devices[i].ordinal);
      EXPECT_EQ(back.devices[i].registered_ms, subscriber.devices[i].registered_ms);
      EXPECT_EQ(back.devices[i].timezone, subscriber.devices[i].timezone);
      EXPECT_EQ(back.devices[i].platform, subscriber.devices[i].platform);
      EXPECT_EQ(back.devices[i].traits, subscriber.devices[i].traits);
      EXPECT_EQ(back.devices[i].stale, subscriber.devices[i].stale);
      EXPECT_EQ(back.devices[i].seen_day, subscriber.devices[i].seen_day);
      EXPECT_EQ(back.devices[i].topics, subscriber.devices[i].topics);
    }
  }
}

TEST(SubscriberRow, IsReadWithoutHarmWhateverItHolds) {
  std::mt19937 random(7);
  std::size_t refused = 0;
  for (const Case& each : cases()) {
    Subscriber subscriber = plain();
    each.change(subscriber);
    std::string row;
    encode_subscriber(subscriber, row);
    for (int i = 0; i < 500; ++i) {
      std::string damaged = row.substr(0, random() % (row.size() + 1));
      for (std::size_t flips = random() % 4; flips > 0 && !damaged.empty(); --flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      Subscriber back;
      try {
        decode_subscriber(damaged, back);
        EXPECT_LE(back.devices.size(), kDevicesPerSubscriberMax);
      } catch (const StoreFailure& failure) {
        EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1'000u);
}

// The reference implementation's vectors: key 00..0f, input 00..(n-1).
TEST(SipHash, AgreesWithItsAuthors) {
  const SipKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string input;
  for (char i = 0; i < 15; ++i) input.push_back(i);
  EXPECT_EQ(siphash24(key, ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(siphash24(key, input.substr(0, 8)), 0x93f5f5799a932462u);
  EXPECT_EQ(siphash24(key, input), 0xa129ca6149be45e5u);
}

}  // namespace
}  // namespace carillon::store::sqlite
