// The names of `hx`, written in three steps: a new name comes to `hx_new`, which is so small that
// the names of one commit share its pages; from there with its neighbours to `hx_young`, and from
// there with more of them to `hx`. In a store of ten million devices, where `hx` has 47,000 pages,
// a page of it is so written once for eight names, not for each.
//
//   name   := (key, subscriber), in exactly one of the tables (hash_chunk.h)
//   levels := hx_new, hx_young, hx: newest first. A look-up asks all of them; in one snapshot, as a
//             name that goes from one table to the next is one that was there.
//   meta   := for the first two how many entries they have, and the key that the next move goes on
//             from: moves go round by key, so that each takes neighbours and everything moves on
//
// A name that goes is looked for from the newest on and erased where it stands: at once and in all
// places, so that an erasure leaves nothing.
//
// Crashes: a change and the moves that follow from it are of one transaction with `meta`.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/sqlite/database.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/ordered_chunks.h"

namespace carillon::store::sqlite {

// All tables with names, newest first.
inline constexpr std::array<const char*, 3> kNameTables = {"hx_new", "hx_young", "hx"};
inline constexpr std::size_t kYoungNameTables = kNameTables.size() - 1;

// Entries that `hx_new` and `hx_young` hold at most at the end of a transaction.
using NameLimits = std::array<std::uint64_t, kYoungNameTables>;

class NameLevels {
 public:
  using Edit = ChunkEdit<HashFormat::Entry>;
  struct Level {
    std::uint64_t entries = 0;
    std::uint64_t next = 0;  // the key that the next move begins at
    friend bool operator==(const Level&, const Level&) = default;
  };
  using Levels = std::array<Level, kYoungNameTables>;  // as `meta` has them

  NameLevels(Database& database, const NameLimits& limits);

  // Ascending edits. What is not there to be erased is passed over.
  void apply(std::span<const Edit> edits, Levels& levels);
  // Moves on what is above the limits; once a transaction, at its end. kCorrupt: there are fewer
  // entries than `levels` says.
  void settle(Levels& levels);

 private:
  void take(std::size_t level, std::uint64_t wanted, Levels& levels);

  struct Young {
    Young(Database& database, const std::string& table);
    OrderedChunks<YoungHashFormat> chunks;
    Statement from, erase;
  };
  const NameLimits limits_;
  std::array<Young, kYoungNameTables> young_;
  OrderedChunks<HashFormat> main_;
  std::vector<Edit> sought_, missed_, moved_;
  std::vector<HashFormat::Entry> entries_;
};

}  // namespace carillon::store::sqlite
