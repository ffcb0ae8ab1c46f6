// A registration on its way through the temporary files of a bulk load: names of apps, topics,
// locales and time zones are numbers already, the token is packed.
//
//   record := head device-name subscriber-name packed-token topic* traits extras   topics: 4 bytes
//   each
//
// The bytes never leave the process's own file, so they have the machine's order.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "storage/sqlite/token_code.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

struct LineRecord {
  struct Head {
    // Equal for lines of one subscriber; for an anonymous device its own.
    std::uint64_t group = 0;
    std::uint64_t number = 0;  // the caller's name of the line
    std::int64_t registered_ms = 0;
    std::int64_t last_seen_ms = 0;  // as the line has it
    std::uint32_t index = 0;        // of the line, ascending
    std::uint32_t app = 0;
    std::uint32_t timezone = 0;
    std::uint32_t subscriber_hash = 0, device_hash = 0, token_hash = 0;
    std::uint32_t topics = 0;
    std::uint32_t trait_bytes = 0;  // as `trait` stores them; 0: there are none
    std::uint32_t extra_bytes = 0;  // the same as the line had them, and more: see line_extras.h
    std::uint16_t locale = 0;
    std::uint16_t token_bytes = 0;
    std::uint8_t device_bytes = 0, subscriber_bytes = 0;
    Platform platform = Platform::kApns;
    TokenCode code = TokenCode::kRaw;
    bool anonymous = false;
    bool own_topics = false;  // the device is to hear some itself
  };

  Head head;
  std::string_view device, subscriber, token;
  const char* topics = nullptr;  // not aligned
  std::string_view traits, extras;

  std::uint32_t topic(std::size_t index) const {
    std::uint32_t id = 0;
    std::memcpy(&id, topics + 4 * index, 4);
    return id;
  }
  // Reads the record at `offset` of `bytes` and moves on to the next one.
  static LineRecord read(std::string_view bytes, std::size_t& offset) {
    LineRecord record;
    std::memcpy(&record.head, bytes.data() + offset, sizeof record.head);
    offset += sizeof record.head;
    const auto take = [&](std::size_t size) {
      const std::string_view part = bytes.substr(offset, size);
      offset += size;
      return part;
    };
    record.device = take(record.head.device_bytes);
    record.subscriber = take(record.head.subscriber_bytes);
    record.token = take(record.head.token_bytes);
    record.topics = take(record.head.topics * std::size_t{4}).data();
    record.traits = take(record.head.trait_bytes);
    record.extras = take(record.head.extra_bytes);
    return record;
  }
};

// The longest packed token has a length before its bytes; names have one byte for theirs.
static_assert(kTokenBytesMax + 10 <= 0xffff && kNameBytesMax <= 0xff);

}  // namespace carillon::store::sqlite
