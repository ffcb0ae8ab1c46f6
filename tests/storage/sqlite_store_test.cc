// What is the SQLite store's own: its file, its neighbours, its limits.
#include "storage/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "storage/device_export.h"
#include "storage/outcome_feed.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/schema.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store {
namespace {

class SqliteStoreFile : public testing::Test {
 protected:
  std::string path() const { return folder_.file("store.db"); }
  Result<std::unique_ptr<Store>> open(SqliteStoreOptions options = {}) {
    options.path = path();
    return open_sqlite_store(options);
  }
  static Result<Registered> put(Store& store, const std::string& device, const std::string& token,
                                const std::string& subscriber = "",
                                std::vector<std::string_view> topics = {"news"}) {
    return store.put_device({.app = "video",
                             .device = device,
                             .token = token,
                             .subscriber = subscriber,
                             .locale = {},
                             .timezone = {},
                             .topics = topics},
                            1000);
  }
  static AcceptedEvent accept(Store& store, std::uint32_t number) {
    NewEvent event;
    event.id = event_id(number);
    event.app = "video";
    event.audience.topics = {"news"};
    return store.accept(event).value();
  }
  std::string bytes(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  void expect_sound() {
    const auto problems = check_sqlite_store(path(), true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  // Waits for a condition that another thread or the store brings about.
  template <class Condition>
  static bool comes_true(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TemporaryFolder folder_;
};

// --- opening
// -----------------------------------------------------------------------------------------

TEST_F(SqliteStoreFile, IsNotCreatedUnlessAsked) {
  const auto opened = open({.create = false});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, Error::Kind::kNotFound);
  const auto checked = check_sqlite_store(path(), true);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, Error::Kind::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(SqliteStoreFile, IsNotLookedForInAFolderThatIsNotThere) {
  const auto opened = open_sqlite_store({.path = folder_.file("nowhere/store.db")});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, Error::Kind::kIo);
}

TEST_F(SqliteStoreFile, BelongsToOneRelayButOthersMayWriteBesideIt) {
  auto relay = open({.exclusive = true});
  ASSERT_TRUE(relay);
  const auto second = open({.exclusive = true});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::kBusy);
  EXPECT_NE(second.error().message.find("another relay"), std::string::npos);
  {
    auto importer = open({.create = false});
    ASSERT_TRUE(importer);
    EXPECT_TRUE(put(**importer, "d-1", "aa"));
  }
  EXPECT_TRUE((*relay)->device("video", "d-1"));
  EXPECT_TRUE(put(**relay, "d-2", "bb"));
  relay->reset();
  EXPECT_TRUE(open({.exclusive = true}));
}

TEST_F(SqliteStoreFile, OfAnotherProgramIsLeftAlone) {
  {
    sqlite::Database other(path(), sqlite::Database::Access::kCreate);
    other.execute("CREATE TABLE theirs (x)");
  }
  const std::string before = bytes(path());
  for (const auto& error : {open().error(), check_sqlite_store(path(), true).error()}) {
    EXPECT_EQ(error.kind, Error::Kind::kCorrupt);
    EXPECT_NE(error.message.find("another program"), std::string::npos);
  }
  EXPECT_EQ(bytes(path()), before);
}

TEST_F(SqliteStoreFile, ThatIsNoDatabaseIsCalledThat) {
  std::ofstream(path()) << std::string(10'000, 'x');
  EXPECT_EQ(open().error().kind, Error::Kind::kCorrupt);
  EXPECT_EQ(check_sqlite_store(path(), false).error().kind, Error::Kind::kCorrupt);
}

TEST_F(SqliteStoreFile, OfANewerVersionIsRefused) {
  ASSERT_TRUE(open());
  {
    sqlite::Database newer(path(), sqlite::Database::Access::kReadWrite);
    newer.execute("PRAGMA user_version = " + std::to_string(sqlite::kFormatVersion + 1));
  }
  for (const auto& error : {open().error(), check_sqlite_store(path(), true).error()}) {
    EXPECT_EQ(error.kind, Error::Kind::kNewerVersion);
    EXPECT_NE(error.message.find("newer"), std::string::npos);
  }
}

// Of the file's pages, how many are in the system's cache.
double share_in_page_cache(int file) {
  struct ::stat status {};
  if (::fstat(file, &status) != 0 || status.st_size == 0) return 0;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const pages = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  if (pages == MAP_FAILED) return 0;
  std::vector<unsigned char> resident((bytes + 4095) / 4096);
  const bool known = ::mincore(pages, bytes, resident.data()) == 0;
  ::munmap(pages, bytes);
  const auto there =
      std::count_if(resident.begin(), resident.end(), [](unsigned char page) { return page & 1; });
  return known ? static_cast<double>(there) / static_cast<double>(resident.size()) : 0;
}

TEST_F(SqliteStoreFile, OfARelayIsReadAheadAtItsStart) {
  {
    std::vector<std::string> names(20'000);
    std::vector<DeviceRegistration> lines(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      names[i] = fmt::format("device-{}", i);
      lines[i].app = "video";
      lines[i].device = lines[i].token = lines[i].subscriber = names[i];
    }
    auto store = open();
    ASSERT_TRUE(store);
    ASSERT_TRUE((*store)->put_devices(lines, 1000));
  }
  // Closed after the store is: closing it would end SQLite's locks.
  const int file = ::open(path().c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  ASSERT_EQ(::fdatasync(file), 0);
  ASSERT_EQ(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
  // Where the cache cannot be emptied there is nothing to see.
  if (share_in_page_cache(file) < 0.5) {
    const auto store = open({.exclusive = true});
    ASSERT_TRUE(store);
    EXPECT_TRUE(comes_true([&] { return share_in_page_cache(file) > 0.9; }))
        << share_in_page_cache(file);
  }
  ::close(file);
}

TEST_F(SqliteStoreFile, IsCreatedOnceByTwoWhoComeTogether) {
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto store = open();
      ASSERT_TRUE(store) << store.error().message;
      ++opened;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(opened, 4);
  expect_sound();
}

// --- damage
// --------------------------------------------------------------------------------------------

class DamagedStore : public SqliteStoreFile {
 protected:
  void SetUp() override {
    auto store = open();
    for (int i = 0; i < 50; ++i) {
      const std::string n = std::to_string(i);
      put(**store, "d-" + n, "t-" + n, "u-" + n).value();
    }
    accept(**store, 1);
  }
  void damage(const std::string& sql) {
    sqlite::Database database(path(), sqlite::Database::Access::kReadWrite);
    database.execute(sql);
  }
  // The checker has something to say, and what reads it says so, too.
  void expect_problem(const std::string& part) {
    const auto problems = check_sqlite_store(path(), true);
    ASSERT_TRUE(problems) << problems.error().message;
    const bool said = std::any_of(problems->begin(), problems->end(), [&](const auto& sentence) {
      return sentence.find(part) != std::string::npos;
    });
    EXPECT_TRUE(said) << (problems->empty() ? "no problem found" : problems->front());
  }
  Error::Kind scan_error() {
    auto store = open();
    auto scan = (*store)->scan({event_id(1), Platform::kApns});
    DevicePage page;
    const auto read = (*scan)->read(0, 100, page);
    EXPECT_FALSE(read);
    return read ? Error::Kind::kIo : read.error().kind;
  }
};

TEST_F(DamagedStore, SaysThatAChunkOfDevicesIsCut) {
  damage("UPDATE hot SET d = substr(d, 1, length(d) - 1)");
  EXPECT_EQ(scan_error(), Error::Kind::kCorrupt);
  expect_problem("devices");
  auto store = open();
  EXPECT_EQ(put(**store, "new", "new").error().kind, Error::Kind::kCorrupt);
  EXPECT_EQ((*store)->check_writable().has_value(), true) << "the rest goes on";
}

TEST_F(DamagedStore, SaysThatAChunkOfSubscriptionsIsCut) {
  damage("UPDATE mem SET d = x'05'");
  EXPECT_EQ(scan_error(), Error::Kind::kCorrupt);
  expect_problem("subscriptions");
}

TEST_F(DamagedStore, SaysThatSubscriptionsAreMissing) {
  damage("DELETE FROM mem");
  expect_problem("the store says 0 subscriptions, there are 50");
}

TEST_F(DamagedStore, SaysThatNamesAreMissing) {
  damage("DELETE FROM hx_new WHERE k >> 32 = 2");
  expect_problem("names of devices");
}

TEST_F(DamagedStore, SaysThatNewAndYoungNamesAreCountedWrongly) {
  damage("UPDATE meta SET new_names = new_names + 1, young_names = 7");
  expect_problem("the store says 151 new names, there are 150");
  expect_problem("the store says 7 young names, there are 0");
}

TEST_F(DamagedStore, SaysThatTokensAreMissing) {
  damage("DELETE FROM hot");
  expect_problem("has no token");
}

TEST_F(DamagedStore, SaysThatASubscriberIsMissing) {
  damage("DELETE FROM sub WHERE k = 7");
  expect_problem("belongs to no subscriber");
}

TEST_F(DamagedStore, SaysThatATopicCountsWrongly) {
  damage("UPDATE topic SET apns = apns + 1");
  expect_problem("counts 50 subscribers");
}

TEST_F(DamagedStore, SaysThatAJobSettledMoreThanItTargets) {
  damage("UPDATE job SET accepted = targeted + 1");
  expect_problem("counters");
  EXPECT_EQ((*open())->unfinished_jobs().error().kind, Error::Kind::kCorrupt);
}

TEST_F(DamagedStore, SaysThatATableIsMissing) {
  damage("DROP TABLE trait");
  for (const auto& error : {open().error(), check_sqlite_store(path(), true).error()}) {
    EXPECT_EQ(error.kind, Error::Kind::kCorrupt) << error.message;
    EXPECT_NE(error.message.find("restore a backup"), std::string::npos) << error.message;
  }
}

TEST_F(DamagedStore, SurvivesEveryByteFlippedInItsPages) {
  const std::string sound = bytes(path());
  std::uint32_t state = 1;
  for (int i = 0; i < 60; ++i) {
    std::string broken = sound;
    for (int flips = 0; flips < 20; ++flips) {
      state = state * 1664525 + 1013904223;
      // Past the first page: its head says what file it is, which has tests of its own.
      const std::size_t at = 4096 + state % (broken.size() - 4096);
      broken[at] = static_cast<char>(broken[at] ^ (1 << (state >> 29)));
    }
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << broken;
    (void)check_sqlite_store(path(), true);
    auto store = open();
    if (!store) continue;
    (void)put(**store, "d-1", "other", "u-2");
    (void)(*store)->erase_subscriber("video", "u-3");
    if (auto scan = (*store)->scan({event_id(1), Platform::kApns})) {
      DevicePage page;
      (void)(*scan)->read(0, 1000, page);
    }
    auto exporting = (*store)->export_devices("");
    if (!exporting || !(*exporting)->begin()) continue;
    for (auto next = (*exporting)->next(); next && *next != nullptr;) next = (*exporting)->next();
  }
}

// --- limits
// ----------------------------------------------------------------------------------------------

TEST_F(SqliteStoreFile, ThatIsFullRefusesWritesAndKeepsWhatItHas) {
  constexpr std::size_t kPages = 120;
  auto store = open({.pages_max = kPages});
  ASSERT_TRUE(store) << store.error().message;
  std::size_t stored = 0;
  std::optional<Error> error;
  for (; !error && stored < 100'000; ++stored) {
    const std::string n = std::to_string(stored);
    if (auto result = put(**store, "d-" + n, std::string(3000, '{') + n); !result) {
      error = result.error();
      break;
    }
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, Error::Kind::kFull) << error->message;
  EXPECT_GT(stored, 20u);
  EXPECT_EQ((*store)->stats()->devices, stored);
  EXPECT_EQ((*store)->topic("video", "news")->devices[0], stored);
  std::vector<DeviceRegistration> batch;
  const std::string long_token(3000, '[');
  for (const char* name : {"x", "y", "z"}) {
    batch.push_back({.app = "video", .device = name, .token = long_token});
  }
  batch.front().token = "short";
  const auto whole = (*store)->put_devices(batch, 1);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().kind, Error::Kind::kFull);
  EXPECT_FALSE((*store)->device("video", "x")) << "all or nothing";
  ASSERT_TRUE((*store)->erase_device("video", "d-3")) << "there is room to make room";
  EXPECT_TRUE(put(**store, "again", std::string(3000, '{')));
  store->reset();
  expect_sound();
}

TEST_F(SqliteStoreFile, ThatIsFullFailsOnlyThoseOfAGroupThatDidNotFit) {
  auto store = open({.pages_max = 120});
  std::atomic<int> kept{0}, full{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string n = std::to_string(t) + "-" + std::to_string(i);
        const auto result = put(**store, n, std::string(3500, '{') + n);
        if (result) ++kept;
        EXPECT_TRUE(result || result.error().kind == Error::Kind::kFull) << result.error().message;
        full += result ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GT(kept, 10);
  EXPECT_GT(full, 10);
  EXPECT_EQ((*store)->stats()->devices, static_cast<std::uint64_t>(kept));
  store->reset();
  expect_sound();
}

TEST_F(SqliteStoreFile, AnswersEachRegistrationOfAGroupForItself) {
  constexpr int kClients = 16, kRounds = 40;
  auto store = open({.group_requests_max = kClients, .group_wait = std::chrono::seconds(1)});
  ASSERT_TRUE(store);
  std::atomic<int> created{0}, refused{0}, others{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kClients; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        // Two threads bring one token at about the same time; one in eight brings none.
        const std::string token = t % 8 == 7 ? "" : fmt::format("token-{}-{}", t / 2, i);
        const auto put_one =
            put(**store, fmt::format("d-{}-{}", t, i), token, fmt::format("u-{}", i));
        if (put_one && *put_one == Registered::kCreated) {
          ++created;
        } else if (!put_one && put_one.error().kind == Error::Kind::kInvalid) {
          ++refused;
        } else {
          ++others;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, kClients / 8 * 7 * kRounds);
  EXPECT_EQ(refused, kClients / 8 * kRounds);
  EXPECT_EQ(others, 0);
  const StoreStats stats = (*store)->stats().value();
  EXPECT_EQ(stats.devices, kClients / 2u * kRounds) << "one device for each token";
  EXPECT_LT(stats.commits, stats.committed_requests / 2) << "they did not share commits";
  store->reset();
  expect_sound();
}

TEST_F(SqliteStoreFile, WaitsForNobodyLongerThanACommitTakes) {
  // What these share teaches the writer to expect eight.
  auto store = open({.group_requests_max = 8, .group_wait = std::chrono::hours(1)});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) put(**store, fmt::format("d-{}", t), fmt::format("{}-{}", t, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(**store, "alone", std::to_string(i)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

TEST_F(SqliteStoreFile, ARefusedEventOfAGroupLeavesTheOthersOfItAndNothingOfItself) {
  constexpr std::uint32_t kClients = 16, kRounds = 30, kKnown = 1'000'000;
  auto store = open();
  accept(**store, kKnown);
  std::atomic<std::uint32_t> taken{0}, mismatched{0}, invalid{0}, others{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kClients; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < kRounds; ++i) {
        NewEvent event{
            .id = event_id(t * kRounds + i + 1), .app = "video", .audience = {.topics = {"news"}}};
        if (t % 4 == 1) {  // refused before it changes anything, but for the first
          event.idempotency_key = "key-" + std::to_string(t);
          event.body_digest[0] = static_cast<std::uint8_t>(i);
        } else if (t % 4 == 2) {  // refused when its app is written already
          event.id = event_id(kKnown);
          event.app = fmt::format("app-{}-{}", t, i);
        }
        const auto accepted = (*store)->accept(event);
        if (accepted) {
          ++taken;
        } else if (accepted.error().kind == Error::Kind::kMismatch) {
          ++mismatched;
        } else if (accepted.error().kind == Error::Kind::kInvalid) {
          ++invalid;
        } else {
          ++others;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kClients / 2 * kRounds + kClients / 4);
  EXPECT_EQ(mismatched, kClients / 4 * (kRounds - 1));
  EXPECT_EQ(invalid, kClients / 4 * kRounds);
  EXPECT_EQ(others, 0u);
  EXPECT_EQ((*store)->events({}, 10'000)->size(), taken + 1);
  store->reset();
  expect_sound();
  sqlite::Database database(path(), sqlite::Database::Access::kReadOnly);
  sqlite::Statement apps(database, "SELECT count(*) FROM app");
  auto row = apps.rows();
  ASSERT_TRUE(row.next());
  EXPECT_EQ(row.integer(0), 1) << "an app was left by an event that was refused";
}

TEST_F(SqliteStoreFile, KeepsItsLogShortWhileItWritesAndReads) {
  constexpr std::size_t kLogMax = 4 * 1024 * 1024;
  constexpr std::size_t kTransactionMax = 2 * 1024 * 1024;  // what the largest batch writes
  // A wait that always suffices, so that the bound is exact on a machine however busy.
  auto store = open({.checkpoint_interval = std::chrono::milliseconds(5),
                     .wal_bytes_max = kLogMax,
                     .checkpoint_wait = std::chrono::minutes(1)});
  std::atomic<bool> done{false};
  for (int i = 0; i < 200; ++i) put(**store, "first-" + std::to_string(i), "f" + std::to_string(i));
  accept(**store, 1);
  std::thread reader([&] {
    while (!done) scan_all(**store, {event_id(1), Platform::kApns}, 50);
  });
  std::uint64_t longest = 0;
  for (int batch = 0; batch < 100; ++batch) {
    std::vector<std::string> names;
    for (int i = 0; i < 200; ++i) names.push_back(std::to_string(batch * 200 + i));
    std::vector<DeviceRegistration> lines;
    for (const std::string& name : names) {
      lines.push_back({.app = "video", .device = name, .token = name, .subscriber = name});
    }
    ASSERT_TRUE((*store)->put_devices(lines, 1));
    longest = std::max(longest, (*store)->stats()->wal_bytes);
  }
  done = true;
  reader.join();
  EXPECT_LT(longest, kLogMax + 2 * kTransactionMax);
}

// --- erasure
// ---------------------------------------------------------------------------------------------

TEST_F(SqliteStoreFile, KeepsNothingOfAnErasedPerson) {
  const std::string name = "Margarethe-Unverwechselbar", device = "her-telephone-4711";
  const std::string token = "{\"endpoint\":\"https://push.example/very-own\"}";
  auto store = open();
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    put(**store, "d-" + n, "t-" + n, "u-" + n).value();
  }
  put(**store, device, token, name).value();
  const auto found = [&] {
    const std::string all = bytes(path()) + bytes(path() + "-wal");
    return all.find(name) != std::string::npos || all.find(device) != std::string::npos ||
           all.find("very-own") != std::string::npos;
  };
  ASSERT_TRUE(found()) << "or the test looks for the wrong thing";
  ASSERT_TRUE((*store)->erase_subscriber("video", name));
  EXPECT_TRUE(comes_true([&] { return !found(); })) << "while the store is open";
  store->reset();
  EXPECT_FALSE(found());
}

TEST_F(SqliteStoreFile, KeepsNothingOfAnErasedPersonWhoseTokensWereRemovedBefore) {
  const std::string name = "Margarethe-Unverwechselbar", other = "Balthasar-Anderswo";
  auto store = open();
  put(**store, "her-telephone-4711", "t-1", name).value();
  put(**store, "his-telephone-2342", "t-2", other).value();
  put(**store, "d-1", "t-3", "u-1").value();
  accept(**store, 1);
  const auto devices = scan_all(**store, {event_id(1), Platform::kApns});
  ASSERT_EQ(devices.size(), 3u);
  Checkpoint step{.job = {event_id(1), Platform::kApns}};
  step.added.rejected = 2;
  for (const ScannedDevice& device : devices) {
    if (device.token == "t-3") continue;
    step.removals.push_back({.position = device.position,
                             .token = device.token,
                             .dead_since_ms = 5'000,
                             .reason = "Unregistered"});
  }
  ASSERT_TRUE(record_now(**store, {step}));
  ASSERT_EQ((*store)->outcomes(0, 100)->rows.size(), 2u);
  ASSERT_FALSE((*store)->device("video", "her-telephone-4711")) << "it went";
  const auto found = [&](const std::string& text) {
    return (bytes(path()) + bytes(path() + "-wal")).find(text) != std::string::npos;
  };
  ASSERT_TRUE(found("her-telephone-4711")) << "or the test looks for the wrong thing";
  // The store knows neither telephone any more, and him not at all, but for what the feed says.
  ASSERT_TRUE((*store)->unsubscribe("video", "news", other));
  ASSERT_TRUE((*store)->erase_subscriber("video", other));
  EXPECT_FALSE((*store)->erase_subscriber("video", other)) << "now there is nothing";
  ASSERT_TRUE((*store)->erase_device("video", "her-telephone-4711"));
  EXPECT_FALSE((*store)->erase_device("video", "her-telephone-4711"));
  ASSERT_TRUE((*store)->erase_subscriber("video", name));
  const auto gone = [&] {
    return !found(name) && !found(other) && !found("her-telephone") && !found("his-telephone");
  };
  EXPECT_TRUE(comes_true(gone));
  EXPECT_TRUE((*store)->outcomes(0, 100)->rows.empty());
  store->reset();
  EXPECT_TRUE(gone());
}

TEST_F(SqliteStoreFile, KeepsNothingOfAnErasedPersonOrDeviceOfWhomEventsAreRunning) {
  const std::string person = "Margarethe-Unverwechselbar", telephone = "her-telephone-4711",
                    tablet = "her-tablet-0815", other = "Balthasar-Anderswo",
                    others = "his-telephone-2342";
  const std::string hex = "00c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55c0ffee66c0ffee77c0ffee";
  const std::string packed_hex = "\x11\xC0\xFF\xEE\x22\xC0\xFF\xEE\x33\xC0\xFF\xEE\x44\xC0\xFF\xEE";
  auto opened = open();
  Store& store = **opened;
  const std::string_view topics[] = {"news"}, own[] = {"tablets"};
  const auto register_device = [&](const std::string& name, const std::string& of,
                                   const std::string& token, const std::string& trait) {
    const std::string text = trait + "-a-text", member = trait + "-a-member",
                      version = "9." + trait;
    const std::string_view members[] = {member};
    const AttributeView attributes[] = {{"note", std::string_view(text)},
                                        {"list", std::span<const std::string_view>(members)}};
    const auto put =
        store.put_device({.app = "video",
                          .device = name,
                          .platform = token == hex ? Platform::kApns : Platform::kWebPush,
                          .token = token,
                          .subscriber = of,
                          .locale = "de",
                          .timezone = "Europe/Vienna",
                          .topics = topics,
                          .device_topics = own,
                          .app_version = version,
                          .attributes = attributes},
                         1000);
    ASSERT_TRUE(put) << put.error().message;
  };
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    register_device("d-" + n, "u-" + n, "{t-" + n + "}", "plain" + n);
  }
  register_device(telephone, person, hex, "distinctive");
  register_device(tablet, person, "{\"endpoint\":\"https://push.example/very-own\"}", "unmatched");
  register_device(others, other, "{\"endpoint\":\"https://push.example/his-own\"}", "singular");

  // One topic; names; several parts with a condition, which is written down.
  std::vector<NewEvent> events(3);
  events[0].audience.topics = {"news"};
  events[1].audience.subscribers = {person, other};
  events[1].audience.devices = {telephone, others};
  events[2].audience.topics = {"tablets"};
  events[2].audience.devices = {tablet};
  events[2].audience.condition = Condition{.kind = Condition::Kind::kInTopic, .topic = "news"};
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].id = event_id(static_cast<std::uint32_t>(i + 1));
    events[i].app = "video";
    events[i].content = "content";
    events[i].expires_ms = 90'000;
    ASSERT_TRUE(store.accept(events[i]));
    // A retry and a failure of the last two, who are these people.
    const JobKey job{events[i].id, Platform::kWebPush};
    const auto devices = scan_all(store, job);
    ASSERT_GE(devices.size(), 2u);
    const DevicePosition retried = devices[devices.size() - 2].position;
    Checkpoint checkpoint{.job = job};
    checkpoint.beyond = {retried, devices.back().position};
    checkpoint.added.rejected = 1;
    checkpoint.failures = {{.position = devices.back().position, .reason = "Unregistered"}};
    checkpoint.retries = {{.position = retried, .due_ms = 1, .reason = "Busy"}};
    const auto recorded = record_now(store, {checkpoint});
    ASSERT_TRUE(recorded) << recorded.error().message;
  }

  const std::vector<std::string> traces = {person,        telephone,   tablet,     other,
                                           others,        packed_hex,  "very-own", "his-own",
                                           "distinctive", "unmatched", "singular"};
  const auto found = [&] {
    const std::string all = bytes(path()) + bytes(path() + "-wal");
    std::vector<std::string> there;
    for (const std::string& trace : traces) {
      if (all.find(trace) != std::string::npos) there.push_back(trace);
    }
    return there;
  };
  ASSERT_EQ(found(), traces) << "or the test looks for the wrong thing";
  ASSERT_TRUE(store.erase_subscriber("video", person));
  ASSERT_TRUE(store.erase_device("video", others));
  // The other one goes on hearing the topic without a device, so their name stays ...
  EXPECT_TRUE(comes_true([&] { return found() == std::vector<std::string>{other}; }))
      << testing::PrintToString(found());
  ASSERT_TRUE(store.erase_subscriber("video", other));
  EXPECT_TRUE(comes_true([&] { return found().empty(); })) << testing::PrintToString(found());
  // ... and nothing comes back when the events end.
  for (const NewEvent& event : events) {
    const JobKey job{event.id, Platform::kWebPush};
    ASSERT_TRUE(record_now(store, {{.job = job, .state = EventState::kCancelled}}));
  }
  EXPECT_TRUE(found().empty());
  opened->reset();
  EXPECT_TRUE(found().empty());
}

// --- neighbours
// --------------------------------------------------------------------------------------------

TEST_F(SqliteStoreFile, TakesWritesOfTwoProcessesAtOnce) {
  ASSERT_TRUE(open());
  constexpr int kBatches = 20, kLines = 500;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto importer = open({.create = false});
    if (!importer) ::_exit(1);
    for (int batch = 0; batch < kBatches; ++batch) {
      std::vector<std::string> names;
      for (int i = 0; i < kLines; ++i) names.push_back("i" + std::to_string(batch * kLines + i));
      const std::vector<std::string_view> topics = {"news", "topic-of-the-importer"};
      std::vector<DeviceRegistration> lines;
      for (const std::string& name : names) {
        lines.push_back({.app = "video",
                         .device = name,
                         .token = name,
                         .subscriber = name,
                         .locale = {},
                         .timezone = {},
                         .topics = topics});
      }
      const auto result = (*importer)->put_devices(lines, 1);
      if (!result) ::_exit(2);
      for (const auto& line : *result) {
        if (!line) ::_exit(3);
      }
    }
    importer->reset();
    ::_exit(0);
  }
  auto relay = open({.exclusive = true});
  ASSERT_TRUE(relay);
  std::uint32_t events = 0;
  int devices = 0, status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const std::string n = std::to_string(devices);
    const auto result = put(**relay, "r" + n, "r" + n, "r" + n);
    ASSERT_TRUE(result) << result.error().message;
    ++devices;
    if (devices % 10 != 0) continue;
    // What is frozen is what a scan finds, although the importer writes on.
    const AcceptedEvent accepted = accept(**relay, ++events);
    const JobKey job{event_id(events), Platform::kApns};
    EXPECT_EQ(scan_all(**relay, job).size(), accepted.targeted[0]);
    const Checkpoint done{.job = job, .exhausted = true, .state = EventState::kCompleted};
    ASSERT_TRUE(record_now(**relay, {done}));
  }
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ((*relay)->stats()->devices, static_cast<std::uint64_t>(kBatches * kLines + devices));
  EXPECT_EQ((*relay)->topic("video", "news")->devices[0],
            static_cast<std::uint64_t>(kBatches * kLines + devices));
  relay->reset();
  expect_sound();
}

TEST_F(SqliteStoreFile, SaysThatAnotherProcessHoldsIt) {
  auto store = open({.busy_wait = std::chrono::milliseconds(30)});
  sqlite::Database other(path(), sqlite::Database::Access::kReadWrite);
  other.execute("BEGIN IMMEDIATE");
  const auto refused = put(**store, "d-1", "aa");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Error::Kind::kBusy);
  EXPECT_NE(refused.error().message.find("another process"), std::string::npos);
  EXPECT_FALSE((*store)->device("video", "d-1")) << "reading goes on";
  other.execute("COMMIT");
  EXPECT_TRUE(put(**store, "d-1", "aa"));
}

TEST_F(SqliteStoreFile, ReadsAFrozenAudienceWhileOthersComeAndGo) {
  constexpr int kOld = 400;
  auto store = open();
  std::vector<std::string> names;
  for (int i = 0; i < kOld; ++i) names.push_back("old-" + std::to_string(i));
  const std::vector<std::string_view> news = {"news"};
  std::vector<DeviceRegistration> lines;
  for (const std::string& name : names) {
    lines.push_back({.app = "video",
                     .device = name,
                     .token = name,
                     .subscriber = name,
                     .locale = {},
                     .timezone = {},
                     .topics = news});
  }
  ASSERT_TRUE((*store)->put_devices(lines, 1));
  accept(**store, 1);
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; !done; ++i) {
        const std::string name = "new-" + std::to_string(t) + "-" + std::to_string(i % 50);
        EXPECT_TRUE(put(**store, name, name + std::to_string(i)));
        if (i % 7 == 3) {
          EXPECT_TRUE((*store)->erase_device("video", name));
        }
      }
    });
  }
  std::vector<std::thread> readers;
  for (int t = 0; t < 6; ++t) {  // more than there are connections
    readers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(scan_all(**store, {event_id(1), Platform::kApns}, 37).size(),
                  static_cast<std::size_t>(kOld));
      }
    });
  }
  for (auto& reader : readers) reader.join();
  done = true;
  for (auto& writer : writers) writer.join();
  store->reset();
  expect_sound();
}

}  // namespace
}  // namespace carillon::store
