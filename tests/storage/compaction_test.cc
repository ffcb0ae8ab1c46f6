// Compaction: what erasures left behind is packed and given back, while others read and write.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "storage/compaction_pace.h"
#include "storage/sqlite/chunk_repacker.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/ordered_chunks.h"
#include "storage/sqlite/schema.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::compaction_test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kNoneRuns = std::numeric_limits<std::uint64_t>::max();

// --- the pace ------------------------------------------------------------------------------------

TEST(CompactionPace, WorksOnLessWhenAStepTookTooLongAndOnMoreWhenItWasQuick) {
  CompactionPace pace(0);
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesFirst);
  pace.took(CompactionPace::kStepAim + 1ms);
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesFirst / 2);
  pace.took(CompactionPace::kStepAim);  // just right
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesFirst / 2);
  pace.took(1ms);
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesFirst);
}

TEST(CompactionPace, StaysWithinItsBounds) {
  CompactionPace pace(0);
  for (int i = 0; i < 50; ++i) pace.took(1s);
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesLeast);
  for (int i = 0; i < 50; ++i) pace.took(0ms);
  EXPECT_EQ(pace.bytes(), CompactionPace::kBytesMost);
}

TEST(CompactionPace, RestsAMultipleOfItsStepsButNotForEver) {
  CompactionPace pace(9);
  EXPECT_EQ(pace.took(10ms), 90ms);
  EXPECT_EQ(pace.took(10s), CompactionPace::kRestLongest);
  EXPECT_EQ(CompactionPace(0).took(10s), 0ms);
}

// --- chunks --------------------------------------------------------------------------------------

using sqlite::Database;
using sqlite::MemberFormat;

class ChunkRepackerTest : public testing::Test {
 protected:
  ChunkRepackerTest() { database_.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, d BLOB)"); }

