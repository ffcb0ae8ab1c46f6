// What a deep check says of each structure that is damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "storage/quarantine.h"
#include "storage/sqlite/database.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::store_check_test {
namespace {

constexpr std::int64_t kDay = kLastSeenStepMs;

// Two apps; devices with attributes, topics of their own, several of a subscriber, none; a stale
// and a quarantined one; events to a topic, to names and to a condition, with a retry and a
// failure.
class StoreCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    {
      const auto store = open_sqlite_store({.path = path()});
      ASSERT_TRUE(store) << store.error().message;
      fill(**store);
    }
    std::ifstream in(path(), std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    sound_ = all.str();
  }
  static void fill(Store& store) {
    const std::string_view news[] = {"news"}, own[] = {"tablets"};
    const AttributeView plan{.name = "plan", .value = std::string_view("pro")};
    for (std::size_t i = 0; i < 40; ++i) {
      const std::string name = "d-" + std::to_string(i), token = "t-" + std::to_string(i),
                        person = "u-" + std::to_string(i / 2);
      const auto put = store.put_device(
          {.app = i % 10 == 0 ? "mail" : "video",
           .device = name,
           .platform = i % 5 == 0 ? Platform::kFcm : Platform::kApns,
           .token = token,
           .subscriber = i % 7 == 0 ? std::string_view() : std::string_view(person),
           .topics = news,
           .device_topics = std::span(own).first(i % 3 == 0 ? 1 : 0),
           .app_version = i % 4 == 0 ? "1.2" : "",
           .attributes = std::span(&plan, i % 2),
           .last_seen_ms = i == 11 ? kDay : 0},
          100 * kDay);
      ASSERT_TRUE(put) << put.error().message;
    }
    ASSERT_TRUE(store.subscribe("video", "news", "nobody's", 100 * kDay));
    ASSERT_EQ(store.sweep_stale("video", StaleAction::kLeaveOut, 50 * kDay, 0, 1'000)->devices, 1u);
    Condition in_news, in_tablets;
    in_news.topic = "news";
    in_tablets.topic = "tablets";
    accept(store, 1, {.topics = {"news"}});
    accept(store, 2, {.devices = {"d-1", "d-2"}});
    accept(store, 3,
           {.condition = Condition{.kind = Condition::Kind::kAnd, .of = {in_news, in_tablets}}});
    const JobKey job{event_id(1), Platform::kApns};
    const auto devices = scan_all(store, job);
    ASSERT_GE(devices.size(), 3u);
    Checkpoint checkpoint{.job = job, .cursor = devices[2].position};
    checkpoint.added.rejected = 2;
    checkpoint.quarantined = {{.position = devices[0].position,
                               .token = devices[0].token,
                               .dead_since_ms = 101 * kDay,
                               .reason = "Unregistered"}};
    checkpoint.failures = {{.position = devices[1].position, .reason = "BadTopic", .attempts = 1}};
    checkpoint.retries = {
        {.position = devices[2].position, .due_ms = 1, .attempts = 1, .reason = "r"}};
    const auto recorded = record_now(store, {checkpoint}, 101 * kDay);
    ASSERT_TRUE(recorded) << recorded.error().message;
  }
  static void accept(Store& store, std::uint32_t number, Audience audience) {
    NewEvent event;
    event.id = event_id(number);
    event.app = "video";
    event.audience = std::move(audience);
    const auto accepted = store.accept(event);
    ASSERT_TRUE(accepted) << accepted.error().message;
    ASSERT_GT(accepted->targeted[0], 0u) << number;
  }
  std::string path() const { return folder_.file("store.db"); }
  void restore() const { std::ofstream(path(), std::ios::binary | std::ios::trunc) << sound_; }
  void damage(const std::string& sql) const {
    sqlite::Database(path(), sqlite::Database::Access::kReadWrite).execute(sql);
  }
  std::vector<std::string> problems(bool deep = true) const {
    auto found = check_sqlite_store(path(), deep);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *std::move(found) : std::vector<std::string>();
  }
  void expect_said(std::string_view words) const {
    const auto found = problems();
    const bool said = std::any_of(found.begin(), found.end(), [&](const std::string& sentence) {
      return sentence.find(words) != std::string::npos;
    });
    EXPECT_TRUE(said) << (found.empty() ? "no problem found" : found.front());
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::string sound_;
};

TEST_F(StoreCheckTest, SaysWhatIsWrongWithEachStructure) {
  struct Row {
    const char* damage;
    const char* said;
  };
  const Row rows[] = {
      {"DELETE FROM devmem", "says 0 subscriptions of devices"},
      {"DELETE FROM trait", "has lost its traits"},
      {"DELETE FROM attribute", "name"},
      {"DELETE FROM unusual", "unusual subscribers"},
      {"UPDATE unusual SET k = k + (1 << 40)", "is not as unusual as it is said"},
      {"UPDATE quarantine SET position = position + (1 << 30)", "where no such device is"},
      {"UPDATE quarantine SET platform = 3", "where no such device is"},
      {"UPDATE quarantine SET app = app + 1", "where no such device is"},
      {"UPDATE frozen SET first = first + (1 << 20)", "has nobody in its audience"},
      {"UPDATE event SET kind = 1 WHERE n = 3", "has an audience that nobody reads"},
      {"UPDATE app SET apns = apns + 1 WHERE name = 'mail'", "app mail counts"},
      {"UPDATE app SET subscribers = 0 WHERE name = 'video'", "app video counts 0 subscribers"},
      {"UPDATE meta SET devices = devices + 1", "the store says 41 devices, there are 40"},
      {"UPDATE meta SET topics = topics + 1", "topics, there are"},
      {"UPDATE meta SET next_subscriber = 5", "the next subscriber is to get the number 5, but"},
      {"UPDATE meta SET next_subscriber = (SELECT max(k) FROM sub)", "is given out"},
      {"UPDATE job SET retries = retries + 1", "counts its retries wrongly"},
      {"DELETE FROM retry", "counts its retries wrongly"},
      {"DELETE FROM failure", "counts its failures wrongly"},
      {"UPDATE job SET frozen = frozen + 1000", "was frozen in the future"},
      {"DELETE FROM audience", "has lost part of its audience"},
  };
  ASSERT_EQ(problems(), std::vector<std::string>());
  for (const Row& row : rows) {
    SCOPED_TRACE(row.damage);
    restore();
    damage(row.damage);
    expect_said(row.said);
  }
}

// A job that its index has lost is not taken up by any start, and its event never ends.
TEST_F(StoreCheckTest, SaysThatAnIndexHasLostARow) {
  const auto index_where = [&](const std::string& condition) {
    damage(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX "
        "job_unfinished ON job (frozen) WHERE " +
        condition + "' WHERE name = 'job_unfinished'");
  };
  index_where("state <= 0");
  damage(
      "CREATE TEMP TABLE copy AS SELECT * FROM job; DELETE FROM job; "
      "INSERT INTO job SELECT * FROM copy");
  index_where("state <= 3");
  EXPECT_EQ(problems(/*deep=*/false), std::vector<std::string>()) << "which reads no index";
  expect_said("job_unfinished");
}

}  // namespace
}  // namespace carillon::store::store_check_test
