// Walks everybody in an audience as it is in the reader's snapshot: to count them, and to write
// down who they are.
//
// Subscribers whose every device is in it, and who have one on the app's usual platform as most do,
// cost a bit each; those with a single device elsewhere are told by `unusual`; only the rest is
// read in `hot`.
#pragma once

#include <functional>

#include "storage/sqlite/audience_matcher.h"
#include "storage/sqlite/frozen_window.h"

namespace carillon::store::sqlite {

class AudienceCensus {
 public:
  AudienceCensus(Database& database, AudienceTables& tables);

  // Counts, and gives every window that has somebody to `keep`, if there is one.
  AudienceCount take(const AudienceExpression& expression,
                     const std::function<void(const FrozenWindow&)>& keep);
  // A part of it: windows from the subscriber `from` on, `windows_max` of them at most. Where the
  // next part begins, or nothing at the end. Adds to `count`.
  std::optional<std::uint32_t> take_part(const AudienceExpression& expression, std::uint32_t from,
                                         std::size_t windows_max, AudienceCount& count,
                                         const std::function<void(const FrozenWindow&)>& keep);
  // Only counts: an audience that topics do not lead is what the rest of the app is not in.
  AudienceCount count(const AudienceExpression& expression);

  void close();

 private:
  struct Tally {
    AudienceCount count;
    std::uint64_t whole = 0;  // subscribers with a device, all of them in the audience
  };
  std::optional<std::uint32_t> walk(const AudienceExpression& expression, std::uint32_t from,
                                    std::size_t windows_max, Tally& tally,
                                    const std::function<void(const FrozenWindow&)>* keep);
  void start_unusual(const AudienceExpression& expression);
  void count_single(std::uint32_t base, SubscriberBits& sure, SubscriberBits& read, Tally& tally);
  void read_devices(const SubscriberBits& read, bool led, Tally& tally);

  AudienceTables& tables_;
  AudienceMatcher matcher_;
  HotCursor hot_;
  Statement next_subscriber_;
  ChunkCursor none_or_several_chunks_, apns_chunks_, fcm_chunks_, webpush_chunks_;
  std::array<MemberStream<MemberReader>, kPlatforms + 1> unusual_;  // [platform]
  std::uint8_t usual_ = 0;
  FrozenWindow window_;
  SubscriberBits sure_, maybe_;
};

}  // namespace carillon::store::sqlite
