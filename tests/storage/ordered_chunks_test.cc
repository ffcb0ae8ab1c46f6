#include "storage/sqlite/ordered_chunks.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::sqlite {
namespace {

// Chunks of a few bytes, so that every edge of a split and a join is met: one byte an entry, groups
// of a hundred keys.
struct TinyFormat {
  struct Entry {
    std::uint64_t key = 0;
  };
  static constexpr std::size_t kBytesMax = 8;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr bool kMultiple = true;
  static std::uint64_t group(std::uint64_t key) { return key / 100 * 100; }
  static bool before(const Entry& a, const Entry& b) { return a.key < b.key; }
  static std::size_t bytes(std::uint64_t, const Entry&) { return 1; }
  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    for (const char byte : bytes) out.push_back({fence += static_cast<std::uint64_t>(byte)});
  }
  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    for (const Entry& entry : entries) {
      out.push_back(static_cast<char>(entry.key - fence));
      fence = entry.key;
    }
  }
  static void settle(Entry&, std::uint64_t) {}
};

constexpr std::uint64_t kNothingRuns = ~std::uint64_t{0};

template <class Format>
class Chunks {
 public:
  using Edit = typename OrderedChunks<Format>::Edit;
  using Entry = typename Format::Entry;
  struct Row {
    std::uint64_t fence = 0;
    std::size_t bytes = 0;
    std::vector<Entry> entries;
  };

  Chunks() : database_(":memory:", Database::Access::kCreate) {
    database_.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, d BLOB NOT NULL)");
    chunks_.emplace(database_, "t");
  }
  void insert(Entry entry) { apply({{entry, false}}); }
  void erase(Entry entry) { apply({{entry, true}}); }
  void apply(const std::vector<Edit>& edits, std::uint64_t oldest = kNothingRuns) {
    chunks_->apply(edits, oldest);
  }

  // As damage may leave it.
  void put_row(std::uint64_t fence, const std::vector<Entry>& entries) {
    std::string bytes;
    Format::encode(fence, entries, bytes);
    Statement(database_, "INSERT INTO t VALUES (?, ?)").run(fence, Blob{bytes});
  }
  std::int64_t changes() const { return sqlite3_total_changes64(database_.handle()); }

  // All chunks; checks the laws of ordered_chunks.h.
  std::vector<Row> rows() {
    std::vector<Row> rows;
    Statement all(database_, "SELECT k, d FROM t ORDER BY k");
    for (Cursor row = all.rows(); row.next();) {
      Row& chunk = rows.emplace_back();
      chunk.fence = row.natural(0);
      chunk.bytes = row.bytes(1).size();
      kept_.emplace_back(row.bytes(1));
      Format::decode(chunk.fence, kept_.back(), chunk.entries);
      EXPECT_FALSE(chunk.entries.empty()) << "an empty chunk";
      if (chunk.entries.empty()) continue;
      EXPECT_GE(chunk.entries.front().key, chunk.fence);
      EXPECT_EQ(Format::group(chunk.entries.back().key), Format::group(chunk.fence));
      const bool one_key = chunk.entries.front().key == chunk.entries.back().key;
      EXPECT_TRUE(chunk.bytes <= Format::kBytesMax || one_key) << chunk.bytes;
      if (rows.size() > 1) {
        EXPECT_LT(rows[rows.size() - 2].entries.back().key, chunk.fence);
      }
    }
    return rows;
  }
  std::vector<std::uint64_t> keys() {
    std::vector<std::uint64_t> keys;
    for (const Row& row : rows()) {
      for (const Entry& entry : row.entries) keys.push_back(entry.key);
    }
    return keys;
  }
  std::vector<std::size_t> sizes() {
    std::vector<std::size_t> sizes;
    for (const Row& row : rows()) sizes.push_back(row.entries.size());
    return sizes;
  }
  Database& database() { return database_; }

 private:
  Database database_;
  std::optional<OrderedChunks<Format>> chunks_;
  std::deque<std::string> kept_;
};

using Sizes = std::vector<std::size_t>;

TEST(OrderedChunks, StandInOneChunkUntilItIsFull) {
  Chunks<TinyFormat> chunks;
  for (std::uint64_t i = 0; i < 8; ++i) chunks.insert({50 - i});
  EXPECT_EQ(chunks.sizes(), Sizes{8});
  chunks.insert({40});
  EXPECT_EQ(chunks.sizes(), (Sizes{5, 4})) << "one more splits it in the middle";
}

TEST(OrderedChunks, SplitInTwoAndLeaveNoCrumbs) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Chunks<HashFormat> chunks;
    while (chunks.rows().size() < 2) chunks.insert({std::uint64_t{1} << 32 | random(), 1});
    const auto rows = chunks.rows();
    ASSERT_EQ(rows.size(), 2u);
    for (const auto& row : rows) EXPECT_GT(row.bytes, HashFormat::kBytesMax * 4 / 10);
  }
}