  void put(std::uint64_t fence, const std::vector<MemberFormat::Entry>& entries) {
    std::string bytes;
    MemberFormat::encode(fence, entries, bytes);
    sqlite::Statement(database_, "INSERT INTO t VALUES (?, ?)").run(fence, sqlite::Blob{bytes});
  }
  // Chunks of a topic with `each` members in each, every hundredth subscriber.
  void put_topic(std::uint32_t topic, int chunks, int each, std::uint64_t since = 0) {
    std::uint32_t subscriber = 1;
    for (int c = 0; c < chunks; ++c) {
      std::vector<MemberFormat::Entry> entries;
      for (int i = 0; i < each; ++i, subscriber += 100) {
        entries.push_back({sqlite::member_key(topic, subscriber), since});
      }
      put(c == 0 ? sqlite::member_key(topic, 0) : entries.front().key, entries);
    }
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> members() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
    sqlite::Statement rows(database_, "SELECT k, d FROM t ORDER BY k");
    for (sqlite::Cursor row = rows.rows(); row.next();) {
      std::vector<MemberFormat::Entry> entries;
      MemberFormat::decode(row.natural(0), row.bytes(1), entries);
      EXPECT_FALSE(entries.empty());
      EXPECT_LE(row.bytes(1).size(), MemberFormat::kBytesMax);
      for (const auto& entry : entries) {
        EXPECT_GE(entry.key, row.natural(0));
        EXPECT_EQ(MemberFormat::group(entry.key), MemberFormat::group(row.natural(0)));
        EXPECT_TRUE(all.empty() || all.back().first < entry.key);
        all.emplace_back(entry.key, entry.since);
      }
    }
    return all;
  }
  std::int64_t rows() {
    sqlite::Statement count(database_, "SELECT count(*) FROM t");
    sqlite::Cursor row = count.rows();
    row.next();
    return row.integer(0);
  }
  int walk(std::size_t bytes, bool rewrite = false, std::uint64_t oldest = 0) {
    sqlite::ChunkRepacker<MemberFormat> repacker(database_, "t");
    std::uint64_t next = 0;
    for (int steps = 1;; ++steps) {
      const auto window = repacker.step(next, bytes, rewrite, oldest);
      if (window.end) return steps;
      EXPECT_GT(window.next, next) << "a walk must move on";
      if (window.next <= next || steps > 10'000) return steps;
      next = window.next;
    }
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  Database database_{folder_.file("chunks.db"), Database::Access::kCreate};
};

TEST_F(ChunkRepackerTest, JoinsSparseNeighboursAndKeepsEveryEntry) {
  put_topic(3, 40, 50);
  put_topic(4, 1, 10);
  put_topic(9, 25, 30);
  const auto before = members();
  for (const std::size_t bytes : {1U, 100'000U, 300U, 1'000U}) {
    SCOPED_TRACE(bytes);
    walk(bytes);
    EXPECT_EQ(members(), before);
  }
  // 2,000 members of one byte each fit into four chunks of 600 bytes, 750 into two.
  EXPECT_LE(rows(), 8);
}

TEST_F(ChunkRepackerTest, FillsChunksAcrossTheEdgesOfItsWindows) {
  put_topic(3, 200, 50);
  const auto before = members();
  walk(2'000);
  EXPECT_EQ(members(), before);
  EXPECT_LE(rows(), 20);  // 10,000 bytes in chunks of 600 are 17
}

TEST_F(ChunkRepackerTest, LeavesFullChunksAloneUnlessItIsToRewrite) {
  put_topic(3, 10, 590);
  const auto before = members();
  const std::int64_t changes = sqlite3_total_changes64(database_.handle());
  walk(100'000);
  EXPECT_EQ(sqlite3_total_changes64(database_.handle()), changes);
  walk(100'000, true);
  EXPECT_GT(sqlite3_total_changes64(database_.handle()), changes);
  EXPECT_EQ(members(), before);
}

TEST_F(ChunkRepackerTest, KeepsTheFirstFenceOfEveryTopic) {
  put_topic(3, 5, 10);
  put_topic(4, 5, 10);
  walk(100'000);
  sqlite::Statement fences(database_, "SELECT k FROM t ORDER BY k");
  std::vector<std::uint64_t> found;
  for (sqlite::Cursor row = fences.rows(); row.next();) found.push_back(row.natural(0));
  EXPECT_EQ(found,
            (std::vector<std::uint64_t>{sqlite::member_key(3, 0), sqlite::member_key(4, 0)}));
}

TEST_F(ChunkRepackerTest, ForgetsMarksThatNobodyAsksForAndKeepsTheOthers) {
  put_topic(3, 4, 10, 7);
  put_topic(4, 4, 10, 8);
  walk(100'000, false, 7);
  for (const auto& [key, since] : members()) EXPECT_EQ(since, key >> 32 == 3 ? 0U : 8U);
}

TEST_F(ChunkRepackerTest, KeepsEqualKeysInOneChunk) {
  using sqlite::HashFormat;
  const std::uint64_t base = std::uint64_t{2} << 32;
  std::vector<HashFormat::Entry> entries;
  for (std::uint32_t i = 0; i < 150; ++i) entries.push_back({base + 5, i});  // 750 bytes and more
  for (std::uint32_t i = 0; i < 150; ++i) entries.push_back({base + 9, i});
  for (std::size_t i = 0; i < entries.size(); i += 150) {
    std::string bytes;
    const std::uint64_t fence = i == 0 ? base : entries[i].key;
    HashFormat::encode(fence, std::span(entries).subspan(i, 150), bytes);
    sqlite::Statement(database_, "INSERT INTO t VALUES (?, ?)").run(fence, sqlite::Blob{bytes});
  }
  sqlite::ChunkRepacker<HashFormat> repacker(database_, "t");
  EXPECT_TRUE(repacker.step(0, 1'000'000, true, 0).end);
  EXPECT_EQ(rows(), 2);
}

TEST_F(ChunkRepackerTest, ChangesNothingWhereChunksAreOutOfOrder) {
  put_topic(3, 3, 10);
  // The first chunk reaches into the second one.
  std::string bytes;
  const std::vector<MemberFormat::Entry> far = {{sqlite::member_key(3, 5'000'000), 0}};
  MemberFormat::encode(sqlite::member_key(3, 0), far, bytes);
  sqlite::Statement(database_, "UPDATE t SET d = ? WHERE k = ?")
      .run(sqlite::Blob{bytes}, sqlite::member_key(3, 0));
  const std::int64_t changes = sqlite3_total_changes64(database_.handle());
  // In one window, and with the second chunk beyond the window's end.
  for (const std::size_t window : {100'000U, 1U}) {
    try {
      walk(window, true);
      ADD_FAILURE() << "it took them as they are";
    } catch (const sqlite::StoreFailure& failure) {
      EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
    }
  }
  EXPECT_EQ(sqlite3_total_changes64(database_.handle()), changes);
}

// --- the store -----------------------------------------------------------------------------------

constexpr int kDevices = 8'000;
constexpr int kKept = 10;  // one device in so many stays

class CompactionTest : public testing::Test {
 protected:
  std::string path() const { return folder_.file("store.db"); }
  static std::string number(int i) { return std::to_string(i); }

  // As many as devices / every: number i, i + every, ...
  static void fill(Store& store, int every, int devices = kDevices) {
    for (int first = 0; first < devices; first += 2'000) {
      std::vector<std::string> names, tokens, subscribers;
      for (int i = first; i < first + 2'000; i += every) {
        names.push_back("device-" + number(i));
        subscribers.push_back("user-" + number(i));
        tokens.push_back("fcm-token-of-some-length-" + number(i));
      }
      const std::string_view topics[] = {"news", "sports"};
      const std::string_view own[] = {"tablets"};
      const AttributeView attributes[] = {{.name = "plan", .value = std::string_view("pro")}};
      std::vector<DeviceRegistration> lines(names.size());
      for (std::size_t i = 0; i < names.size(); ++i) {
        lines[i] = {.app = "video",
                    .device = names[i],
                    .platform = i % 5 == 0 ? Platform::kApns : Platform::kFcm,
                    .token = tokens[i],
                    .subscriber = subscribers[i],
                    .locale = "de",
                    .timezone = {},
                    .topics = std::span(topics).first(i % 3 == 0 ? 2 : 1),
                    .device_topics = std::span(own).first(i % 4 == 0 ? 1 : 0),
                    .app_version = {},
                    .attributes = std::span(attributes).first(i % 6 == 0 ? 1 : 0)};
      }
      const auto put = store.put_devices(lines, 1000);
      ASSERT_TRUE(put) << put.error().message;
    }
  }
  // In random order, as people leave.
  static void erase_most(Store& store, int devices = kDevices) {
    std::vector<int> leave;
    for (int i = 0; i < devices; ++i) {
      if (i % kKept != 0) leave.push_back(i);
    }
    std::mt19937 random(1);
    std::shuffle(leave.begin(), leave.end(), random);
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;  // that share commits
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (std::size_t i = next++; i < leave.size(); i = next++) {
          const auto erased = store.erase_subscriber("video", "user-" + number(leave[i]));
          EXPECT_TRUE(erased) << erased.error().message;
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  static void accept(Store& store, std::uint32_t event) {
    NewEvent accepted;
    accepted.id = event_id(event);
    accepted.app = "video";
    accepted.audience.topics = {"news"};
    ASSERT_TRUE(store.accept(accepted));
  }
  static std::vector<ScannedDevice> scan(Store& store, std::uint32_t event) {
    auto all = scan_all(store, {event_id(event), Platform::kApns}, 97);
    const auto fcm = scan_all(store, {event_id(event), Platform::kFcm}, 1'000);
    all.insert(all.end(), fcm.begin(), fcm.end());
    return all;
  }
  // To the end; how many steps.
  static int compact(Store& store, std::size_t bytes) {
    CompactionPlace place;
    for (int steps = 1;; ++steps) {
      const auto step = store.compact(place, bytes);
      EXPECT_TRUE(step) << step.error().message;
      if (!step || step->end) return steps;
      EXPECT_NE(step->place, CompactionPlace{});
      place = step->place;
    }
  }
  void expect_sound() {
    const auto problems = check_sqlite_store(path(), true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  std::uint64_t fresh_size() {
    const std::string fresh = folder_.file("fresh.db");
    {
      auto store = open_sqlite_store({.path = fresh});
      fill(**store, kKept);
    }
    return std::filesystem::file_size(fresh);
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
};

TEST_F(CompactionTest, ShrinksAFileToNearWhatAFreshOneTakesWhileAnEventRunsAndOthersReadAndWrite) {
  auto store = *open_sqlite_store({.path = path(), .exclusive = true});
  fill(*store, 1);
  accept(*store, 1);
  erase_most(*store);
  const auto before = scan(*store, 1);
  ASSERT_EQ(before.size(), static_cast<std::size_t>(kDevices / kKept));
  const std::uint64_t full = store->stats()->file_bytes;
  ASSERT_TRUE(store->stats()->shrinks);
  ASSERT_GT(store->stats()->free_bytes, full / 2);

  std::atomic<bool> stop = false;
  std::atomic<int> scans = 0, written = 0;
  std::thread reader([&] {
    while (!stop) {
      EXPECT_EQ(scan(*store, 1), before);
      ++scans;
    }
  });
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      // Young ones, who come and go: none of them is in the frozen audience.
      const std::string name = "new-" + number(i % 20);
      const std::string token = "new-token-" + number(i);
      const std::string_view topics[] = {"news"};
      EXPECT_TRUE(store->put_device({.app = "video",
                                     .device = name,
                                     .token = token,
                                     .subscriber = {},
                                     .locale = {},
                                     .timezone = {},
                                     .topics = topics},
                                    2000));
      if (i % 2 == 1) {
        EXPECT_TRUE(store->erase_device("video", name));
      }
      ++written;
    }
  });
  while (scans == 0 || written == 0) std::this_thread::yield();
  const int steps = compact(*store, 64 * 1024);
  stop = true;
  reader.join();
  writer.join();
  EXPECT_GT(steps, 10);
  EXPECT_EQ(scan(*store, 1), before);
  const std::uint64_t after = store->stats()->file_bytes;
  store.reset();
  expect_sound();
  EXPECT_EQ(std::filesystem::file_size(path()), after) << "the file itself is shorter";
  const std::uint64_t fresh = fresh_size();
  RecordProperty("full", std::to_string(full));
  RecordProperty("after", std::to_string(after));
  RecordProperty("fresh", std::to_string(fresh));
  EXPECT_LT(after, fresh * 5 / 4) << "of " << full << " bytes before";
}

TEST_F(CompactionTest, LeavesADenseStoreAlone) {
  auto store = *open_sqlite_store({.path = path()});
  fill(*store, 1);
  // Whatever a few small windows can gain is gained the first time.
  compact(*store, 1 << 20);
  const std::uint64_t wal = store->stats()->wal_bytes;
  const std::uint64_t commits = store->stats()->commits;
  const int steps = compact(*store, 1 << 20);
  EXPECT_EQ(store->stats()->commits, commits + static_cast<std::uint64_t>(steps));
  EXPECT_EQ(store->stats()->wal_bytes, wal) << "steps that change nothing write nothing";
}

TEST_F(CompactionTest, OfAnEmptyStoreEndsAtOnce) {
  auto store = *open_sqlite_store({.path = path()});
  EXPECT_EQ(compact(*store, 1), 1);
  const auto again = store->compact(CompactionPlace{.stage = 200}, 1);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->end);
}

TEST_F(CompactionTest, KeepsADamagedStoreAsItIsAndSaysSo) {
  {
    auto store = *open_sqlite_store({.path = path()});
    fill(*store, 1, 2'000);
    erase_most(*store, 2'000);
  }
  {
    Database database(path(), Database::Access::kReadWrite);
    database.execute("UPDATE hot SET d = substr(d, 1, length(d) - 3) WHERE k > 0");
  }
  auto store = *open_sqlite_store({.path = path()});
  CompactionPlace place;
  for (;;) {
    const auto step = store->compact(place, 4'096);
    if (!step) {
      EXPECT_EQ(step.error().kind, Error::Kind::kCorrupt) << step.error().message;
      break;
    }
    ASSERT_FALSE(step->end);
    place = step->place;
  }
  EXPECT_TRUE(store->check_writable()) << "the rest goes on";
}

// --- stores of before ----------------------------------------------------------------------------

class OldStore : public CompactionTest {
 protected:
  // As they were made when nobody had thought of shrinking.
  void SetUp() override {
    {
      auto store = *open_sqlite_store({.path = path()});
      fill(*store, kKept);
      ApiKey key;
      key.name = "backend";
      ASSERT_TRUE(store->put_key(key));
    }
    Database database(path(), Database::Access::kReadWrite);
    database.execute("PRAGMA auto_vacuum = NONE");
    database.execute("VACUUM");
    ASSERT_EQ(database.pragma("auto_vacuum"), 0);
  }
};

TEST_F(OldStore, AreToldFromNewOnesAndDoNotShrink) {
  auto store = *open_sqlite_store({.path = path()});
  EXPECT_FALSE(store->stats()->shrinks);
  ASSERT_TRUE(store->erase_subscriber("video", "user-0"));
  compact(*store, 1 << 20);
  store.reset();
  expect_sound();
}

TEST_F(OldStore, AreConvertedWithAllTheyHoldWhenNobodyHasThemOpen) {
  ASSERT_EQ(::chmod(path().c_str(), 0640), 0);
  const auto size = convert_sqlite_store({.path = path()});
  ASSERT_TRUE(size) << size.error().message;
  EXPECT_EQ(*size, std::filesystem::file_size(path()));
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
  expect_sound();
  auto store = *open_sqlite_store({.path = path(), .create = false});
  EXPECT_TRUE(store->stats()->shrinks);
  EXPECT_EQ(store->stats()->devices, static_cast<std::uint64_t>(kDevices / kKept));
  EXPECT_TRUE(store->device("video", "device-0"));
  EXPECT_EQ(store->keys()->size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(OldStore, AreNotConvertedWhileSomebodyHasThemOpen) {
  for (const bool exclusive : {true, false}) {
    auto store = *open_sqlite_store({.path = path(), .exclusive = exclusive});
    ASSERT_TRUE(store->device("video", "device-0"));
    const auto refused = convert_sqlite_store({.path = path()});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, Error::Kind::kBusy);
    EXPECT_NE(refused.error().message.find("stop the relay"), std::string::npos);
    EXPECT_TRUE(store->check_writable());
    EXPECT_TRUE(store->device("video", "device-0"));
  }
  expect_sound();
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(OldStore, AreNotMadeByConvertingNothing) {
  const auto missing = convert_sqlite_store({.path = folder_.file("nothing.db")});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, Error::Kind::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("nothing.db")));
}

}  // namespace
}  // namespace carillon::store::compaction_test
