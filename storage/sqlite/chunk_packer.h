// Packs ascending entries into full chunks of a table that has none: what OrderedChunks would come
// to if the entries arrived one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace carillon::store::sqlite {

// Rows on their way into a table: keys ascend.
struct ChunkRows {
  struct Row {
    std::uint64_t key = 0;
    std::size_t begin = 0, size = 0;  // of `bytes`
  };
  std::vector<Row> rows;
  std::string bytes;

  std::string_view data(const Row& row) const {
    return std::string_view(bytes).substr(row.begin, row.size);
  }
  void clear() {
    rows.clear();
    bytes.clear();
  }
};

template <class Format>
class ChunkPacker {
 public:
  using Entry = typename Format::Entry;

  // What `entry` points to must live until its chunk is taken: to the next `flush`.
  void add(const Entry& entry, ChunkRows& out) {
    const std::uint64_t base = Format::group(entry.key);
    if (!group_ || *group_ != base) {
      flush(out);
      group_ = base;
      begin(base);
    } else if (!entries_.empty() && entries_.back().key != entry.key &&
               held_ + Format::bytes(entries_.back().key, entry) > Format::kBytesMax) {
      flush(out);
      begin(entry.key);
    } else if (entries_.empty()) {
      begin(entry.key);
    }
    held_ += Format::bytes(entries_.empty() ? fence_ : entries_.back().key, entry);
    entries_.push_back(entry);
  }
  // Ends the chunk in hand. The next one begins at its first entry.
  void flush(ChunkRows& out) {
    if (entries_.empty()) return;
    const std::size_t start = out.bytes.size();
    Format::encode(fence_, entries_, out.bytes);
    out.rows.push_back({fence_, start, out.bytes.size() - start});
    entries_.clear();
  }

 private:
  void begin(std::uint64_t fence) {
    fence_ = fence;
    held_ = Format::kHeaderBytes;
  }

  std::optional<std::uint64_t> group_;
  std::uint64_t fence_ = 0;
  std::size_t held_ = 0;  // bytes of the chunk in hand
  std::vector<Entry> entries_;
};

}  // namespace carillon::store::sqlite
