// A row of `sub`: who a subscriber is, which devices they have and what they hear.
//
//   row    := app (varint) head (varint) [name] [ordinals] [changed at (varint)] device* topic*
//   head   := has changed << 12 | device count << 2 | has ordinals | is anonymous
//   name   := length byte, bytes; an anonymous subscriber has none
//   ordinals := next ordinal (varint), freed at (varint)
//   device := head byte: platform (2 bits) | has ordinal | has time zone | has traits | has topics
//                        | was seen | is stale
//             length byte, name; registered (varint, ms since 1970)
//             [ordinal byte] [time zone varint] [count (varint), topic*] [seen varint]
//   seen   := days from the day of its registration to the day it was last seen, zigzag; 0 if left
//   out topic  := varint, delta from the topic before; to the end of the row
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
    bool traits = false;                // has an entry in `trait`
    bool stale = false;                 // in no audience
    std::int64_t seen_day = 0;          // since 1970
    std::vector<std::uint32_t> topics;  // its own, ascending
  };

  std::uint32_t app = 0;
  bool anonymous = false;
  std::string name;
  std::uint32_t next_ordinal = 0;
  // The clock's number when a device last went: its ordinal may name it in audiences frozen before.
  std::uint64_t freed_at = 0;
  // The clock's number when something that audiences ask for last changed: a device, a topic, a
  // trait. 0: not since the subscriber's number was given out, or since format 4 came.
  std::uint64_t changed_at = 0;
  std::vector<Device> devices;        // ascending by ordinal
  std::vector<std::uint32_t> topics;  // ascending

  bool hears(std::uint32_t topic) const;
  PlatformCounts platforms() const;  // of devices that are not stale
  // The platform of the only device that is not stale; 0: there are none or several.
  std::uint8_t only_platform() const;
  const Device* device_at(std::uint8_t ordinal) const;
};

constexpr std::int64_t day_of(std::int64_t ms) {
  return ms / kLastSeenStepMs;
}

void decode_subscriber(std::string_view row, Subscriber& out);
void encode_subscriber(const Subscriber& subscriber, std::string& out);

}  // namespace carillon::store::sqlite
