// Reading the audience: who stands behind a name, a device or a token. Used by the writer's
// connection and by every reader's; belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/name_levels.h"
#include "storage/sqlite/ordered_chunks.h"
#include "storage/sqlite/siphash.h"
#include "storage/sqlite/subscriber.h"
#include "storage/sqlite/trait_chunk.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {

// A device of `hot`, on its own.
struct StoredDevice {
  Platform platform = Platform::kApns;
  std::string token;
  std::uint16_t locale = 0;
  std::uint64_t since = 0;
  bool stale = false;
};

// Goes forward through `hot` from subscriber to subscriber, by steps where they stand close and by
// seeks where they do not.
class HotCursor {
 public:
  explicit HotCursor(Database& database) : chunks_(database, "hot") {}
  // The first device at or after `position`, which must not fall from call to call (`restart` lets
  // it). A device whose token is not taken is found again.
  bool to(DevicePosition position, HotDevice& device);
  void take_token(std::string& out) {
    reader_.take_token(current_, out);
    waiting_ = false;
  }
  void restart() {
    chunks_.close();
    started_ = false;
    waiting_ = false;
  }

 private:
  // A seek costs about as much as stepping over so many chunks.
  static constexpr std::uint64_t kChunksPerSeek = 8;
  ChunkCursor chunks_;
  HotReader reader_;
  HotDevice current_;
  bool started_ = false;
  bool waiting_ = false;  // the token of `current_` was not taken
  // How many positions the latest chunk reached over; first, what APNs devices come to.
  std::uint64_t chunk_span_ = std::uint64_t{56} << kOrdinalBits;
};

class AudienceTables {
 public:
  explicit AudienceTables(Database& database);

  std::optional<std::uint32_t> app(std::string_view name);
  std::string app_name(std::uint32_t app);
  struct Topic {
    std::uint32_t id = 0;
    std::uint64_t subscribers = 0;
    PlatformCounts devices{};
  };
  std::optional<Topic> topic(std::uint32_t app, std::string_view name);
  std::string topic_name(std::uint32_t topic);
  std::string text(std::uint32_t id);  // of dict; 0 is the empty text
  std::optional<std::uint32_t> attribute(std::uint32_t app, std::string_view name);
  std::string attribute_name(std::uint32_t id);
  // What `unusual` leaves out, and what the app has in all.
  struct App {
    std::uint8_t usual = 0;         // the platform; 0: the app has no devices
    std::uint64_t subscribers = 0;  // with a device that is not stale
    PlatformCounts devices{};
  };
  App app_counts(std::uint32_t app);

  std::uint64_t subscriber_key(std::uint32_t app, std::string_view name) const;
  std::uint64_t device_key(std::uint32_t app, std::string_view name) const;
  std::uint64_t token_key(std::uint32_t app, Platform platform, std::string_view token) const;
  // Of a key's hash all 64 bits, where the key itself has the low 32. `platform`: 0 but for tokens.
  std::uint64_t full_hash(NameKind kind, std::uint32_t app, std::uint8_t platform,
                          std::string_view text) const;

  // Every hint for each of the keys, which ascend: appended as (key, subscriber), the newest first.
  void find_hints(const std::vector<std::uint64_t>& keys,
                  std::vector<std::pair<std::uint64_t, std::uint32_t>>& out);
  bool subscriber(std::uint32_t id, Subscriber& out);
  std::string name_at(DevicePosition position);  // of the device there; empty: there is none
  std::optional<StoredDevice> device_at(DevicePosition position);
  Traits traits_at(DevicePosition position);  // of a device that has some
  // The member's `since` (0: not young), or nothing if not subscribed.
  std::optional<std::uint64_t> member(std::uint32_t topic, std::uint32_t subscriber);

  // The same of a device that hears the topic itself.
  std::optional<std::uint64_t> device_member(std::uint32_t topic, DevicePosition position);

  struct Found {
    std::uint32_t id = 0;
    std::size_t index = 0;  // into devices, when a device was asked for
    Subscriber subscriber;
  };
  std::optional<Found> find_subscriber(std::uint32_t app, std::string_view name);
  std::optional<Found> find_device(std::uint32_t app, std::string_view name);

  // The positions of all devices that the audience names, ascending, each once. Appended.
  void resolve(std::uint32_t app, const Audience& audience, std::vector<DevicePosition>& out);

  // After a failure on the way: no statement of this keeps a snapshot alive.
  void close_cursors();

 private:
  void load_hash_key();
  static void find_hints(ChunkCursor& names, const std::vector<std::uint64_t>& keys,
                         std::vector<std::pair<std::uint64_t, std::uint32_t>>& out);
  std::uint64_t hash(NameKind kind, std::uint32_t app, std::uint8_t platform,
                     std::string_view text) const;

  SipKey hash_key_{};
  Statement app_, app_name_, app_counts_, topic_, topic_name_, text_, attribute_, attribute_name_,
      subscriber_, hash_key_row_;
  std::array<ChunkCursor, kNameTables.size()> names_;
  ChunkCursor members_, device_members_;
  HotCursor hot_;
  TraitCursor traits_;
  mutable std::string hashed_;
  std::vector<std::uint64_t> one_key_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> hints_;
};

}  // namespace carillon::store::sqlite
