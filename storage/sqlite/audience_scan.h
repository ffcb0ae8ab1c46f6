// Reading a frozen audience page by page: `mem` ∩ `hot` for a topic, a list of positions ∩ `hot`
// for names. Every page is a read transaction of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/member_chunk.h"

namespace carillon::store::sqlite {

// What a job's audience is: fixed when the event was accepted.
struct FrozenAudience {
  std::int64_t event = 0;  // the event's row
  Platform platform = Platform::kApns;
  std::uint32_t topic = 0;  // 0: named, see table `audience`
  std::uint64_t frozen = 0;
};

// Belongs to a reader's connection.
class AudiencePages {
 public:
  explicit AudiencePages(Database& database);

  void read(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
            DevicePage& page);
  // Whether the device at the position is in the audience now, and its token if so.
  std::optional<std::string> token_of(AudienceTables& tables, const FrozenAudience& audience,
                                      DevicePosition position);
  // Texts of dict from `texts.size()` on: index i is of id i.
  void load_texts(std::vector<std::string>& texts);

 private:
  void read_topic(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                  DevicePage& page);
  void read_names(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                  DevicePage& page);
  void take(const HotDevice& device, DevicePage& page);

  // So many members without a device of the platform end a page, to let go of its snapshot:
  // about a millisecond's reading.
  static constexpr std::size_t kMembersPerPageMax = 65'536;

  Database& database_;
  ChunkCursor members_;
  HotCursor hot_;
  Statement named_, texts_;
  std::vector<DevicePosition> positions_;
};

}  // namespace carillon::store::sqlite
