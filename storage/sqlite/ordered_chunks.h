// Ordered entries, packed into rows of chunks: the one shape behind `hot`, `mem` and `hx`.
//
//   table  := (k INTEGER PRIMARY KEY, d BLOB)*
//   k      := the chunk's fence: every entry of the chunk is at or after it and before the next
//             fence. A group (a topic, a kind of hash) begins at its own base; the first chunk of
//             a group has the base as its fence, or entries before the first fence have no chunk.
//   d      := entries in order, at most kBytesMax unless one entry alone is larger
//
// Fences need not be entries: an erased first entry leaves its fence standing, so a change touches
// one row unless the chunk is split or joined. Entries with equal keys never stand in two chunks.
//
// A Format says what an entry is:
//   Entry with `key`; kBytesMax; kMultiple (equal entries are kept apart, not replaced)
//   group(key) -> base of its group           before(a, b) -> order and identity of entries
//   decode(fence, bytes, out)                 encode(fence, entries, out)
//   bytes(previous key, entry) -> at most what the entry adds to a chunk
//   settle(entry, oldest)      -> forgets what only audiences older than `oldest` ask for
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

// Reads the chunks of one table forward. The blob lives until the next move.
class ChunkCursor {
 public:
  ChunkCursor(Database& database, const std::string& table)
      : from_(database, "SELECT k, d FROM " + table + " WHERE k >= coalesce((SELECT max(k) FROM " +
                            table + " WHERE k <= ?1), ?1) ORDER BY k") {}

  // To the chunk that `key` is or would be in, or else to the first one after it.
  bool seek(std::uint64_t key) {
    rows_.reset();
    rows_.emplace(from_.rows(key));
    return next();
  }
  bool next() {
    if (!rows_) return false;
    if (!rows_->next()) {
      rows_.reset();
      return false;
    }
    fence_ = rows_->natural(0);
    bytes_ = rows_->bytes(1);
    return true;
  }
  bool at_chunk() const { return rows_.has_value(); }
  std::uint64_t fence() const { return fence_; }
  std::string_view bytes() const { return bytes_; }
  void close() { rows_.reset(); }  // lets go of the snapshot

 private:
  Statement from_;
  std::optional<Cursor> rows_;
  std::uint64_t fence_ = 0;
  std::string_view bytes_;
};

template <class Entry>
struct ChunkEdit {
  Entry entry;
  bool erase = false;
};

template <class Format>
class OrderedChunks {
 public:
  using Entry = typename Format::Entry;
  using Edit = ChunkEdit<Entry>;

  OrderedChunks(Database& database, const std::string& table)
      : at_(database, "SELECT k, d FROM " + table + " WHERE k <= ? ORDER BY k DESC LIMIT 1"),
        after_(database, "SELECT k, d FROM " + table + " WHERE k > ? ORDER BY k LIMIT 1"),
        insert_(database, "INSERT INTO " + table + " (k, d) VALUES (?, ?)"),
        update_(database, "UPDATE " + table + " SET d = ?2 WHERE k = ?1"),
        erase_(database, "DELETE FROM " + table + " WHERE k = ?") {}

  // Applies edits that ascend in the Format's order: an entry is inserted (or replaces its equal),
  // or erased if it is there; if not, the edit is appended to `missed`. `oldest` goes to
  // Format::settle for every entry that is rewritten. A chunk that nothing changes is not.
  void apply(std::span<const Edit> edits, std::uint64_t oldest,
             std::vector<Edit>* missed = nullptr) {
    while (!edits.empty()) {
      const std::uint64_t base = Format::group(edits.front().entry.key);
      load(edits.front().entry.key, base);
      std::size_t count = 1;
      if (edits.size() > 1 && may_share(edits[1].entry.key)) {
        const std::uint64_t until = fence_after(chunk_.fence);
        while (count < edits.size() && edits[count].entry.key < until &&
               Format::group(edits[count].entry.key) == base) {
          ++count;
        }
      }
      if (merge(edits.first(count), missed)) {
        for (Entry& entry : merged_) Format::settle(entry, oldest);
        store(base, merged_.size() < chunk_.entries.size());
      }
      edits = edits.subspan(count);
    }
  }

 private:
  static constexpr std::uint64_t kNoFence = std::numeric_limits<std::uint64_t>::max();
  // Below this a chunk that lost entries looks for a neighbour to join.
  static constexpr std::size_t kJoinBelow = Format::kBytesMax / 4;
  static constexpr std::uint64_t kFarSpans = 2;  // of the chunk
  // Joined chunks keep room, so that the next insert does not split them again.
  static constexpr std::size_t kJoinedMax = Format::kBytesMax * 3 / 4;

  struct Chunk {
    std::uint64_t fence = 0;
    bool stored = false;
    std::string bytes;  // entries may be views into it
    std::vector<Entry> entries;
  };

  void load(std::uint64_t key, std::uint64_t base) {
    chunk_.entries.clear();
    chunk_.fence = base;
    chunk_.stored = false;
    Cursor row = at_.rows(key);
    if (row.next() && row.natural(0) >= base) take(row, chunk_);
  }

  // Whether another edit is worth asking where the chunk ends: one that is far from what stands in
  // it finds its own chunk, which may be this one again.
  bool may_share(std::uint64_t key) const {
    if (chunk_.entries.empty()) return true;
    const std::uint64_t last = chunk_.entries.back().key;
    return key <= last || (key - last) / kFarSpans <= last - chunk_.fence;
  }

  static void take(const Cursor& row, Chunk& chunk) {
    chunk.fence = row.natural(0);
    chunk.stored = true;
    chunk.bytes.assign(row.bytes(1));
    chunk.entries.clear();
    Format::decode(chunk.fence, chunk.bytes, chunk.entries);
    if (chunk.entries.empty()) fail_corrupt("a chunk without entries");
  }

