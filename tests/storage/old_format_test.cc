// Stores that earlier versions wrote open, are brought to this format and hold what they held. The
// files are as those versions left them (gzip).
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>

#include "storage/event_report.h"
#include "storage/outcome_feed.h"
#include "storage/sqlite/schema.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::old_format_test {
namespace {

class OldFormat : public testing::Test {
 protected:
  void unpack(const std::string& name) {
    const std::string from = std::string(CARILLON_OLD_STORES) + "/" + name;
    const std::string command = "gzip -dc '" + from + "' > '" + path_ + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  std::int64_t number(const std::string& sql) {
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr), SQLITE_OK) << sql;
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << sql;
    const std::int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return value;
  }
  void expect_sound() {
    const auto problems = check_sqlite_store(path_, true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  // How many devices a job's scan gives.
  static std::size_t scanned(Store& store, std::uint32_t event, Platform platform) {
    EventId id{};
    id[0] = static_cast<std::uint8_t>(event);
    id[15] = 1;
    return scan_all(store, {id, platform}).size();
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  const std::string path_ = folder_.file("store.db");
};

// 60 devices of two apps and three platforms, 16 of them anonymous; a topic's event and two named
// ones that run, one that is completed, a retry, a key; who came, left and came back after the
// first.
TEST_F(OldFormat, AStoreOfFormat1IsUpgradedWithAllItHolds) {
  unpack("format_1.db.gz");
  ASSERT_EQ(number("PRAGMA user_version"), 1);
  {
    auto opened = open_sqlite_store({.path = path_});
    ASSERT_TRUE(opened) << opened.error().message;
    Store& store = **opened;
    EXPECT_EQ(store.stats()->devices, 60u);
    EXPECT_EQ(store.stats()->subscribers, 40u);
    const auto topic = store.topic("video", "news");
    ASSERT_TRUE(topic);
    EXPECT_EQ(topic->devices, (PlatformCounts{35, 12, 5}));
    EXPECT_EQ(scanned(store, 1, Platform::kApns), 33u);
    EXPECT_EQ(scanned(store, 1, Platform::kFcm), 12u);
    EXPECT_EQ(scanned(store, 1, Platform::kWebPush), 4u);
    EXPECT_EQ(scanned(store, 2, Platform::kApns), 2u);
    EXPECT_EQ(scanned(store, 3, Platform::kFcm), 1u);
    const auto device = store.device("video", "d-6");
    ASSERT_TRUE(device);
    EXPECT_EQ(device->locale, "de-AT");
    EXPECT_EQ(device->timezone, "Europe/Vienna");
    EXPECT_TRUE(device->attributes.empty());
    EXPECT_EQ(device->last_seen_ms, device->registered_ms / kLastSeenStepMs * kLastSeenStepMs);
    EventId first{};
    first[0] = 1;
    first[15] = 1;
    EXPECT_EQ(store.event(first)->audience.topics, std::vector<std::string>{"news"});
    EXPECT_EQ(store.keys()->size(), 1u);
    // What it could not count before.
    Condition german{.kind = Condition::Kind::kCompare,
                     .field = Condition::Field::kLocale,
                     .compare = Condition::Compare::kStartsWith,
                     .value = "de"};
    Condition news{.kind = Condition::Kind::kInTopic, .topic = "news"};
    const auto all = store.count("video", {.topics = {"news"}});
    ASSERT_TRUE(all);
    EXPECT_EQ(all->devices, topic->devices);
    const auto both = store.count(
        "video", {.condition = Condition{.kind = Condition::Kind::kAnd, .of = {news, german}}});
    ASSERT_TRUE(both);
    std::uint64_t expected = 0;
    for (int i = 0; i < 60; ++i) {
      const auto each = store.device("video", "d-" + std::to_string(i));
      if (each && each->locale == "de-AT" &&
          std::ranges::count(each->topics, std::string("news")) > 0) {
        ++expected;
      }
    }
    EXPECT_EQ(both->devices[0] + both->devices[1] + both->devices[2], expected);
    // And it is written to as one that was never older.
    ASSERT_TRUE(store.subscribe_device("video", "news", "d-6"));
  }
  EXPECT_EQ(number("PRAGMA user_version"), sqlite::kFormatVersion);
  expect_sound();
}

// 88 devices of two apps and three platforms; events of a topic, of a condition and of names run,
// with a retry and a failure; who came, left, came back and changed tokens after them.
TEST_F(OldFormat, AStoreOfFormat2IsUpgradedWithAllItHolds) {
  unpack("format_2.db.gz");
  ASSERT_EQ(number("PRAGMA user_version"), 2);
  {
    auto opened = open_sqlite_store({.path = path_, .young_names_max = {10, 20}});
    ASSERT_TRUE(opened) << opened.error().message;
    Store& store = **opened;
    EXPECT_EQ(store.stats()->devices, 88u);
    EXPECT_EQ(store.stats()->subscribers, 62u);
    EXPECT_EQ(store.topic("video", "news")->devices, (PlatformCounts{24, 22, 25}));
    EXPECT_EQ(store.topic("video", "sports")->devices, (PlatformCounts{14, 12, 14}));
    EXPECT_EQ(store.topic("video", "weather")->devices, (PlatformCounts{22, 10, 11}));
    const std::size_t expected[3][3] = {{22, 20, 21}, {10, 10, 11}, {1, 3, 1}};
    for (std::uint32_t event = 1; event <= 3; ++event) {
      EXPECT_EQ(scanned(store, event, Platform::kApns), expected[event - 1][0]) << event;
      EXPECT_EQ(scanned(store, event, Platform::kFcm), expected[event - 1][1]) << event;
      EXPECT_EQ(scanned(store, event, Platform::kWebPush), expected[event - 1][2]) << event;
    }
    const auto device = store.device("video", "d-25");
    ASSERT_TRUE(device);
    EXPECT_EQ(device->token, "fcm:Token_25-1");
    EXPECT_EQ(device->timezone, "Europe/Vienna");
    EXPECT_EQ(device->app_version, "3.10");
    EXPECT_FALSE(store.device("video", "d-1"));
    EXPECT_EQ(store.keys()->size(), 1u);
    // And it is written to as one that was never older: names in each of its tables come and go.
    for (int i = 0; i < 30; ++i) {
      const std::string name = "new-" + std::to_string(i), known = "d-" + std::to_string(i * 3);
      for (const std::string& each : {name, known}) {
        const auto put = store.put_device({.app = "video",
                                           .device = each,
                                           .platform = Platform::kFcm,
                                           .token = "after " + each,
                                           .subscriber = {},
                                           .locale = {},
                                           .timezone = {}},
                                          1'800'000'000'000);
        ASSERT_TRUE(put) << put.error().message;
      }
    }
    ASSERT_TRUE(store.erase_device("video", "d-2"));
    EXPECT_FALSE(store.device("video", "d-2"));
    EXPECT_TRUE(store.device("video", "d-3"));
    EXPECT_EQ(store.device("video", "new-29")->token, "after new-29");
  }
  EXPECT_EQ(number("PRAGMA user_version"), sqlite::kFormatVersion);
  EXPECT_EQ(number("SELECT new_names <= 10 AND young_names <= 20 FROM meta"), 1);
  EXPECT_EQ(number("SELECT sum(failure_rows) FROM job"), number("SELECT count(*) FROM failure"));
  EXPECT_EQ(number("SELECT count(*) FROM failure WHERE token_dead <> (outcome = 1)"), 0)
      << "of a refusal of before nobody knows whether it was the token's fault";
  expect_sound();
}

// 41 devices of 26 subscribers; an event that is completed, with a failure of each platform and the
// feed's rows of it, and one that runs; a device that came after both.
TEST_F(OldFormat, AStoreOfFormat3IsUpgradedWithAllItHolds) {
  unpack("format_3.db.gz");
  ASSERT_EQ(number("PRAGMA user_version"), 3);
  {
    auto opened = open_sqlite_store({.path = path_});
    ASSERT_TRUE(opened) << opened.error().message;
    Store& store = **opened;
    EXPECT_EQ(store.stats()->devices, 41u);
    EXPECT_EQ(store.topic("video", "news")->devices, (PlatformCounts{30, 10, 0}));
    EXPECT_EQ(scan_all(store, {event_id(2), Platform::kApns}).size(), 30u);
    EXPECT_EQ(store.device("video", "d-7")->timezone, "Europe/Vienna");
    const auto feed = store.outcomes(0, 10);
    ASSERT_TRUE(feed);
    ASSERT_EQ(feed->rows.size(), 3u);
    EXPECT_EQ(feed->rows[2].kind, OutcomeRow::Kind::kCompleted);
    EXPECT_FALSE(feed->rows[2].failures_untold) << "it was not told then";
    using Kind = DeviceFate::Kind;
    const auto fate = [&](std::uint32_t event, const char* device) {
      return store.explain(event_id(event), device)->kind;
    };
    EXPECT_EQ(fate(1, "d-1"), Kind::kRejected);
    EXPECT_EQ(fate(1, "d-0"), Kind::kNotKnown) << "what came after it left no number then";
    EXPECT_EQ(fate(2, "d-0"), Kind::kAccepted) << "it runs, and marks tell who came later";
    EXPECT_EQ(fate(2, "d-39"), Kind::kPending);
    EXPECT_EQ(fate(2, "late"), Kind::kCameLater);
    // And it is written to as one that was never older.
    ASSERT_TRUE(store.subscribe("video", "news", "u-late", 1'800'000'005'000));
    NewEvent event{.id = event_id(3), .app = "video", .audience = {.topics = {"news"}}};
    event.content = "content";
    event.expires_ms = 1'900'000'000'000;
    ASSERT_TRUE(store.accept(event));
    EXPECT_EQ(fate(3, "late"), Kind::kPending);
  }
  EXPECT_EQ(number("PRAGMA user_version"), sqlite::kFormatVersion);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE subscribers = 0"), 2);
  EXPECT_EQ(
      number("SELECT subscribers = (SELECT next_subscriber FROM meta) FROM event WHERE n = 3"), 1);
  expect_sound();
}

TEST_F(OldFormat, AStoreOfAnOlderFormatIsNotCheckedDeeplyBeforeItsUpgrade) {
  unpack("format_1.db.gz");
  const auto problems = check_sqlite_store(path_, true);
  ASSERT_FALSE(problems);
  EXPECT_EQ(problems.error().kind, Error::Kind::kInvalid);
  EXPECT_NE(problems.error().message.find("format 1"), std::string::npos);
  EXPECT_EQ(number("PRAGMA user_version"), 1) << "a check changes nothing";
  const auto shallow = check_sqlite_store(path_, false);
  ASSERT_TRUE(shallow);
  EXPECT_TRUE(shallow->empty());
}

}  // namespace
}  // namespace carillon::store::old_format_test
