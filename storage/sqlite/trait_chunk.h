// A chunk of `trait`: what conditions ask of a device beside its topics, for those that have any.
//
//   key    := position; one group
//   chunk  := device*
//   device := subscriber delta << 1 | has ordinal (varint, from the device before or the fence),
//             [ordinal byte], length (varint), traits as traits.h has them
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/ordered_chunks.h"

namespace carillon::store::sqlite {

struct TraitsAt {
  std::uint64_t key = 0;  // position
  std::string_view traits;
};

class TraitReader {
 public:
  TraitReader() : in_(std::string_view(), kWhere) {}
  TraitReader(std::uint64_t fence, std::string_view bytes)
      : in_(bytes, kWhere), subscriber_(subscriber_of(fence)) {}

  bool read(TraitsAt& device) {
    if (in_.done()) return false;
    const auto head = in_.varint_to<std::uint64_t>(std::uint64_t{kSubscriberIdMax} << 1 | 1);
    subscriber_ += head >> 1;
    if (subscriber_ > kSubscriberIdMax) in_.corrupt();
    const std::uint8_t ordinal = head & 1 ? in_.byte() : 0;
    device.key = position_of(static_cast<std::uint32_t>(subscriber_), ordinal);
    device.traits = in_.view(in_.varint());
    return true;
  }

 private:
  static constexpr const char* kWhere = "a chunk of traits";
  ByteReader in_;
  std::uint64_t subscriber_ = 0;
};

struct TraitFormat {
  using Entry = TraitsAt;
  static constexpr std::size_t kBytesMax = 980;  // four to a page of 4096
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr bool kMultiple = false;

  static std::uint64_t group(std::uint64_t) { return 0; }
  static bool before(const Entry& a, const Entry& b) { return a.key < b.key; }
  static std::size_t bytes(std::uint64_t previous, const Entry& entry) {
    return varint_bytes(
               static_cast<std::uint64_t>(subscriber_of(entry.key) - subscriber_of(previous))
               << 1) +
           (ordinal_of(entry.key) != 0 ? 1 : 0) + varint_bytes(entry.traits.size()) +
           entry.traits.size();
  }

  static void decode(std::uint64_t fence, std::string_view bytes, std::vector<Entry>& out) {
    TraitReader reader(fence, bytes);
    for (Entry entry; reader.read(entry);) {
      if (entry.key < fence || (!out.empty() && entry.key <= out.back().key)) {
        fail_corrupt("the order of traits");
      }
      out.push_back(entry);
    }
  }

  static void encode(std::uint64_t fence, std::span<const Entry> entries, std::string& out) {
    std::uint32_t subscriber = subscriber_of(fence);
    for (const Entry& entry : entries) {
      const std::uint64_t delta = subscriber_of(entry.key) - subscriber;
      subscriber = subscriber_of(entry.key);
      append_varint(out, delta << 1 | (ordinal_of(entry.key) != 0 ? 1 : 0));
      if (ordinal_of(entry.key) != 0) out.push_back(static_cast<char>(ordinal_of(entry.key)));
      append_varint(out, entry.traits.size());
      out.append(entry.traits);
    }
  }

  static void settle(Entry&, std::uint64_t) {}
};

// Goes forward through `trait`, by steps where devices stand close and by seeks where not.
class TraitCursor {
 public:
  explicit TraitCursor(Database& database) : chunks_(database, "trait") {}

  // The first device at or after `position`, which must not fall from call to call but after
  // `restart`. Its traits live until the next call.
  const TraitsAt* to(DevicePosition position) {
    if (waiting_ && current_.key >= position) return &current_;
    waiting_ = false;
    if (!started_ ||
        (chunks_.at_chunk() && position > chunks_.fence() + chunk_span_ * kChunksPerSeek)) {
      started_ = true;
      if (!chunks_.seek(position)) return nullptr;
      reader_ = TraitReader(chunks_.fence(), chunks_.bytes());
    }
    while (chunks_.at_chunk()) {
      while (reader_.read(current_)) {
        if (current_.key < position) continue;
        waiting_ = true;
        return &current_;
      }
      const std::uint64_t fence = chunks_.fence();
      if (!chunks_.next()) break;
      chunk_span_ = chunks_.fence() - fence;
      reader_ = TraitReader(chunks_.fence(), chunks_.bytes());
    }
    return nullptr;
  }
  void restart() {
    chunks_.close();
    started_ = waiting_ = false;
  }

 private:
  static constexpr std::uint64_t kChunksPerSeek = 8;  // what a seek costs
  ChunkCursor chunks_;
  TraitReader reader_;
  TraitsAt current_;
  bool started_ = false, waiting_ = false;
  std::uint64_t chunk_span_ = std::uint64_t{50} << kOrdinalBits;  // positions of the latest chunk
};

}  // namespace carillon::store::sqlite