TEST(OrderedChunks, StayFullWhereEntriesOnlyArriveAtTheEnd) {
  Chunks<TinyFormat> chunks;
  for (std::uint64_t i = 0; i < 20; ++i) chunks.insert({i});
  EXPECT_EQ(chunks.sizes(), (Sizes{8, 8, 4}));
  std::vector<Chunks<TinyFormat>::Edit> batch;
  for (std::uint64_t i = 20; i < 60; ++i) batch.push_back({{i}, false});
  chunks.apply(batch);
  EXPECT_EQ(chunks.sizes(), (Sizes{8, 8, 8, 8, 8, 8, 8, 4}));
}

TEST(OrderedChunks, JoinTheNextOneWhenNearlyEmpty) {
  Chunks<TinyFormat> chunks;
  for (std::uint64_t i = 0; i < 12; ++i) chunks.insert({i});
  ASSERT_EQ(chunks.sizes(), (Sizes{8, 4}));
  for (std::uint64_t i = 0; i < 6; ++i) chunks.erase({i});
  EXPECT_EQ(chunks.sizes(), (Sizes{2, 4})) << "two of eight are not below a quarter";
  chunks.erase({6});
  EXPECT_EQ(chunks.sizes(), Sizes{5});
  EXPECT_EQ(chunks.rows()[0].fence, 0u) << "the fence of the first stands";
}

TEST(OrderedChunks, JoinTheOneBeforeWhenTheNextIsTooFull) {
  Chunks<TinyFormat> chunks;
  for (std::uint64_t i = 0; i < 24; ++i) chunks.insert({i});
  ASSERT_EQ(chunks.sizes(), (Sizes{8, 8, 8}));
  for (std::uint64_t i = 0; i < 4; ++i) chunks.erase({i});
  for (std::uint64_t i = 8; i < 15; ++i) chunks.erase({i});
  EXPECT_EQ(chunks.sizes(), (Sizes{5, 8}));
}

TEST(OrderedChunks, GoWhenTheLastEntryGoesAndComeBackAtTheirBase) {
  Chunks<TinyFormat> chunks;
  chunks.insert({150});
  EXPECT_EQ(chunks.rows()[0].fence, 100u);
  chunks.insert({205});
  chunks.erase({150});
  EXPECT_EQ(chunks.keys(), std::vector<std::uint64_t>{205});
  chunks.erase({205});
  EXPECT_TRUE(chunks.rows().empty());
  chunks.erase({205});
  chunks.insert({299});
  EXPECT_EQ(chunks.rows()[0].fence, 200u);
}

TEST(OrderedChunks, TakeEntriesBeforeTheFirstFence) {
  Chunks<TinyFormat> chunks;
  for (std::uint64_t i = 110; i < 126; ++i) chunks.insert({i});
  for (std::uint64_t i = 110; i < 118; ++i) chunks.erase({i});
  ASSERT_EQ(chunks.rows()[0].fence, 118u) << "the chunk at the group's base is gone";
  chunks.insert({105});
  EXPECT_EQ(chunks.rows()[0].fence, 100u);
  EXPECT_EQ(chunks.keys().front(), 105u);
}

TEST(OrderedChunks, NeverPartEqualKeys) {
  Chunks<TinyFormat> chunks;
  for (int i = 0; i < 30; ++i) chunks.insert({42});
  EXPECT_EQ(chunks.sizes(), Sizes{30}) << "larger than a chunk, but together";
  chunks.insert({41});
  chunks.insert({43});
  EXPECT_EQ(chunks.sizes(), (Sizes{1, 30, 1}));
  chunks.erase({42});
  EXPECT_EQ(chunks.keys().size(), 31u) << "one of the equal ones goes";
}

// Their entries would be written out of order, and none could be read any more.
TEST(OrderedChunks, AreNotJoinedWhereDamageMadeThemOverlap) {
  Chunks<TinyFormat> next, before;
  next.put_row(0, {{1}, {50}});
  next.put_row(20, {{21}});
  before.put_row(0, {{1}, {50}});
  before.put_row(20, {{21}, {22}});
  for (const auto& [chunks, erased] : {std::pair(&next, 1), std::pair(&before, 22)}) {
    const std::int64_t changes = chunks->changes();
    try {
      chunks->erase({static_cast<std::uint64_t>(erased)});
      ADD_FAILURE() << "they were joined";
    } catch (const StoreFailure& failure) {
      EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
    }
    EXPECT_EQ(chunks->changes(), changes);
  }
}

TEST(OrderedChunks, AgreeWithAMultisetWhateverHappens) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Chunks<TinyFormat> chunks;
    std::multiset<std::uint64_t> expected;
    for (int round = 0; round < 60; ++round) {
      std::map<std::uint64_t, int> changes;
      for (std::size_t i = random() % 40 + 1; i > 0; --i) {
        changes[random() % 400] = random() % 100 < 45 + seed % 10 ? 1 : -1;
      }
      std::vector<Chunks<TinyFormat>::Edit> edits;
      for (const auto& [key, change] : changes) {
        edits.push_back({{key}, change < 0});
        if (change > 0) {
          expected.insert(key);
        } else if (const auto found = expected.find(key); found != expected.end()) {
          expected.erase(found);
        }
      }
      chunks.apply(edits);
      ASSERT_EQ(chunks.keys(), std::vector<std::uint64_t>(expected.begin(), expected.end()));
    }
  }
}

