// Upkeep of the file, inside the writer's transaction: what erasures left sparse is packed, and
// free pages go back to the file system.
//
// Table by table, each from front to back, then the free pages. Where a step ends is told to the
// caller, who hands it to the next step: nothing is kept here or in the file in between, so a crash
// loses no more than how far it was. What is written behind the walk's back is left for next time.
#pragma once

#include <cstdint>

#include "storage/sqlite/chunk_repacker.h"
#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/trait_chunk.h"

namespace carillon::store::sqlite {

// From this share of free pages on a compaction rewrites what it passes instead of only joining
// sparse chunks: what is between the free pages is then sparse, too.
inline constexpr std::int64_t kRewriteFreeShare = 4;  // one page in so many

class CompactionEdit {
 public:
  explicit CompactionEdit(Database& database);

  // `oldest`: marks that only audiences older than it ask for are forgotten.
  CompactionStep step(CompactionPlace place, std::size_t bytes_max, std::uint64_t oldest);

 private:
  enum Stage : std::uint8_t {
    kHot,
    kMem,
    kDevmem,
    kTrait,
    kUnusual,
    kHxNew,
    kHxYoung,
    kHx,
    kSub,
    kFree,
    kStages
  };

  RepackedWindow repack(const CompactionPlace& place, std::size_t bytes_max, std::uint64_t oldest);
  RepackedWindow rewrite_subscribers(const CompactionPlace& place, std::size_t bytes_max);
  RepackedWindow give_back(std::size_t bytes_max);
  double done(const CompactionPlace& place);
  std::uint64_t last_key(std::uint8_t stage);

  Database& database_;
  ChunkRepacker<HotFormat> hot_;
  ChunkRepacker<MemberFormat> members_, unusual_;
  ChunkRepacker<DeviceMemberFormat> device_members_;
  ChunkRepacker<TraitFormat> traits_;
  ChunkRepacker<YoungHashFormat> new_names_, young_names_;
  ChunkRepacker<HashFormat> names_;
  RowWindow subscribers_;
};

}  // namespace carillon::store::sqlite
