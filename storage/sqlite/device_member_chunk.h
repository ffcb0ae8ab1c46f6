// A chunk of `devmem`: the devices that hear a topic themselves, whoever uses them.
//
//   key    := topic << 32 | subscriber; a group is a topic
//   chunk  := member*
//   member := subscriber delta << 2 | has ordinal | is young (varint, from the member before or the
//             fence), [ordinal byte], [since varint]
//
// Devices of one subscriber share a key and so a chunk; they stand in order of their ordinals.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/member_chunk.h"

namespace carillon::store::sqlite {

class DeviceMemberReader {
 public:
  DeviceMemberReader() : in_(std::string_view(), kWhere) {}
  DeviceMemberReader(std::uint64_t fence, std::string_view bytes)
      : in_(bytes, kWhere), subscriber_(static_cast<std::uint32_t>(fence)) {}

  bool read(Member& member) {
    if (in_.done()) return false;
    const auto head = in_.varint_to<std::uint64_t>(std::uint64_t{kSubscriberIdMax} << 2 | 3);
    subscriber_ += head >> 2;
    if (subscriber_ > kSubscriberIdMax) in_.corrupt();
    member.subscriber = static_cast<std::uint32_t>(subscriber_);
    member.ordinal = head & kHasOrdinal ? in_.byte() : 0;
    member.since = head & kIsYoung ? in_.varint() : 0;
    return true;
  }

  static constexpr std::uint64_t kHasOrdinal = 1, kIsYoung = 2;

 private:
  static constexpr const char* kWhere = "a chunk of devices' subscriptions";
  ByteReader in_;
  std::uint64_t subscriber_ = 0;
};

struct DeviceMemberFormat {
  struct Entry {
    std::uint64_t key = 0;
    std::uint64_t since = 0;
    std::uint8_t ordinal = 0;
  };
  static constexpr std::size_t kBytesMax = 600;  // six to a page of 4096
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr bool kMultiple = false;

  static std::uint64_t group(std::uint64_t key) { return key & ~std::uint64_t{0xffff'ffff}; }
  static bool before(const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key < b.key : a.ordinal < b.ordinal;
  }
  static std::size_t bytes(std::uint64_t previous, const Entry& entry) {
    return varint_bytes((entry.key - previous) << 2) + (entry.ordinal != 0 ? 1 : 0) +
           (entry.since != 0 ? varint_bytes(entry.since) : 0);
  }

  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    DeviceMemberReader reader(fence, bytes);
    for (Member member; reader.read(member);) {
      const Entry entry{group(fence) | member.subscriber, member.since, member.ordinal};
      if (!out.empty() && !before(out.back(), entry))
        fail_corrupt("the order of a topic's devices");
      out.push_back(entry);
    }
  }

  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    std::uint64_t previous = fence;
    for (const Entry& entry : entries) {
      append_varint(out, (entry.key - previous) << 2 |
                             (entry.ordinal != 0 ? DeviceMemberReader::kHasOrdinal : 0) |
                             (entry.since != 0 ? DeviceMemberReader::kIsYoung : 0));
      if (entry.ordinal != 0) out.push_back(static_cast<char>(entry.ordinal));
      if (entry.since != 0) append_varint(out, entry.since);
      previous = entry.key;
    }
  }

  static void settle(Entry& entry, std::uint64_t oldest) {
    if (entry.since <= oldest) entry.since = 0;
  }
};

}  // namespace carillon::store::sqlite
