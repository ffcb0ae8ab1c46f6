// Damaged files: whatever stands in a chunk, a row or a page, each call ends with an answer or says
// that the store is damaged.
//
// CARILLON_FUZZ_SEEDS sets how many seeds run (otherwise as many as a few seconds allow),
// CARILLON_FUZZ_SEED one of them alone (seeds.h).
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "storage/sqlite/database.h"
#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/name_levels.h"
#include "storage/sqlite/store_inspection.h"
#include "storage/sqlite/trait_chunk.h"
#include "tests/seeds.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::store_fuzz_test {
namespace {

using sqlite::Database;

constexpr std::uint32_t kSeeds = 40;
constexpr unsigned kSeedSecondsMax = 60;  // a seed that takes longer hangs
constexpr int kSubscribers = 150;
constexpr std::array<std::uint64_t, 2> kYoungNames = {100, 300};  // of some 800

const char* const kChunkTables[] = {"sub",     "hot", "mem",      "devmem", "trait",
                                    "unusual", "hx",  "hx_young", "hx_new"};

class FuzzedStore {
 public:
  explicit FuzzedStore(const std::string& path) : path_(path) { make(); }

  // The file as it was made, with this seed's damage; what was done to it.
  std::string damage(std::uint32_t seed) {
    random_.seed(seed);
    restore();
    std::string done;
    for (std::size_t times = 1 + below(3); times > 0; --times) {
      try {
        done += (below(4) == 0 ? damage_pages() : damage_row()) + "; ";
      } catch (const sqlite::StoreFailure&) {
        done += "too damaged for more; ";
      }
    }
    return done;
  }
  std::size_t below(std::size_t count) { return random_() % count; }

 private:
  static std::string number(std::size_t i) { return std::to_string(i); }