// --- the real formats
// ------------------------------------------------------------------------------

TEST(MemberChunk, KeepsTheYoungApartUntilNobodyAsks) {
  Chunks<MemberFormat> chunks;
  const auto key = [](std::uint32_t id) { return member_key(3, id); };
  chunks.apply({{{key(5), 0}, false}, {{key(9), 12}, false}, {{key(70'000), 15}, false}}, 10);
  auto entries = chunks.rows()[0].entries;
  EXPECT_EQ(entries[0].since, 0u);
  EXPECT_EQ(entries[1].since, 12u);
  EXPECT_EQ(entries[2].since, 15u);
  chunks.apply({{{key(6), 16}, false}}, 12);
  entries = chunks.rows()[0].entries;
  EXPECT_EQ(entries[2].since, 0u) << "the oldest audience that runs is not older than it";
  EXPECT_EQ(entries[3].since, 15u);
  chunks.apply({{{key(9), 17}, false}}, 12);
  EXPECT_EQ(chunks.rows()[0].entries[2].since, 17u) << "it left and came back";
}

TEST(MemberChunk, CostsAByteForEachOfManySubscribers) {
  Chunks<MemberFormat> chunks;
  std::vector<Chunks<MemberFormat>::Edit> edits;
  for (std::uint32_t id = 1; id <= 10'000; ++id) edits.push_back({{member_key(1, id), 0}, false});
  chunks.apply(edits);
  std::size_t bytes = 0;
  for (const auto& row : chunks.rows()) bytes += row.bytes;
  EXPECT_LT(bytes, 10'100u);
}

template <class Format>
void expect_no_harm(const std::string& chunk, std::uint64_t fence) {
  std::mt19937 random(11);
  std::vector<typename Format::Entry> entries;
  for (int i = 0; i < 5'000; ++i) {
    std::string damaged = chunk.substr(0, random() % (chunk.size() + 1));
    for (std::size_t flips = random() % 4; flips > 0 && !damaged.empty(); --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    entries.clear();
    try {
      Format::decode(fence, damaged, entries);
      EXPECT_LE(entries.size(), damaged.size());
    } catch (const StoreFailure& failure) {
      EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
    }
  }
}

TEST(Chunks, AreReadWithoutHarmWhateverTheyHold) {
  std::string chunk;
  const std::vector<MemberFormat::Entry> members = {{member_key(1, 2), 0},
                                                    {member_key(1, 300), 9},
                                                    {member_key(1, 301), 0},
                                                    {member_key(1, 90'000), 400}};
  MemberFormat::encode(member_key(1, 0), members, chunk);
  expect_no_harm<MemberFormat>(chunk, member_key(1, 0));
  chunk.clear();
  const std::vector<HashFormat::Entry> names = {{(1ull << 32) + 5, 7}, {(1ull << 32) + 90'000, 8}};
  HashFormat::encode(1ull << 32, names, chunk);
  expect_no_harm<HashFormat>(chunk, 1ull << 32);
  chunk.clear();
  std::string hex_token, letters;
  const TokenCode hex_code = pack_token(std::string(64, 'a'), hex_token);
  const TokenCode letter_code = pack_token("x:APA91" + std::string(50, 'Z'), letters);
  const std::vector<HotDevice> devices = {
      {.key = position_of(3, 0), .token = hex_token, .code = hex_code},
      {.key = position_of(3, 4),
       .since = 77,
       .token = letters,
       .locale = 300,
       .platform = Platform::kFcm,
       .code = letter_code},
      {.key = position_of(90'000, 0), .token = hex_token, .locale = 1, .code = hex_code}};
  HotFormat::encode(position_of(2, 0), devices, chunk);
  std::vector<HotDevice> back;
  HotFormat::decode(position_of(2, 0), chunk, back);
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(back[1].key, position_of(3, 4));
  EXPECT_EQ(back[1].since, 77u);
  EXPECT_EQ(back[1].locale, 300);
  EXPECT_EQ(back[1].token, letters);
  EXPECT_EQ(back[2].key, position_of(90'000, 0));
  expect_no_harm<HotFormat>(chunk, position_of(2, 0));
}

TEST(HotChunk, TakesATokenThatIsLargerThanAChunk) {
  Chunks<HotFormat> chunks;
  std::string packed;
  const TokenCode code = pack_token(std::string(kTokenBytesMax, '{'), packed);
  for (std::uint32_t id = 1; id <= 5; ++id) {
    chunks.insert({.key = position_of(id, 0), .token = packed, .code = code});
  }
  EXPECT_EQ(chunks.sizes(), (Sizes{1, 1, 1, 1, 1}));
  chunks.erase({.key = position_of(3, 0)});
  EXPECT_EQ(chunks.keys().size(), 4u);
}

}  // namespace
}  // namespace carillon::store::sqlite
