// Who of a window of subscribers satisfies an expression, by merging the clustered keys of its
// terms.
//
// A window is evaluated for all its subscribers at once: each node of the tree gives those whose
// every device satisfies it for sure, and those of whom a device may. Only for the second without
// the first a device's own row decides. Memory does not depend on the audience: 4 KiB a topic, and
// the devices that hear one themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/sqlite/audience_expression.h"
#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/member_stream.h"
#include "storage/sqlite/subscriber_window.h"
#include "storage/sqlite/trait_chunk.h"

namespace carillon::store::sqlite {

// Goes forward through `sub`, by steps where subscribers stand close.
class SubscriberCursor {
 public:
  explicit SubscriberCursor(Database& database)
      : from_(database, "SELECT k, d FROM sub WHERE k >= ? ORDER BY k") {}
  // The subscriber with this id, which must not fall from call to call; nothing if there is none.
  const Subscriber* at(std::uint32_t id);
  void restart() {
    rows_.reset();
    row_ = decoded_ = 0;
  }

 private:
  static constexpr std::uint32_t kStepsPerSeek = 16;
  Statement from_;
  std::optional<Cursor> rows_;
  std::uint64_t row_ = 0, decoded_ = 0;  // 0: none
  Subscriber subscriber_;
};

// Belongs to a connection; its statements are prepared once, as many as the largest expression
// needs.
class AudienceMatcher {
 public:
  AudienceMatcher(Database& database, AudienceTables& tables);

  // Windows ascend from here on. The expression must live until the next start or `close`.
  void start(const AudienceExpression& expression);
  void close();

  // No subscriber before this one, at or after `from`, may satisfy it; nothing: nobody does.
  std::optional<std::uint32_t> next(std::uint32_t from);
  // Of the candidates in the window at `base`: all whose every device is in the audience (`sure`,
  // they may have none), and all of whom one may be. Both are subsets of the candidates.
  void evaluate(std::uint32_t base, const SubscriberBits& candidates, SubscriberBits& sure,
                SubscriberBits& maybe);
  // Whether a device of a subscriber among the latest window's `maybe` is in the audience.
  // Positions ascend from call to call.
  bool matches(const HotDevice& device);
  // Whether the subscriber is the app's. Asked only where the expression does not lead.
  bool of_app(std::uint32_t subscriber);

 private:
  struct TopicTerm {
    explicit TopicTerm(Database& database)
        : member_chunks(database, "mem"), device_chunks(database, "devmem") {}
    ChunkCursor member_chunks, device_chunks;
    MemberStream<MemberReader> members;
    MemberStream<DeviceMemberReader> devices;
    SubscriberBits whole;                   // of the latest window
    std::vector<DevicePosition> positions;  // of devices that hear it themselves, in the window
    std::size_t position = 0;               // all before were asked for
  };
  struct FieldTerm {
    std::string with;                                 // folded for locales
    std::unordered_map<std::uint32_t, bool> by_text;  // by id in dict
  };

  void start(const AudienceNode& node);
  std::uint32_t next(const AudienceNode& node, std::uint32_t from);
  void evaluate(const AudienceNode& node, const SubscriberBits& candidates, bool leading,
                SubscriberBits& sure, SubscriberBits& maybe);
  const SubscriberBits& with_traits();
  void evaluate_topic(const AudienceNode& node, const SubscriberBits& candidates,
                      SubscriberBits& sure, SubscriberBits& maybe);
  bool matches(const AudienceNode& node, const HotDevice& device);
  bool hears(TopicTerm& term, DevicePosition position);
  bool field_matches(const AudienceNode& node, const HotDevice& device);

  static constexpr std::uint32_t kNobody = 0xffff'ffff;

  Database& database_;
  AudienceTables& tables_;
  const AudienceExpression* expression_ = nullptr;
  std::vector<std::unique_ptr<TopicTerm>> topics_;
  std::vector<FieldTerm> fields_;
  TraitCursor leading_traits_, traits_;
  SubscriberCursor subscribers_;
  Statement apps_;
  bool one_app_ = false;
  std::uint32_t base_ = 0;
  const SubscriberBits* candidates_ = nullptr;  // the window's; while it is evaluated
  SubscriberBits with_traits_;
  bool with_traits_read_ = false;  // ... for this window
};

}  // namespace carillon::store::sqlite