  std::uint64_t fence_after(std::uint64_t fence) {
    Cursor row = after_.rows(fence);
    return row.next() ? row.natural(0) : kNoFence;
  }

  // Whether anything changed.
  bool merge(std::span<const Edit> edits, std::vector<Edit>* missed) {
    merged_.clear();
    bool changed = false;
    const std::vector<Entry>& old = chunk_.entries;
    appended_ = old.empty() || Format::before(old.back(), edits.front().entry);
    std::size_t next = 0;
    for (const Edit& edit : edits) {
      while (next < old.size() && Format::before(old[next], edit.entry)) {
        merged_.push_back(old[next++]);
      }
      const bool equal = next < old.size() && !Format::before(edit.entry, old[next]);
      if (equal && (edit.erase || !Format::kMultiple)) ++next;
      if (!edit.erase) merged_.push_back(edit.entry);
      changed = changed || equal || !edit.erase;
      if (missed && edit.erase && !equal) missed->push_back(edit);
    }
    merged_.insert(merged_.end(), old.begin() + static_cast<std::ptrdiff_t>(next), old.end());
    return changed;
  }

  void store(std::uint64_t base, bool erased) {
    if (merged_.empty()) {
      if (chunk_.stored) erase_.run(chunk_.fence);
      return;
    }
    const std::size_t bytes = total_bytes(chunk_.fence, merged_);
    if (erased && bytes < kJoinBelow && join(base)) return;
    if (bytes <= Format::kBytesMax) {
      write(chunk_.fence, chunk_.stored, merged_);
    } else {
      split(base, bytes);
    }
  }

  static std::size_t total_bytes(std::uint64_t fence, const std::vector<Entry>& entries) {
    std::size_t bytes = Format::kHeaderBytes;
    std::uint64_t previous = fence;
    for (const Entry& entry : entries) {
      bytes += Format::bytes(previous, entry);
      previous = entry.key;
    }
    return bytes;
  }

  // With the chunk after it, or else with the one before it, if both fit into one with room left.
  bool join(std::uint64_t base) {
    {
      Cursor row = after_.rows(chunk_.fence);
      if (row.next() && Format::group(row.natural(0)) == base) {
        take(row, neighbour_);
      } else {
        neighbour_.stored = false;
      }
    }
    if (neighbour_.stored) {
      // Damaged ones overlap: what would be written then could not be read any more.
      if (!Format::before(merged_.back(), neighbour_.entries.front())) {
        fail_corrupt("the order of chunks");
      }
      joined_ = merged_;
      joined_.insert(joined_.end(), neighbour_.entries.begin(), neighbour_.entries.end());
      if (total_bytes(chunk_.fence, joined_) <= kJoinedMax) {
        erase_.run(neighbour_.fence);
        write(chunk_.fence, chunk_.stored, joined_);
        return true;
      }
    }
    if (chunk_.fence == base) return false;
    neighbour_.stored = false;
    {
      Cursor row = at_.rows(chunk_.fence - 1);
      if (row.next() && row.natural(0) >= base) take(row, neighbour_);
    }
    if (!neighbour_.stored) return false;
    if (!Format::before(neighbour_.entries.back(), merged_.front())) {
      fail_corrupt("the order of chunks");
    }
    joined_ = neighbour_.entries;
    joined_.insert(joined_.end(), merged_.begin(), merged_.end());
    if (total_bytes(neighbour_.fence, joined_) > kJoinedMax) return false;
    erase_.run(chunk_.fence);
    write(neighbour_.fence, true, joined_);
    return true;
  }

  // Into pieces of about one size; or, where entries only ever arrive at the end, into full ones.
  void split(std::uint64_t base, std::size_t bytes) {
    const std::uint64_t next = fence_after(chunk_.fence);
    const bool last = next == kNoFence || Format::group(next) != base;
    const std::size_t pieces = (bytes + Format::kBytesMax - 1) / Format::kBytesMax;
    const std::size_t target =
        appended_ && last ? Format::kBytesMax : (bytes + pieces - 1) / pieces;
    std::uint64_t fence = chunk_.fence, previous = fence;
    bool stored = chunk_.stored;
    std::size_t start = 0, held = Format::kHeaderBytes;
    for (std::size_t i = 0; i < merged_.size();) {
      const std::uint64_t key = merged_[i].key;
      std::size_t end = i, adds = 0;  // of all that share the key
      for (; end < merged_.size() && merged_[end].key == key; ++end) {
        adds += Format::bytes(end == i ? previous : key, merged_[end]);
      }
      // A piece ends with the entry that fills it: one that ended before it would leave the rest of
      // all pieces over, for a crumb of a chunk at the end.
      if (i > start && (held >= target || held + adds > Format::kBytesMax)) {
        write(fence, stored, std::span(merged_).subspan(start, i - start));
        start = i;
        fence = key;
        stored = false;
        held = Format::kHeaderBytes;
      }
      held += adds;
      previous = key;
      i = end;
    }
    write(fence, stored, std::span(merged_).subspan(start));
  }

  void write(std::uint64_t fence, bool stored, std::span<const Entry> entries) {
    encoded_.clear();
    Format::encode(fence, entries, encoded_);
    (stored ? update_ : insert_).run(fence, Blob{encoded_});
  }

  Statement at_, after_, insert_, update_, erase_;
  // Reused from edit to edit.
  Chunk chunk_, neighbour_;
  std::vector<Entry> merged_, joined_;
  std::string encoded_;
  bool appended_ = false;  // the edits in hand are all after what was there
};

}  // namespace carillon::store::sqlite
