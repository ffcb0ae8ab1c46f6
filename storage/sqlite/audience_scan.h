// Reading a frozen audience page by page: `mem` ∩ `hot` for a topic, a list of positions ∩ `hot`
// for names; for several of them or a condition, those who were written down when it was frozen and
// satisfy it still. Every page is a read transaction of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/sqlite/audience_matcher.h"
#include "storage/sqlite/frozen_window.h"
#include "storage/sqlite/member_chunk.h"

namespace carillon::store::sqlite {

// What a job's audience is: fixed when the event was accepted.
struct FrozenAudience {
  std::int64_t event = 0;  // the event's row
  Platform platform = Platform::kApns;
  std::uint32_t topic = 0;  // 0: named, see table `audience`, or by an expression
  std::uint64_t frozen = 0;
  // Those in table `frozen` that satisfy it now; null: one topic, or names.
  std::shared_ptr<const AudienceExpression> expression = {};
};

// Belongs to a reader's connection.
class AudiencePages {
 public:
  AudiencePages(Database& database, AudienceTables& tables);

  void read(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
            DevicePage& page);
  // The device at the position, if it is in the audience now.
  struct Reached {
    std::string token;
    std::uint16_t locale = 0;  // its number in dict; 0: none
  };
  std::optional<Reached> device_of(AudienceTables& tables, const FrozenAudience& audience,
                                   DevicePosition position);
  // Texts of dict from `texts.size()` on: index i is of id i.
  void load_texts(std::vector<std::string>& texts);

 private:
  void read_topic(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                  DevicePage& page);
  std::optional<Reached> frozen_device_of(const FrozenAudience& audience, DevicePosition position);
  void read_names(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                  DevicePage& page);
  void read_frozen(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                   DevicePage& page);
  // Of the window: the subscribers that are next to be read, as many as a page may have.
  void choose_candidates(DevicePosition after, std::size_t limit);
  void take_window(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                   DevicePage& page);
  bool take_at(DevicePosition position, const FrozenAudience& audience, DevicePage& page);
  void take(const HotDevice& device, DevicePage& page);

  // So many members without a device of the platform end a page, to let go of its snapshot:
  // about a millisecond's reading.
  static constexpr std::size_t kMembersPerPageMax = 65'536;

  Database& database_;
  ChunkCursor member_chunks_, device_member_chunks_;
  MemberStream<MemberReader> members_;
  MemberStream<DeviceMemberReader> device_members_;
  HotCursor hot_;
  AudienceMatcher matcher_;
  Statement named_, texts_, frozen_;
  FrozenWindow window_;
  SubscriberBits candidates_, sure_, maybe_;
  std::vector<DevicePosition> positions_;
};

}  // namespace carillon::store::sqlite
