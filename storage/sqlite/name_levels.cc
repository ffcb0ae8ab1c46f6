#include "storage/sqlite/name_levels.h"

#include <algorithm>

namespace carillon::store::sqlite {
namespace {

// Entries that move at once: 24 bytes each. As they ascend, more at once would save no page.
constexpr std::uint64_t kMovedMax = 16'384;
constexpr std::uint64_t kMarksAskedFor = 0;  // names have none

}  // namespace

NameLevels::Young::Young(Database& database, const std::string& table)
    : chunks(database, table),
      from(database, "SELECT k, d FROM " + table + " WHERE k >= ? ORDER BY k"),
      erase(database, "DELETE FROM " + table + " WHERE k BETWEEN ? AND ?") {}

NameLevels::NameLevels(Database& database, const NameLimits& limits)
    : limits_(limits),
      young_{Young(database, kNameTables[0]), Young(database, kNameTables[1])},
      main_(database, kNameTables[2]) {}

void NameLevels::apply(std::span<const Edit> edits, Levels& levels) {
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (edits.empty()) return;
    missed_.clear();
    young_[i].chunks.apply(edits, kMarksAskedFor, &missed_);
    const auto erasures = static_cast<std::size_t>(
        std::count_if(edits.begin(), edits.end(), [](const Edit& edit) { return edit.erase; }));
    const std::size_t erased = erasures - missed_.size();
    levels[i].entries += edits.size() - erasures;
    if (levels[i].entries < erased) fail_corrupt("the count of its names");
    levels[i].entries -= erased;
    std::swap(sought_, missed_);
    edits = sought_;  // insertions are done: only what is to be erased goes on
  }
  main_.apply(edits, kMarksAskedFor);
}

void NameLevels::settle(Levels& levels) {
  for (std::size_t i = 0; i < levels.size(); ++i) {
    while (levels[i].entries > limits_[i]) {
      take(i, std::min(levels[i].entries - limits_[i], kMovedMax), levels);
      if (i + 1 < levels.size()) {
        young_[i + 1].chunks.apply(moved_, kMarksAskedFor);
        levels[i + 1].entries += moved_.size();
      } else {
        main_.apply(moved_, kMarksAskedFor);
      }
    }
  }
}

// Whole chunks, from where the last move ended; at the table's end from its beginning.
void NameLevels::take(std::size_t level, std::uint64_t wanted, Levels& levels) {
  Young& young = young_[level];
  Level& now = levels[level];
  moved_.clear();
  for (int rounds = 0; moved_.empty(); ++rounds) {
    if (rounds == 2) fail_corrupt("the count of its names");
    std::uint64_t first = 0, last = 0;
    {
      Cursor row = young.from.rows(now.next);
      while (moved_.size() < wanted && row.next()) {
        last = row.natural(0);
        if (moved_.empty()) first = last;
        entries_.clear();
        YoungHashFormat::decode(last, row.bytes(1), entries_);
        if (entries_.empty()) fail_corrupt("a chunk without entries");
        for (const HashFormat::Entry& entry : entries_) {
          if (!moved_.empty() && HashFormat::before(entry, moved_.back().entry)) {
            fail_corrupt("the order of chunks");
          }
          moved_.push_back({entry, false});
        }
      }
    }
    now.next = moved_.size() < wanted ? 0 : last + 1;
    if (!moved_.empty()) young.erase.run(first, last);
  }
  if (now.entries < moved_.size()) fail_corrupt("the count of its names");
  now.entries -= moved_.size();
}

}  // namespace carillon::store::sqlite
