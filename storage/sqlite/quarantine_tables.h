// The table of devices in quarantine: a row each, by position. That a device is in no audience
// stands in `hot` and `sub`, as for one that is stale; the row says why, and is what tells the two
// apart. Used by the writer's connection and by every reader's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/quarantine.h"
#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

struct QuarantineRow {
  DevicePosition position = 0;
  std::uint32_t app = 0;
  Platform platform = Platform::kApns;
  std::int64_t dead_since_ms = 0;
  std::int64_t at_ms = 0;
  std::string reason;
};

class QuarantineTables {
 public:
  explicit QuarantineTables(Database& database);

  bool has(DevicePosition position);
  // By position, those after `after`.
  std::vector<QuarantineRow> rows(std::uint32_t app, DevicePosition after, std::size_t limit);
  PlatformCounts counts(std::uint32_t app);
  std::uint64_t total();

 private:
  Statement has_, rows_, counts_, total_;
};

}  // namespace carillon::store::sqlite
