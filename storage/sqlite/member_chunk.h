// A chunk of `mem`: the subscribers of a topic.
//
//   key    := topic << 32 | subscriber; a group is a topic
//   chunk  := young count (varint) young* delta*
//   young  := subscriber delta (varint, from the young one before or the fence), since (varint)
//   delta  := varint, from the member before or the fence's subscriber; 0 only at the first
//
// A young member subscribed after an audience that is still running was frozen, at `since` of the
// clock. It stands among the deltas like every other member.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/sqlite/hot_chunk.h"

namespace carillon::store::sqlite {

constexpr std::uint64_t member_key(std::uint32_t topic, std::uint32_t subscriber) {
  return static_cast<std::uint64_t>(topic) << 32 | subscriber;
}

// `unusual` has the same chunks. Its groups say of an app which subscribers have their only device
// on a platform that is not the app's usual one (1 to 3), and which have none or several (0).
constexpr std::uint32_t unusual_group(std::uint32_t app, std::uint32_t platform) {
  return app << 2 | platform;
}

// A member of a topic: a subscriber, or one device of theirs.
struct Member {
  std::uint32_t subscriber = 0;
  std::uint8_t ordinal = 0;
  std::uint64_t since = 0;
};

// Reads the members of one chunk in order.
class MemberReader {
 public:
  MemberReader() : young_(std::string_view(), kWhere), in_(std::string_view(), kWhere) {}
  MemberReader(std::uint64_t fence, std::string_view bytes)
      : young_(bytes, kWhere),
        in_(bytes, kWhere),
        subscriber_(static_cast<std::uint32_t>(fence)),
        young_at_(subscriber_) {
    young_left_ = young_.varint();
    in_.varint();
    for (std::uint64_t i = 0; i < young_left_; ++i) {
      in_.varint();
      in_.varint();
    }
    next_young();
  }

  bool next(std::uint32_t& subscriber, std::uint64_t& since) {
    if (in_.done()) return false;
    const std::uint64_t delta = in_.varint();
    if (delta > kSubscriberIdMax || (delta == 0 && !first_)) in_.corrupt();
    first_ = false;
    subscriber_ += delta;
    if (subscriber_ > kSubscriberIdMax) in_.corrupt();
    subscriber = static_cast<std::uint32_t>(subscriber_);
    since = 0;
    if (has_young_ && subscriber_ == young_at_) {
      since = young_since_;
      next_young();
    }
    return true;
  }
  bool read(Member& member) { return next(member.subscriber, member.since); }
  // Once all members are read: whether every young one was among them.
  bool complete() const { return !has_young_; }

 private:
  static constexpr const char* kWhere = "a chunk of subscriptions";

  void next_young() {
    has_young_ = young_left_ != 0;
    if (!has_young_) return;
    --young_left_;
    young_at_ += young_.varint_to<std::uint64_t>(kSubscriberIdMax);
    young_since_ = young_.varint();
  }

  ByteReader young_, in_;
  std::uint64_t subscriber_ = 0, young_at_ = 0, young_since_ = 0, young_left_ = 0;
  bool has_young_ = false, first_ = true;
};

struct MemberFormat {
  struct Entry {
    std::uint64_t key = 0;
    std::uint64_t since = 0;
  };
  static constexpr std::size_t kBytesMax = 600;  // six to a page of 4096
  static constexpr std::size_t kHeaderBytes = 2;
  static constexpr bool kMultiple = false;
  // So many young ones at least two bytes each fit, and their count is two bytes at most.
  static_assert(kBytesMax / 2 < 1 << 14);

  static std::uint64_t group(std::uint64_t key) { return key & ~std::uint64_t{0xffff'ffff}; }
  static bool before(const Entry& a, const Entry& b) { return a.key < b.key; }

  static std::size_t bytes(std::uint64_t previous, const Entry& entry) {
    const std::size_t delta = varint_bytes(entry.key - previous);
    // Five: the longest delta from a young one that may stand further back than `previous`.
    return entry.since == 0 ? delta : delta + 5 + varint_bytes(entry.since);
  }

  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    MemberReader reader(fence, bytes);
    const std::uint64_t base = group(fence);
    std::uint32_t subscriber = 0;
    for (Entry entry; reader.next(subscriber, entry.since);) {
      entry.key = base | subscriber;
      out.push_back(entry);
    }
    if (!reader.complete()) fail_corrupt("the young of a topic");
  }

  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    std::uint64_t young = 0, previous = fence;
    for (const Entry& entry : entries) young += entry.since != 0 ? 1 : 0;
    append_varint(out, young);
    for (const Entry& entry : entries) {
      if (entry.since == 0) continue;
      append_varint(out, entry.key - previous);
      append_varint(out, entry.since);
      previous = entry.key;
    }
    previous = fence;
    for (const Entry& entry : entries) {
      append_varint(out, entry.key - previous);
      previous = entry.key;
    }
  }

  static void settle(Entry& entry, std::uint64_t oldest) {
    if (entry.since <= oldest) entry.since = 0;
  }
};

}  // namespace carillon::store::sqlite
