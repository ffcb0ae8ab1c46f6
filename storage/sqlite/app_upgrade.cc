#include "storage/sqlite/app_upgrade.h"

#include <algorithm>
#include <map>
#include <vector>

#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/ordered_chunks.h"
#include "storage/sqlite/subscriber.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kEditsPerBatch = 100'000;

struct AppTally {
  std::uint64_t subscribers = 0;
  PlatformCounts devices{};
  std::array<std::uint64_t, kPlatforms + 1> only{};  // subscribers by their only platform
  std::uint8_t usual() const {
    const auto most = std::max_element(only.begin() + 1, only.end());
    return *most == 0 ? 0 : static_cast<std::uint8_t>(most - only.begin());
  }
};

}  // namespace

void count_apps(Database& database) {
  Statement rows(database, "SELECT k, d FROM sub ORDER BY k");
  std::map<std::uint32_t, AppTally> apps;
  Subscriber subscriber;
  for (Cursor row = rows.rows(); row.next();) {
    decode_subscriber(row.bytes(1), subscriber);
    AppTally& tally = apps[subscriber.app];
    const PlatformCounts platforms = subscriber.platforms();
    if (platforms != PlatformCounts{}) ++tally.subscribers;
    for (std::size_t i = 0; i < kPlatforms; ++i) tally.devices[i] += platforms[i];
    ++tally.only[subscriber.only_platform()];
  }
  Statement update(database,
                   "UPDATE app SET usual = ?2, subscribers = ?3, apns = ?4, fcm = ?5, webpush = ?6 "
                   "WHERE id = ?1");
  for (const auto& [id, tally] : apps) {
    update.run(id, tally.usual(), tally.subscribers, tally.devices[0], tally.devices[1],
               tally.devices[2]);
  }
  OrderedChunks<MemberFormat> unusual(database, "unusual");
  std::vector<OrderedChunks<MemberFormat>::Edit> edits;
  const auto write = [&] {
    std::sort(edits.begin(), edits.end(),
              [](const auto& a, const auto& b) { return a.entry.key < b.entry.key; });
    unusual.apply(edits, 0);
    edits.clear();
  };
  for (Cursor row = rows.rows(); row.next();) {
    decode_subscriber(row.bytes(1), subscriber);
    const std::uint8_t only = subscriber.only_platform();
    if (only != 0 && only == apps[subscriber.app].usual()) continue;
    edits.push_back({{.key = member_key(unusual_group(subscriber.app, only),
                                        static_cast<std::uint32_t>(row.integer(0))),
                      .since = 0},
                     false});
    if (edits.size() >= kEditsPerBatch) write();
  }
  write();
}

}  // namespace carillon::store::sqlite
