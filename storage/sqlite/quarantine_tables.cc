#include "storage/sqlite/quarantine_tables.h"

namespace carillon::store::sqlite {
namespace {

Platform quarantined_platform(std::int64_t value) {
  if (value < 1 || value > static_cast<std::int64_t>(kPlatforms)) {
    fail_corrupt("a platform in quarantine");
  }
  return static_cast<Platform>(value);
}

}  // namespace

QuarantineTables::QuarantineTables(Database& database)
    : has_(database, "SELECT 1 FROM quarantine WHERE position = ?"),
      rows_(database,
            "SELECT position, platform, dead_since_ms, at_ms, reason FROM quarantine "
            "WHERE app = ? AND position > ? ORDER BY position LIMIT ?"),
      counts_(database,
              "SELECT platform, count(*) FROM quarantine WHERE app = ? GROUP BY platform"),
      total_(database, "SELECT count(*) FROM quarantine") {}

bool QuarantineTables::has(DevicePosition position) {
  Cursor row = has_.rows(position);
  return row.next();
}

std::vector<QuarantineRow> QuarantineTables::rows(std::uint32_t app, DevicePosition after,
                                                  std::size_t limit) {
  std::vector<QuarantineRow> found;
  for (Cursor row = rows_.rows(app, after, limit); row.next();) {
    found.push_back({.position = row.natural(0),
                     .app = app,
                     .platform = quarantined_platform(row.integer(1)),
                     .dead_since_ms = row.integer(2),
                     .at_ms = row.integer(3),
                     .reason = row.text(4)});
  }
  return found;
}

PlatformCounts QuarantineTables::counts(std::uint32_t app) {
  PlatformCounts counts{};
  for (Cursor row = counts_.rows(app); row.next();) {
    counts[static_cast<std::size_t>(quarantined_platform(row.integer(0))) - 1] = row.natural(1);
  }
  return counts;
}

std::uint64_t QuarantineTables::total() {
  Cursor row = total_.rows();
  row.next();
  return row.natural(0);
}

}  // namespace carillon::store::sqlite
