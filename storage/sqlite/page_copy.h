// Every page of a store, as of one moment, into another file.
#pragma once

#include "storage/device_export.h"
#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

// From one snapshot, which lasts as long as the copying. `to` is an empty file that nobody else
// has; a crash leaves it in any state. Leaves `to` without a journal, in one connection's hands.
void copy_pages(Database& from, Database& to, const CopyProgress& progress);

}  // namespace carillon::store::sqlite
