// The tables, their version, and the ordered steps that lead an older file to them.
#pragma once

#include <cstdint>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

inline constexpr std::int64_t kApplicationId = 0x4361726c;  // "Carl", in PRAGMA application_id
inline constexpr std::int64_t kFormatVersion = 4;           // PRAGMA user_version
inline constexpr std::int64_t kPageBytes = 4096;            // chunk sizes are made for it

enum class FileState : std::uint8_t { kEmpty, kStore };

// Refuses other people's files (kCorrupt) and newer stores (kNewerVersion); changes nothing.
FileState identify(Database& database);

// Whether free pages can go back to the file system. Stores made before compaction came cannot.
bool can_shrink(Database& database);

// Creates the tables in an empty file, or takes an older store step by step to this version; each
// step is one transaction. For a connection that may write.
void migrate(Database& database);

}  // namespace carillon::store::sqlite
