// A chunk as people may look at it: its entries, and where it stops making sense.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/store_inspection.h"

namespace carillon::store::sqlite {

enum class ChunkDetail : std::uint8_t { kCount, kEntries, kEntriesWithTokens };

struct ChunkView {
  std::uint64_t entries = 0;  // that could be read
  std::string damage;         // a sentence; empty: all of it could be read
  std::vector<Fields> lines;  // one an entry, unless they are only counted
};
// `table` is one of kInspectedTables. Never fails: what does not decode is the view's damage.
ChunkView view_chunk(std::string_view table, std::uint64_t fence, std::string_view bytes,
                     ChunkDetail detail);

// How much a chunk of the table may have; 0: a row of `sub`.
std::size_t chunk_bytes_max(std::string_view table);

// All of it, or its first characters and how many there are.
std::string shown_token(std::string_view token, bool whole);
std::string_view name_of(Platform platform);
std::string text_of(const AttributeValue& value);
std::string hex_of(std::string_view bytes);
std::string hex_of(const EventId& id);  // as a UUID

}  // namespace carillon::store::sqlite