  // Every structure that there is: all platforms, several devices a subscriber, none, stale ones,
  // traits, topics of subscribers and of devices, audiences of every kind, retries and failures.
  void make() {
    auto store = *open_sqlite_store({.path = path_, .young_names_max = kYoungNames});
    const std::string_view topics[] = {"news", "sports", "weather"};
    const std::string_view texts[] = {"a", "b"};
    const AttributeView attributes[] = {{.name = "plan", .value = std::string_view("pro")},
                                        {.name = "age", .value = 18.0},
                                        {.name = "ratio", .value = 0.5},
                                        {.name = "tags", .value = std::span(texts)}};
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      const std::string subscriber = "user-" + number(i);
      for (std::size_t d = 0; d <= i % 3; ++d) {
        const std::string name = "device-" + number(i) + "-" + number(d);
        const auto platform = static_cast<Platform>(1 + (i + d) % 3);
        const std::string token =
            platform == Platform::kApns  ? std::string(60, 'a') + number(1000 + i * 3 + d)
            : platform == Platform::kFcm ? "fcm:Token_of-some-length" + number(i * 3 + d)
                                         : "{\"endpoint\":\"https://push/" + name + "\"}";
        EXPECT_TRUE(
            store->put_device({.app = i % 10 == 9 ? "radio" : "video",
                               .device = name,
                               .platform = platform,
                               .token = token,
                               .subscriber = i % 7 == 6 ? std::string_view() : subscriber,
                               .locale = i % 2 ? "de" : "",
                               .timezone = i % 3 ? "Europe/Vienna" : "",
                               .topics = std::span(topics).first(i % 4),
                               .device_topics = std::span(topics).subspan(2, i % 5 == 0 ? 1 : 0),
                               .app_version = i % 2 ? "3.10" : "",
                               .attributes = std::span(attributes).first(i % 5)},
                              i % 11 == 0 ? 1 : 900'000'000'000));
      }
    }
    EXPECT_TRUE(store->subscribe("video", "news", "user-to-come", 1));
    EXPECT_TRUE(store->sweep_stale("video", StaleAction::kLeaveOut, 800'000'000'000, 0, 1'000));
    for (std::uint32_t e = 0; e < 3; ++e) accept(*store, e + 1, audience(e));
    Checkpoint checkpoint{.job = {event_id(1), Platform::kApns}, .cursor = 600};
    checkpoint.beyond = {1'000, 1'300};
    checkpoint.retries = {{.position = 258, .due_ms = 5, .attempts = 1, .reason = "Throttled"}};
    checkpoint.failures = {{.position = 512, .reason = "BadDeviceToken", .at_ms = 7}};
    checkpoint.added.rejected = 1;
    EXPECT_TRUE(record_now(*store, {checkpoint}));
    // Some who come after the audiences were frozen.
    for (std::size_t i = 0; i < 20; ++i) {
      const std::string name = "young-" + number(i);
      EXPECT_TRUE(store->put_device({.app = "video",
                                     .device = name,
                                     .token = name,
                                     .subscriber = "user-" + number(i),
                                     .locale = {},
                                     .timezone = {},
                                     .topics = std::span(topics).first(2)},
                                    950'000'000'000));
    }
    store.reset();
    split_chunks<sqlite::MemberFormat>("mem");
    split_chunks<sqlite::MemberFormat>("unusual");
    split_chunks<sqlite::DeviceMemberFormat>("devmem");
    for (const char* table : sqlite::kNameTables) split_chunks<sqlite::HashFormat>(table);
    split_chunks<sqlite::TraitFormat>("trait");
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    sound_ = all.str();
    const auto problems = check_sqlite_store(path_, true);
    ASSERT_TRUE(problems);
    EXPECT_TRUE(problems->empty()) << problems->front();
  }

  // Into chunks of a few entries, so that a small store has many neighbours.
  template <class Format>
  void split_chunks(const std::string& table) {
    Database database(path_, Database::Access::kReadWrite);
    std::vector<std::pair<std::uint64_t, std::string>> rows;
    {
      sqlite::Statement all(database, "SELECT k, d FROM " + table);
      for (sqlite::Cursor row = all.rows(); row.next();) {
        rows.emplace_back(row.natural(0), row.text(1));
      }
    }
    sqlite::Statement put(database, "INSERT OR REPLACE INTO " + table + " VALUES (?, ?)");
    for (const auto& [fence, bytes] : rows) {
      std::vector<typename Format::Entry> entries;
      Format::decode(fence, bytes, entries);
      for (std::size_t begin = 0; begin < entries.size();) {
        std::size_t end = std::min<std::size_t>(begin + 12, entries.size());
        while (end < entries.size() && entries[end].key == entries[end - 1].key) ++end;
        const std::uint64_t first = begin == 0 ? fence : entries[begin].key;
        std::string part;
        Format::encode(first, std::span(entries).subspan(begin, end - begin), part);
        put.run(first, sqlite::Blob{part});
        begin = end;
      }
    }
  }

  void restore() {
    for (const char* end : {"-wal", "-shm"}) std::filesystem::remove(path_ + end);
    write(sound_);
  }
  void write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

 public:
  static Audience audience(std::uint32_t kind) {
    Audience audience;
    if (kind == 0) audience.topics = {"news"};
    if (kind == 1) {
      audience.subscribers = {"user-3", "user-5", "user-11"};
      audience.devices = {"device-8-1"};
    }
    if (kind == 2) {
      audience.topics = {"weather"};
      audience.devices = {"device-8-1"};
      Condition in{.kind = Condition::Kind::kInTopic, .of = {}, .topic = "sports"};
      Condition locale{.kind = Condition::Kind::kCompare,
                       .of = {},
                       .topic = {},
                       .field = Condition::Field::kLocale,
                       .compare = Condition::Compare::kStartsWith,
                       .value = std::string("d")};
      Condition age = locale;
      age.field = Condition::Field::kAttribute;
      age.attribute = "age";
      age.compare = Condition::Compare::kGreater;
      age.value = 17.0;
      Condition zone = locale;
      zone.field = Condition::Field::kTimezone;
      zone.value = std::string("Europe/");
      Condition any{.kind = Condition::Kind::kOr, .of = {locale, age}};
      Condition none{.kind = Condition::Kind::kNot, .of = {zone}};
      audience.condition =
          Condition{.kind = Condition::Kind::kOr,
                    .of = {{.kind = Condition::Kind::kAnd, .of = {in, any}}, none}};
    }
    return audience;
  }
  static Result<AcceptedEvent> accept(Store& store, std::uint32_t number, Audience audience) {
    NewEvent event;
    event.id = event_id(number);
    event.app = "video";
    event.audience = std::move(audience);
    event.idempotency_key = "key-" + std::to_string(number);
    return store.accept(event);
  }

 private:
  std::string any_byte() { return std::string(1, static_cast<char>(random_())); }

  void damage_bytes(std::string& bytes) {
    const std::size_t at = bytes.empty() ? 0 : below(bytes.size());
    switch (below(8)) {
      case 0:  // cut at the end
        bytes.resize(at);
        break;
      case 1:  // longer
        for (std::size_t more = 1 + below(20); more > 0; --more) bytes += any_byte();
        break;
      case 2:  // something between
        bytes.insert(at, any_byte());
        break;
      case 3:  // something missing
        if (!bytes.empty()) bytes.erase(at, 1 + below(4));
        break;
      case 4:  // the highest numbers
        if (!bytes.empty()) bytes.replace(at, 1, below(2) ? "\xff\xff\xff\xff\x0f" : "\xff");
        break;
      case 5:  // a part twice
        bytes.insert(at, bytes.substr(at, 1 + below(40)));
        break;
      default:
        for (std::size_t flips = 1 + below(3); flips > 0 && !bytes.empty(); --flips) {
          char& byte = bytes[below(bytes.size())];
          byte = static_cast<char>(byte ^ (1 << below(8)));
        }
    }
  }

  struct BlobColumn {
    const char* table;
    const char* column;
  };
  // Through SQLite, whose pages stay whole.
  std::string damage_row() {
    static constexpr BlobColumn kOthers[] = {
        {"frozen", "d"}, {"audience", "positions"}, {"event", "definition"}, {"job", "beyond"}};
    BlobColumn in{kChunkTables[below(std::size(kChunkTables))], "d"};
    if (below(4) == 0) in = kOthers[below(std::size(kOthers))];
    Database database(path_, Database::Access::kReadWrite);
    if (below(12) == 0) return damage_number(database);
    const std::string table = in.table, column = in.column;
    std::string bytes, where;
    std::int64_t row_number = 0;
    {
      sqlite::Statement count(database, "SELECT count(*) FROM " + table);
      sqlite::Cursor row = count.rows();
      row.next();
      if (row.integer(0) == 0) return table + " is empty";
      row_number = static_cast<std::int64_t>(below(row.natural(0)));
    }
    const bool keyed = column == "d" && table != "frozen";
    const std::string key = keyed                 ? "k"
                            : table == "frozen"   ? "event * 1000000 + first"
                            : table == "event"    ? "n"
                            : table == "audience" ? "event * 1000 + platform"
                                                  : "event * 10 + platform";
    std::int64_t at = 0;
    {
      sqlite::Statement one(database, "SELECT " + key + ", " + column + " FROM " + table +
                                          " ORDER BY 1 LIMIT 1 OFFSET ?");
      sqlite::Cursor row = one.rows(row_number);
      row.next();
      at = row.integer(0);
      bytes = row.text(1);
    }
    const std::size_t what = below(10);
    if (what == 0) {
      sqlite::Statement(database, "DELETE FROM " + table + " WHERE " + key + " = ?").run(at);
      return "a row of " + table + " is gone";
    }
    if (what == 1 && keyed) {
      const std::int64_t to = below(3) == 0 ? static_cast<std::int64_t>(random_()) << 31
                                            : at + static_cast<std::int64_t>(below(600)) - 300;
      sqlite::Statement(database, "UPDATE OR IGNORE " + table + " SET k = ? WHERE k = ?")
          .run(to, at);
      return "a key of " + table + " is another";
    }
    if (what == 2 && keyed) {
      sqlite::Statement(database, "UPDATE " + table + " SET d = (SELECT d FROM " + table +
                                      " ORDER BY k LIMIT 1 OFFSET ?) WHERE k = ?")
          .run(row_number / 2, at);
      return "a row of " + table + " has another's content";
    }
    damage_bytes(bytes);
    sqlite::Statement(database, "UPDATE " + table + " SET " + column + " = ? WHERE " + key + " = ?")
        .run(sqlite::Blob{bytes}, at);
    return "a row of " + table;
  }

  std::string damage_number(Database& database) {
    static constexpr const char* kNumbers[] = {"UPDATE meta SET next_subscriber = ",
                                               "UPDATE meta SET clock = ",
                                               "UPDATE meta SET devices = ",
                                               "UPDATE topic SET apns = ",
                                               "UPDATE topic SET app = id * 0 + ",
                                               "UPDATE OR IGNORE topic SET id = id + ",
                                               "UPDATE app SET usual = ",
                                               "UPDATE app SET subscribers = ",
                                               "UPDATE OR IGNORE dict SET id = id + ",
                                               "UPDATE OR IGNORE attribute SET id = id + ",
                                               "UPDATE event SET kind = ",
                                               "UPDATE event SET state = ",
                                               "UPDATE event SET app = ",
                                               "UPDATE job SET topic = ",
                                               "UPDATE job SET frozen = ",
                                               "UPDATE job SET targeted = ",
                                               "UPDATE job SET cursor = ",
                                               "UPDATE OR IGNORE frozen SET first = first + ",
                                               "UPDATE OR IGNORE retry SET position = ",
                                               "UPDATE meta SET hash_key = x'00' || "};
    static constexpr const char* kValues[] = {"0",    "1",          "2",     "5",
                                              "-1",   "4294967295", "16384", "9223372036854775807",
                                              "NULL", "'x'",        "1.5"};
    const std::string sql =
        std::string(kNumbers[below(std::size(kNumbers))]) + kValues[below(std::size(kValues))];
    try {
      database.execute(sql);
    } catch (const sqlite::StoreFailure&) {
      // A constraint of the table's own said no.
    }
    return sql;
  }

  // In the file's own bytes.
  std::string damage_pages() {
    std::string bytes;
    {
      std::ifstream in(path_, std::ios::binary);
      std::ostringstream all;
      all << in.rdbuf();
      bytes = all.str();
    }
    if (below(12) == 0) {
      bytes.resize(bytes.size() - below(bytes.size() / 2));
      write(bytes);
      return "the file is cut to " + std::to_string(bytes.size());
    }
    for (std::size_t flips = 1 + below(20); flips > 0; --flips) {
      // Past the first page's head, which says what file it is and has tests of its own.
      const std::size_t at = 100 + below(bytes.size() - 100);
      bytes[at] = static_cast<char>(below(3) == 0 ? random_() : bytes[at] ^ (1 << below(8)));
    }
    write(bytes);
    return "bytes of its pages";
  }

  const std::string path_;
  std::string sound_;
  std::mt19937 random_;
};

class StoreFuzz : public testing::Test {
 protected:
  // An answer, or one of those that a caller can make something of.
  template <class T>
  void ends(const char* call, const Result<T>& result) {
    if (result) return;
    switch (result.error().kind) {
      case Error::Kind::kCorrupt:
      case Error::Kind::kNotFound:
      case Error::Kind::kInvalid:
      case Error::Kind::kFull:
        return;
      default:
        ADD_FAILURE() << call << ": " << result.error().message;
    }
  }

  void scan(Store& store, std::uint32_t event, Platform platform) {
    auto scan = store.scan({event_id(event), platform});
    ends("scan", scan);
    if (!scan) return;
    DevicePage page;
    DevicePosition after = 0, last = 0;
    for (int pages = 0;; ++pages) {
      ASSERT_LT(pages, 10'000) << "a scan that does not end";
      const auto read = (*scan)->read(after, 17, page);
      ends("read", read);
      if (!read) return;
      for (const auto& device : page.devices) {
        ASSERT_GT(device.position, last) << "nobody is read twice";
        last = device.position;
        ASSERT_LE(device.position, page.through);
        ASSERT_LE(std::size_t{device.token_offset} + device.token_length, page.tokens.size());
        ends("locale", (*scan)->locale(device.locale));
      }
      if (page.end) return;
      ASSERT_GT(page.through, after) << "a page must move on";
      after = page.through;
    }
  }

  void read_all(FuzzedStore& fuzzed, Store& store) {
    ends("stats", store.stats());
    ends("jobs", store.unfinished_jobs());
    ends("events", store.events({}, 10));
    for (std::uint32_t event = 1; event <= 3; ++event) {
      ends("event", store.event(event_id(event)));
      for (const Platform platform : {Platform::kApns, Platform::kFcm, Platform::kWebPush}) {
        scan(store, event, platform);
        ends("due_retries", store.due_retries({event_id(event), platform}, 10, 10, {}));
      }
      ends("count", store.count("video", FuzzedStore::audience(event - 1)));
    }
    for (int i = 0; i < 30; ++i) {
      const std::string n = std::to_string(fuzzed.below(kSubscribers));
      ends("device", store.device("video", "device-" + n + "-" + std::to_string(i % 3)));
    }
    for (const char* topic : {"news", "sports", "weather"})
      ends("topic", store.topic("video", topic));
  }

  void write_all(FuzzedStore& fuzzed, Store& store) {
    const std::string_view topics[] = {"news", "weather", "fresh"};
    for (int i = 0; i < 25; ++i) {
      const std::string n = std::to_string(fuzzed.below(kSubscribers));
      const std::string device = "device-" + n + "-" + std::to_string(i % 3);
      const std::string user = "user-" + std::to_string(fuzzed.below(kSubscribers));
      const std::string token = "token-" + std::to_string(i);
      switch (fuzzed.below(8)) {
        case 0:
          ends("erase_device", store.erase_device("video", device));
          break;
        case 1:
          ends("erase_subscriber", store.erase_subscriber("video", user));
          break;
        case 2:
          ends("subscribe", store.subscribe("video", "sports", user, 1));
          break;
        case 3:
          ends("unsubscribe", store.unsubscribe("video", "news", user));
          break;
        case 4:
          ends("subscribe_device", store.subscribe_device("video", "news", device));
          break;
        case 5: {
          Checkpoint checkpoint{.job = {event_id(1), Platform::kApns}, .cursor = 700};
          checkpoint.removals = {{.position = 256 * (1 + fuzzed.below(kSubscribers)),
                                  .token = {},
                                  .dead_since_ms = 990'000'000'000}};
          ends("record", record_now(store, {checkpoint}));
          break;
        }
        default:
          ends("put_device", store.put_device({.app = "video",
                                               .device = device,
                                               .platform = static_cast<Platform>(1 + i % 3),
                                               .token = token,
                                               .subscriber = user,
                                               .locale = "fr",
                                               .timezone = {},
                                               .topics = topics},
                                              970'000'000'000));
      }
    }
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) {
      names.push_back("device-" + std::to_string(fuzzed.below(kSubscribers)) + "-0");
    }
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
    ends("put_devices", store.put_devices(lines, 980'000'000'000));
    ends("sweep_stale",
         store.sweep_stale("video", StaleAction::kRemove, 800'000'000'000, 0, 1'000));
    for (std::uint32_t kind = 0; kind < 3; ++kind) {
      ends("accept", FuzzedStore::accept(store, 10 + kind, FuzzedStore::audience(kind)));
    }
    CompactionPlace place;
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 10'000) << "a compaction that does not end";
      const auto step = store.compact(place, 8'192);
      ends("compact", step);
      if (!step || step->end) break;
      place = step->place;
    }
  }

  void look(const std::string& path) {
    using What = Inspection::What;
    ends("check", check_sqlite_store(path, true));
    ends("summary", inspect_sqlite_store(path, {.what = What::kSummary}));
    ends("inspect device",
         inspect_sqlite_store(path,
                              {.what = What::kDevice, .first = "video", .second = "device-8-1"}));
    ends("inspect subscriber",
         inspect_sqlite_store(path,
                              {.what = What::kSubscriber, .first = "video", .second = "user-8"}));
    ends("inspect topic",
         inspect_sqlite_store(path, {.what = What::kTopic, .first = "video", .second = "news"}));
    for (const char* table : kChunkTables) {
      ends("inspect chunk",
           inspect_sqlite_store(path, {.what = What::kChunk, .first = table, .second = "9999"}));
    }
  }

  void run(FuzzedStore& fuzzed, std::uint32_t seed, const std::string& path) {
    const std::string damage = fuzzed.damage(seed);
    SCOPED_TRACE(damage);
    ::alarm(kSeedSecondsMax);
    look(path);
    if (auto store = open_sqlite_store({.path = path, .create = false})) {
      read_all(fuzzed, **store);
      write_all(fuzzed, **store);
      read_all(fuzzed, **store);
    } else {
      ends("open", store);
    }
    look(path);
    std::filesystem::remove(path + ".copy");
    ends("backup", backup_sqlite_store(path, path + ".copy"));
    ::alarm(0);
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
};

TEST_F(StoreFuzz, EveryCallOnADamagedFileEndsWithAnAnswerOrSaysThatItIsDamaged) {
  const std::string path = folder_.file("store.db");
  FuzzedStore fuzzed(path);
  if (HasFailure()) return;
  Seeds("FUZZ", kSeeds).each([&](std::uint32_t seed) { run(fuzzed, seed, path); });
}

}  // namespace
}  // namespace carillon::store::store_fuzz_test
