#include "storage/sqlite/name_levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <random>

#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/schema.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::sqlite::name_levels_test {
namespace {

using Entry = HashFormat::Entry;
using Edit = NameLevels::Edit;
using Key = std::pair<std::uint64_t, std::uint32_t>;

constexpr std::uint64_t kDevices = std::uint64_t{2} << 32;  // the group of devices' names

// Three tables in a store of their own, and what `meta` would know of them.
class NameLevelsTest : public testing::Test {
 protected:
  NameLevelsTest() : database_(folder_.file("store.db"), Database::Access::kCreate) {
    migrate(database_);
  }
  void limit(std::uint64_t newest, std::uint64_t young) {
    names_.emplace(database_, NameLimits{newest, young});
  }
  void apply(std::vector<Edit> edits) {
    std::sort(edits.begin(), edits.end(),
              [](const Edit& a, const Edit& b) { return HashFormat::before(a.entry, b.entry); });
    names_->apply(edits, levels_);
  }
  void add(std::uint64_t from, std::uint64_t to, std::uint64_t step = 1) {
    std::vector<Edit> edits;
    for (std::uint64_t i = from; i < to; i += step) edits.push_back({named(i), false});
    apply(edits);
  }
  static Entry named(std::uint64_t i) {
    return {kDevices + i * 1'000, static_cast<std::uint32_t>(i)};
  }
  void settle() { names_->settle(levels_); }

  std::vector<Key> in(std::size_t table) {
    std::vector<Key> found;
    std::vector<Entry> entries;
    Statement rows(database_,
                   std::string("SELECT k, d FROM ") + kNameTables[table] + " ORDER BY k");
    for (Cursor row = rows.rows(); row.next();) {
      entries.clear();
      HashFormat::decode(row.natural(0), row.bytes(1), entries);
      EXPECT_FALSE(entries.empty());
      for (const Entry& entry : entries) {
        EXPECT_TRUE(found.empty() || found.back() <= Key(entry.key, entry.subscriber));
        found.emplace_back(entry.key, entry.subscriber);
      }
    }
    return found;
  }
  std::vector<std::size_t> sizes() { return {in(0).size(), in(1).size(), in(2).size()}; }
  std::vector<Key> all() {
    std::vector<Key> names;
    for (std::size_t i = 0; i < kNameTables.size(); ++i) {
      const auto of = in(i);
      names.insert(names.end(), of.begin(), of.end());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::int64_t changes() const { return database_.total_changes(); }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  Database database_;
  std::optional<NameLevels> names_;
  NameLevels::Levels levels_;
};

using Sizes = std::vector<std::size_t>;

TEST_F(NameLevelsTest, StayInTheNewestTableUntilItIsFull) {
  limit(10, 20);
  add(0, 10);
  settle();
  EXPECT_EQ(sizes(), (Sizes{10, 0, 0})) << "as many as it may hold";
  add(10, 11);
  EXPECT_EQ(sizes(), (Sizes{11, 0, 0})) << "within a transaction it may hold more";
  settle();
  EXPECT_EQ(sizes(), (Sizes{0, 11, 0})) << "a chunk moves as a whole";
  EXPECT_EQ(levels_[0].entries, 0u);
  EXPECT_EQ(levels_[1].entries, 11u);
}

TEST_F(NameLevelsTest, MoveOnToTheLastTableWhenTheSecondIsFull) {
  limit(4, 20);
  for (std::uint64_t i = 0; i < 20; i += 5) {
    add(i, i + 5);
    settle();
  }
  EXPECT_EQ(sizes(), (Sizes{0, 20, 0}));
  add(20, 25);
  settle();
  EXPECT_EQ(sizes(), (Sizes{0, 0, 25}));
  EXPECT_EQ(levels_[1].entries, 0u);
}

TEST_F(NameLevelsTest, AreErasedInWhicheverTableTheyStand) {
  limit(4, 10);
  add(0, 12);
  settle();
  ASSERT_EQ(sizes(), (Sizes{0, 0, 12}));
  add(20, 27);
  settle();
  ASSERT_EQ(sizes(), (Sizes{0, 7, 12}));
  add(30, 33);
  settle();
  ASSERT_EQ(sizes(), (Sizes{3, 7, 12}));
  apply({{named(31), true}, {named(22), true}, {named(5), true}, {named(99), true}});
  settle();
  EXPECT_EQ(sizes(), (Sizes{2, 6, 11}));
  EXPECT_EQ(levels_[0].entries, 2u);
  EXPECT_EQ(levels_[1].entries, 6u);
  const auto names = all();
  for (const std::uint64_t gone : {31, 22, 5}) {
    EXPECT_FALSE(std::ranges::count(names, Key(named(gone).key, named(gone).subscriber))) << gone;
  }
}

TEST_F(NameLevelsTest, AreErasedOnceForEachTimeTheyStandThere) {
  limit(1, 100);
  apply({{named(1), false}, {named(1), false}});
  settle();
  apply({{named(1), false}});
  ASSERT_EQ(sizes(), (Sizes{1, 2, 0}));
  apply({{named(1), true}, {named(1), true}});
  EXPECT_EQ(sizes(), (Sizes{0, 1, 0})) << "the newest first";
  apply({{named(1), true}});
  EXPECT_EQ(sizes(), (Sizes{0, 0, 0}));
}

TEST_F(NameLevelsTest, WriteNothingForWhatIsNotThere) {
  limit(4, 100);
  add(0, 20);
  settle();
  add(20, 22);
  const std::int64_t before = changes();
  apply({{named(7'000), true}, {{named(3).key, 4'711}, true}});
  EXPECT_EQ(changes(), before);
  EXPECT_EQ(all().size(), 22u);
}

// Each move takes what is next by key, so that everything moves in its turn and with neighbours.
TEST_F(NameLevelsTest, MoveRoundByKey) {
  limit(4'000, 1'000'000);
  std::uint64_t next = 0;
  int moves = 0, rounds = 0;
  for (std::uint64_t batch = 0; batch < 40; ++batch) {
    add(batch, 16'000, 40);  // among all the others
    settle();
    EXPECT_LE(levels_[0].entries, 4'000u);
    if (levels_[0].next == next) continue;
    ++moves;
    if (levels_[0].next < next) ++rounds;
    next = levels_[0].next;
  }
  EXPECT_GE(rounds, 1);
  EXPECT_GT(moves, 2 * rounds) << "a part of the table each";
  EXPECT_EQ(levels_[0].entries, in(0).size());
  EXPECT_EQ(levels_[0].entries + levels_[1].entries, 16'000u);
  EXPECT_EQ(all().size(), 16'000u);
}

TEST_F(NameLevelsTest, OfALargeBatchArriveInOrderWhereTheyBelong) {
  limit(50, 3'000);
  add(0, 60'000, 3);  // more than move at once
  settle();
  EXPECT_LE(sizes()[0], 50u);
  EXPECT_LE(sizes()[1], 3'000u);
  EXPECT_EQ(all().size(), 20'000u);
}

// Keys of three kinds, duplicates, erasures of what is and of what is not there.
TEST_F(NameLevelsTest, AreAfterAnyEditsWhatAListWouldBe) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    for (const char* table : kNameTables) database_.execute(std::string("DELETE FROM ") + table);
    levels_ = {};
    std::mt19937 random(seed);
    const auto below = [&](std::uint32_t most) {
      return static_cast<std::uint32_t>(random() % most);
    };
    limit(1 + below(40), 1 + below(300));
    std::multimap<Key, int> model;
    database_.execute("BEGIN");
    for (int step = 0; step < 60; ++step) {
      std::map<Key, int> changes;
      for (std::uint32_t i = below(30); i > 0; --i) {
        const Key key{(std::uint64_t{1} + below(3)) << 32 | below(400) * 9'999'991, below(3)};
        changes[key] += below(3) == 0 ? -1 : 1;
      }
      std::vector<Edit> edits;
      for (const auto& [key, change] : changes) {
        for (int i = 0; i < change; ++i) {
          model.emplace(key, 0);
          edits.push_back({{key.first, key.second}, false});
        }
        for (int i = 0; i > change; --i) {
          if (const auto found = model.find(key); found != model.end()) model.erase(found);
          edits.push_back({{key.first, key.second}, true});
        }
      }
      apply(edits);
      if (below(3) != 0) settle();
      std::vector<Key> expected;
      for (const auto& [key, ignored] : model) expected.push_back(key);
      ASSERT_EQ(all(), expected);
      ASSERT_EQ(levels_[0].entries, in(0).size());
      ASSERT_EQ(levels_[1].entries, in(1).size());
    }
    database_.execute("ROLLBACK");
  }
}

TEST_F(NameLevelsTest, ThatAreFewerThanCountedAreDamage) {
  limit(10, 20);
  add(0, 5);
  levels_[0].entries = 50;
  try {
    settle();
    FAIL() << "moved what is not there";
  } catch (const StoreFailure& failure) {
    EXPECT_EQ(failure.error.kind, Error::Kind::kCorrupt);
  }
}

TEST_F(NameLevelsTest, InChunksThatOverlapAreDamage) {
  limit(1, 20);
  for (const std::uint64_t fence : {0, 3}) {
    std::string bytes;
    const Entry entries[] = {named(fence), named(fence + 10)};
    HashFormat::encode(named(fence).key, entries, bytes);
    Statement(database_, "INSERT INTO hx_new VALUES (?, ?)").run(named(fence).key, Blob{bytes});
  }
  levels_[0].entries = 4;
  EXPECT_THROW(settle(), StoreFailure);
}

TEST_F(NameLevelsTest, AreFoundInAllTables) {
  limit(4, 10);
  add(0, 12);
  settle();
  add(20, 27);
  settle();
  add(30, 33);
  settle();
  ASSERT_EQ(sizes(), (Sizes{3, 7, 12}));
  AudienceTables tables(database_);
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 0; i < 40; i += 5) keys.push_back(named(i).key);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
  tables.find_hints(keys, found);
  std::sort(found.begin(), found.end());
  std::vector<std::uint32_t> subscribers;
  for (const auto& [key, subscriber] : found) subscribers.push_back(subscriber);
  EXPECT_EQ(subscribers, (std::vector<std::uint32_t>{0, 5, 10, 20, 25, 30}));
}

}  // namespace
}  // namespace carillon::store::sqlite::name_levels_test
