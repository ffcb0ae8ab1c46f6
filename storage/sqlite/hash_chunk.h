// A chunk of names: where the subscriber with a name, the device with a name, the holder of a token
// may be found. A hit is a hint: the subscriber's row is what says so.
//
//   key    := kind << 32 | hash; a group is a kind; the hash is the low half of keyed SipHash
//   chunk  := {hash delta (varint, from the entry before or the fence), subscriber (4 bytes LE)}*
//
// Equal hashes stand in order of subscriber. Two names of one subscriber may even share a hash:
// then the pair stands twice.
//
// New names come to the same kind of chunk in `hx_new` and `hx_young` first: see name_levels.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"

namespace carillon::store::sqlite {

enum class NameKind : std::uint8_t { kSubscriber = 1, kDevice = 2, kToken = 3 };

struct HashFormat {
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t subscriber = 0;
  };
  static constexpr std::size_t kBytesMax = 980;  // four to a page of 4096
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr bool kMultiple = true;

  static std::uint64_t group(std::uint64_t key) { return key & ~std::uint64_t{0xffff'ffff}; }
  static bool before(const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key < b.key : a.subscriber < b.subscriber;
  }
  static std::size_t bytes(std::uint64_t previous, const Entry& entry) {
    return varint_bytes(entry.key - previous) + 4;
  }

  // Calls visit(entry) for each entry in order until it answers false.
  template <class Visit>
  static void each(std::uint64_t fence, std::string_view bytes, Visit visit) {
    ByteReader in(bytes, "a chunk of names");
    Entry entry{fence, 0};
    while (!in.done()) {
      entry.key += in.varint_to<std::uint64_t>(0xffff'ffff);
      entry.subscriber = in.fixed32();
      if (group(entry.key) != group(fence)) in.corrupt();
      if (!visit(entry)) return;
    }
  }

  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    each(fence, bytes, [&](const Entry& entry) {
      out.push_back(entry);
      return true;
    });
  }

  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    const std::size_t start = out.size();
    out.resize(start + entries.size() * (kVarintBytesMax + 4));
    char* at = out.data() + start;
    std::uint64_t previous = fence;
    for (const Entry& entry : entries) {
      at = put_varint(at, entry.key - previous);
      at = put_fixed32(at, entry.subscriber);
      previous = entry.key;
    }
    out.resize(static_cast<std::size_t>(at - out.data()));
  }

  static void settle(Entry&, std::uint64_t) {}
};

// The same in `hx_new` and `hx_young`, whose chunks get several entries at once: two to a page.
// Larger ones cost fewer statements, and more to look through.
struct YoungHashFormat : HashFormat {
  static constexpr std::size_t kBytesMax = 1'980;
};

}  // namespace carillon::store::sqlite
