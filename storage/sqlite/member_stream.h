// Goes forward through the members of one group of chunks, from window to window: by steps where
// they are asked for densely, by seeks where not.
#pragma once

#include <algorithm>
#include <cstdint>

#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/ordered_chunks.h"
#include "storage/sqlite/subscriber_window.h"

namespace carillon::store::sqlite {

// Reader: MemberReader or DeviceMemberReader.
template <class Reader>
class MemberStream {
 public:
  // From the group's first member on; the cursor is this stream's until the next start or `close`.
  void start(ChunkCursor& chunks, std::uint32_t group) {
    chunks_ = &chunks;
    base_ = member_key(group, 0);
    state_ = State::kStarted;
    span_ = 0;
    has_ = false;
  }

  // The first member at or after `subscriber`, which must not fall from call to call, or nothing.
  const Member* to(std::uint32_t subscriber) {
    if (has_ && member_.subscriber >= subscriber) return &member_;
    if (state_ == State::kEnded) return nullptr;
    has_ = false;
    const std::uint64_t key = base_ | subscriber;
    if (state_ == State::kStarted || key > chunks_->fence() + span_ * kChunksPerSeek) {
      if (!arrive(chunks_->seek(key))) return nullptr;
    }
    for (;;) {
      while (reader_.read(member_)) {
        if (member_.subscriber < subscriber) continue;
        has_ = true;
        return &member_;
      }
      if (!step()) return nullptr;
      // One step was worth while, whatever is left may not be.
      if (key > chunks_->fence() + span_ * kChunksPerSeek && !arrive(chunks_->seek(key))) {
        return nullptr;
      }
    }
  }

  // The member after the latest.
  const Member* after() {
    if (state_ == State::kEnded) return nullptr;
    has_ = reader_.read(member_);
    while (!has_ && step()) has_ = reader_.read(member_);
    return has_ ? &member_ : nullptr;
  }

  // Calls visit(member) for the members in the window, of those chunks at least that may hold one
  // of the candidates.
  template <class Visit>
  void each(std::uint32_t base, const SubscriberBits& candidates, Visit visit) {
    if (candidates.count() < kSparse) return probe(base, candidates, visit);
    for (std::uint32_t i = candidates.next(0); i < kWindowSubscribers;) {
      if (!to(base + i)) return;
      std::uint32_t last = 0;
      do {
        if (member_.subscriber - base >= kWindowSubscribers) return;  // stays the next one
        visit(member_);
        last = member_.subscriber;
        has_ = reader_.read(member_);
      } while (has_);
      // The chunk has ended. Members of one subscriber stand in one chunk.
      i = candidates.next(last - base + 1);
    }
  }

 private:
  // So few of a window are sought one by one: about one to three chunks.
  static constexpr std::uint64_t kSparse = kWindowSubscribers / 256;

  template <class Visit>
  void probe(std::uint32_t base, const SubscriberBits& candidates, Visit visit) {
    for (std::uint32_t i = candidates.next(0); i < kWindowSubscribers; i = candidates.next(i + 1)) {
      if (!to(base + i)) return;
      i = member_.subscriber - base;
      if (i >= kWindowSubscribers) return;
      // A subscriber may have several entries.
      const std::uint32_t subscriber = member_.subscriber;
      for (bool more = true; more && member_.subscriber == subscriber; more = after() != nullptr) {
        visit(member_);
      }
    }
  }

  // What a seek costs in chunks that are stepped over and read.
  static constexpr std::uint64_t kChunksPerSeek = 2;
  enum class State : std::uint8_t { kStarted, kInChunk, kEnded };

  bool step() {
    const std::uint64_t fence = chunks_->fence();
    span_ = (base_ | member_.subscriber) - std::min(fence, base_ | member_.subscriber);
    if (!arrive(chunks_->next())) return false;
    span_ = chunks_->fence() - fence;
    return true;
  }
  // A group may have lost its first chunk: then the one before belongs to another group.
  bool arrive(bool there) {
    while (there && MemberFormat::group(chunks_->fence()) < base_) there = chunks_->next();
    if (!there || MemberFormat::group(chunks_->fence()) != base_) {
      state_ = State::kEnded;
      return false;
    }
    state_ = State::kInChunk;
    reader_ = Reader(chunks_->fence(), chunks_->bytes());
    return true;
  }

  ChunkCursor* chunks_ = nullptr;
  std::uint64_t base_ = 0, span_ = 0;  // span_: keys from the latest chunk's fence to its next
  Reader reader_;
  Member member_;
  State state_ = State::kEnded;
  bool has_ = false;
};

}  // namespace carillon::store::sqlite
