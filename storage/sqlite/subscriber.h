// A row of `sub`: who a subscriber is, which devices they have and what they hear.
//
//   row    := app (varint) head (varint) [name] [ordinals] device* topic*
//   head   := device count << 2 | has ordinals | is anonymous
//   name   := length byte, bytes; an anonymous subscriber has none
//   ordinals := next ordinal (varint), freed at (varint)
//   device := head byte: platform (2 bits) | has ordinal | has time zone
//             length byte, name; registered (varint, ms since 1970)
//             [ordinal byte] [time zone varint]
//   topic  := varint, delta from the topic before; to the end of the row
//
// Without `ordinals` none was ever freed and the next is the count of devices.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace carillon::store::sqlite {

inline constexpr std::uint32_t kOrdinals = 256;  // a position's low byte

struct Subscriber {
  struct Device {
    std::string name;
    std::int64_t registered_ms = 0;
    std::uint32_t timezone = 0;
    std::uint8_t ordinal = 0;
    Platform platform = Platform::kApns;
  };

  std::uint32_t app = 0;
  bool anonymous = false;
  std::string name;
  std::uint32_t next_ordinal = 0;
  // The clock's number when a device last went: its ordinal may name it in audiences frozen before.
  std::uint64_t freed_at = 0;
  std::vector<Device> devices;        // ascending by ordinal
  std::vector<std::uint32_t> topics;  // ascending

  bool hears(std::uint32_t topic) const;
  PlatformCounts platforms() const;
};

void decode_subscriber(std::string_view row, Subscriber& out);
void encode_subscriber(const Subscriber& subscriber, std::string& out);

}  // namespace carillon::store::sqlite
