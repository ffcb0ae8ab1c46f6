// A chunk of `hot`: devices in the order in which audiences are read, with all that a send needs.
//
//   key    := position = subscriber << 8 | ordinal; one group
//   chunk  := device*
//   device := subscriber delta (varint, from the entry before, or from the fence's subscriber)
//             head byte: platform (2 bits) | token code (2) | has ordinal | has locale | is young
//                        | is stale
//             [ordinal byte] [since varint] [locale varint] token as token_code.h has it
//
// A young device joined the platform after an audience that is still running was frozen; `since`
// is the clock's number then. Old ones carry none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/sqlite/token_code.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

inline constexpr int kOrdinalBits = 8;
inline constexpr std::uint32_t kSubscriberIdMax = 0xffff'fffe;
inline constexpr std::uint32_t kLocaleIdMax = 0xffff;  // what a page's entry can hold

constexpr DevicePosition position_of(std::uint32_t subscriber, std::uint32_t ordinal) {
  return static_cast<DevicePosition>(subscriber) << kOrdinalBits | ordinal;
}
constexpr std::uint32_t subscriber_of(DevicePosition position) {
  return static_cast<std::uint32_t>(position >> kOrdinalBits);
}
constexpr std::uint8_t ordinal_of(DevicePosition position) {
  return static_cast<std::uint8_t>(position);
}

inline constexpr DevicePosition kPositionMax = position_of(kSubscriberIdMax, 0xff);

struct HotDevice {
  std::uint64_t key = 0;  // position
  std::uint64_t since = 0;
  std::string_view token;  // packed
  std::uint16_t locale = 0;
  Platform platform = Platform::kApns;
  TokenCode code = TokenCode::kRaw;
  bool stale = false;  // in no audience
};

// Reads the devices of one chunk in order.
class HotReader {
 public:
  HotReader() : in_({}, kWhere) {}
  HotReader(std::uint64_t fence, std::string_view bytes)
      : in_(bytes, kWhere), subscriber_(subscriber_of(fence)) {}

  // Everything but the token, which must be taken or passed before the next head.
  bool head(HotDevice& device) {
    if (in_.done()) return false;
    subscriber_ += in_.varint_to<std::uint64_t>(kSubscriberIdMax);
    if (subscriber_ > kSubscriberIdMax) in_.corrupt();
    const std::uint8_t head = in_.byte();
    const auto platform = head & 3;
    if (platform == 0) in_.corrupt();
    device.platform = static_cast<Platform>(platform);
    device.code = static_cast<TokenCode>(head >> 2 & 3);
    device.stale = head & kIsStale;
    const std::uint8_t ordinal = head & kHasOrdinal ? in_.byte() : 0;
    device.key = subscriber_ << kOrdinalBits | ordinal;
    device.since = head & kIsYoung ? in_.varint() : 0;
    device.locale = head & kHasLocale ? in_.varint_to<std::uint16_t>(kLocaleIdMax) : 0;
    return true;
  }
  std::string_view pass_token(const HotDevice& device) { return skip_token(device.code, in_); }
  void take_token(const HotDevice& device, std::string& out) {
    unpack_token(device.code, in_, out);
  }

  static constexpr std::uint8_t kHasOrdinal = 0x10, kHasLocale = 0x20, kIsYoung = 0x40,
                                kIsStale = 0x80;

 private:
  static constexpr const char* kWhere = "a chunk of devices";
  ByteReader in_;
  std::uint64_t subscriber_ = 0;
};

struct HotFormat {
  using Entry = HotDevice;
  static constexpr std::size_t kBytesMax = 2010;  // two to a page of 4096
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr bool kMultiple = false;

  static std::uint64_t group(std::uint64_t) { return 0; }
  static bool before(const Entry& a, const Entry& b) { return a.key < b.key; }

  static std::size_t bytes(std::uint64_t previous, const Entry& entry) {
    return varint_bytes(subscriber_of(entry.key) - subscriber_of(previous)) + 1 +
           (ordinal_of(entry.key) != 0 ? 1 : 0) +
           (entry.since != 0 ? varint_bytes(entry.since) : 0) +
           (entry.locale != 0 ? varint_bytes(entry.locale) : 0) + entry.token.size();
  }

  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    HotReader reader(fence, bytes);
    std::uint64_t previous = 0;
    for (Entry entry; reader.head(entry);) {
      entry.token = reader.pass_token(entry);
      if (entry.key < fence || (!out.empty() && entry.key <= previous)) {
        fail_corrupt("the order of devices");
      }
      previous = entry.key;
      out.push_back(entry);
    }
  }

  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    std::uint32_t subscriber = subscriber_of(fence);
    for (const Entry& entry : entries) {
      append_varint(out, subscriber_of(entry.key) - subscriber);
      subscriber = subscriber_of(entry.key);
      const std::uint8_t ordinal = ordinal_of(entry.key);
      int head = static_cast<int>(entry.platform) | static_cast<int>(entry.code) << 2;
      if (ordinal != 0) head |= HotReader::kHasOrdinal;
      if (entry.locale != 0) head |= HotReader::kHasLocale;
      if (entry.since != 0) head |= HotReader::kIsYoung;
      if (entry.stale) head |= HotReader::kIsStale;
      out.push_back(static_cast<char>(head));
      if (ordinal != 0) out.push_back(static_cast<char>(ordinal));
      if (entry.since != 0) append_varint(out, entry.since);
      if (entry.locale != 0) append_varint(out, entry.locale);
      out.append(entry.token);
    }
  }

  static void settle(Entry& entry, std::uint64_t oldest) {
    if (entry.since <= oldest) entry.since = 0;
  }
};

}  // namespace carillon::store::sqlite
