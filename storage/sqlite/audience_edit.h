// Changing the audience, inside the writer's transaction.
//
// A request's changes are gathered first and written by `flush` in the order of their keys, so that
// a batch of a hundred thousand lines touches each chunk once. Until then lookups see what was
// gathered over what is stored. `forget` drops everything that is held in memory.
//
// Law: whatever is derived (memberships in `mem` and `devmem`, the counts of a topic, of an app, of
// the store) is the difference between a subscriber's row before the request and after it, taken in
// one place, `flush`. Names, tokens, devices and traits are edited where they change.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/quarantine.h"
#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/hash_multimap.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/name_levels.h"
#include "storage/sqlite/outcome_log.h"
#include "storage/sqlite/quarantine_tables.h"
#include "storage/sqlite/text_dictionary.h"
#include "storage/sqlite/trait_chunk.h"
#include "storage/sqlite/trait_encoder.h"

namespace carillon::store::sqlite {

inline constexpr std::uint32_t kTopicIdMax = 0x7fff'ffff;
inline constexpr std::uint32_t kAppIdMax = kTopicIdMax >> 2;  // with a platform beside it in a key

class AudienceEdit {
 public:
  AudienceEdit(Database& database, const NameLimits& limits);

  // At the start of every transaction: another process may have written since the last one.
  void begin();
  // At its end: names move on, and the one row of counters, if it changed.
  void finish();
  // One request ends well: what it changed is written.
  void flush();
  // A request failed and was undone in the file: undone here, too.
  void forget_request();
  // The same for the whole transaction.
  void forget();

  std::vector<Result<Registered>> put_devices(std::span<const DeviceRegistration> devices,
                                              std::int64_t now_ms);
  // The same in two steps, for lines that came at different times: what all of them ask for is read
  // at once, then each is applied. `line` is the number'th that was looked up, and no flush
  // between.
  void look_up(std::span<const DeviceRegistration> devices);
  Result<Registered> put_device(std::size_t number, const DeviceRegistration& line,
                                std::int64_t now_ms);
  ErasedCounts erase_device(std::string_view app, std::string_view device);
  ErasedCounts erase_subscriber(std::string_view app, std::string_view subscriber);
  bool subscribe(std::string_view app, std::string_view topic, std::string_view subscriber);
  bool unsubscribe(std::string_view app, std::string_view topic, std::string_view subscriber);
  bool subscribe_device(std::string_view app, std::string_view topic, std::string_view device);
  bool unsubscribe_device(std::string_view app, std::string_view topic, std::string_view device);
  StaleSweep sweep_stale(std::string_view app, StaleAction action, std::int64_t before_ms,
                         DevicePosition after, std::size_t subscribers_max);
  // Whether the device went.
  bool remove_dead(const TokenRemoval& word, Platform platform, std::int64_t now_ms);
  // Whether it was put there now.
  bool quarantine_dead(const TokenRemoval& word, Platform platform, std::int64_t now_ms);
  QuarantineStep decide_quarantine(std::string_view app, QuarantineAction action,
                                   std::optional<Platform> platform, DevicePosition after,
                                   std::size_t limit);
  QuarantineStep decide_quarantine(std::string_view app, QuarantineAction action,
                                   std::span<const std::string> devices);

  // The audience is frozen as it is now; the number that tells it from what comes later.
  std::uint64_t freeze();
  // An audience frozen in this transaction runs until it is finished.
  void runs(std::uint64_t frozen) { oldest_running_ = std::min(oldest_running_, frozen); }
  // The clock's number of the oldest running audience; larger than any: none runs.
  std::uint64_t oldest_running() const { return oldest_running_; }
  // Subscribers that come from now on have this number or a larger one.
  std::uint64_t next_subscriber() const { return meta_.next_subscriber; }
  std::uint32_t app_id(std::string_view name);
  AudienceTables& tables() { return tables_; }
  OutcomeLog& outcomes() { return outcomes_; }
  void probe();
  bool erased() const { return erased_; }  // since the last call of taken
  void erased_taken() { erased_ = false; }

 private:
  static constexpr std::uint64_t kNoneRunning = std::numeric_limits<std::uint64_t>::max();

  struct Meta {
    std::uint64_t clock = 0, next_subscriber = 0, devices = 0, subscribers = 0, topics = 0,
                  probe = 0;
    NameLevels::Levels names;
    friend bool operator==(const Meta&, const Meta&) = default;
  };
  static inline const Subscriber kNobody;
  // A subscriber that this request has looked at.
  struct Slot {
    std::uint32_t id = 0;
    bool stored = false;  // has a row
    bool gone = false;    // is to have none
    bool changed = false;
    std::uint32_t fetched = kNotFetched;  // where its devices begin in `fetched_`
    Subscriber now;
    std::unique_ptr<Subscriber> before;  // as it is stored, from the first change on; none: no row
    const Subscriber& was() const { return before ? *before : kNobody; }
  };
  static constexpr std::uint32_t kNotFetched = std::numeric_limits<std::uint32_t>::max();
  struct Place {
    Slot* slot = nullptr;
    std::size_t index = 0;
  };
  struct TopicRow {
    std::uint32_t id = 0;
    std::uint64_t subscribers = 0;
    PlatformCounts devices{};
    bool changed = false;
  };
  struct AppRow {
    std::uint8_t usual =
        0;  // the platform whose subscribers `unusual` leaves out; 0: not known yet
    std::uint64_t subscribers = 0;  // with a device that is not stale
    PlatformCounts devices{};
    bool changed = false;
  };
  // Who of a subscriber hears a topic.
  struct Hearing {
    std::uint32_t topic = 0;
    bool whole = false;  // the subscriber does, with every device
    PlatformCounts devices{};
  };
  // A device as the request sees it; until the next lookup.
  struct DeviceView {
    Platform platform = Platform::kApns;
    std::string_view token;
    std::uint16_t locale = 0;
    std::uint64_t since = 0;
    bool stale = false;
    StoredDevice stored() const {
      return {.platform = platform,
              .token = std::string(token),
              .locale = locale,
              .since = since,
              .stale = stale};
    }
  };
  static DeviceView view_of(const StoredDevice& device) {
    return {.platform = device.platform,
            .token = device.token,
            .locale = device.locale,
            .since = device.since,
            .stale = device.stale};
  }
  // Read ahead for a batch; tokens stand in `fetched_tokens_`.
  struct FetchedDevice {
    DevicePosition position = 0;
    std::uint64_t since = 0;
    std::size_t token_at = 0;
    std::uint32_t token_bytes = 0;
    std::uint16_t locale = 0;
    Platform platform = Platform::kApns;
    bool stale = false;
  };
  // What a line of a batch is found by. app 0: the line is refused.
  struct LineKeys {
    std::uint32_t app = 0;
    std::uint64_t device = 0, token = 0, subscriber = 0;
  };
  struct DeviceEdit {
    std::optional<StoredDevice> device;  // none: erased
    std::string packed;
    TokenCode code = TokenCode::kRaw;
  };

  // Lookups over what is gathered and stored.
  void look_up_names(std::vector<std::uint64_t>& keys);
  void fetch_devices(std::size_t first);
  void forget_looked_up();
  template <class Match>
  bool any_hint(std::uint64_t key, Match match);
  Slot* slot(std::uint32_t id);
  static std::uint64_t slot_key(std::uint32_t id) { return std::uint64_t{id} + 1; }
  // `key` is that of the name in `hx`, where it is known already.
  Slot* find_subscriber(std::uint32_t app, std::string_view name, std::uint64_t key);
  Slot* find_subscriber(std::uint32_t app, std::string_view name);
  std::optional<Place> find_device(std::uint32_t app, std::string_view name, std::uint64_t key);
  std::optional<Place> find_device(std::uint32_t app, std::string_view name);
  std::optional<Place> find_token(std::uint32_t app, Platform platform, std::string_view token,
                                  std::uint64_t key);
  DeviceView device_at(const Slot& slot, std::uint8_t ordinal);
  TopicRow& topic_row(std::uint32_t id);
  std::optional<std::uint32_t> find_topic(std::uint32_t app, std::string_view name);
  std::uint32_t topic_id(std::uint32_t app, std::string_view name);
  AppRow& app_row(std::uint32_t id);
  // As they are stored.
  std::string traits_at(DevicePosition position);

  // Changes.
  std::optional<Error> refuse(const Slot* target, const std::optional<Place>& device,
                              const Slot* holder_slot, std::uint32_t app,
                              const DeviceRegistration& line);
  // What a line says of a device, in the store's terms.
  struct Facts {
    std::uint16_t locale = 0;
    std::uint32_t timezone = 0;
    std::string traits;
    std::int64_t seen_day = 0;
    std::int64_t now_ms = 0;
    std::vector<std::uint32_t> topics = {};  // that it heard at its former subscriber's
  };
  bool update_in_place(Place place, const DeviceRegistration& line, Facts facts);
  bool add_device_topics(Slot& slot, std::string_view device, std::uint32_t app,
                         std::span<const std::string_view> topics);
  bool add_topics(Slot& slot, std::uint32_t app, std::span<const std::string_view> topics);
  std::optional<std::uint8_t> free_ordinal(const Subscriber& subscriber) const;
  Slot& new_subscriber(std::uint32_t app, std::string_view name);
  Subscriber& change(Slot& slot);
  void attach(Slot& slot, const DeviceRegistration& line, Facts facts);
  void detach(Slot& slot, std::size_t index);
  void drop_if_empty(Slot& slot);
  void edit_device(DevicePosition position, std::optional<StoredDevice> device);
  void set_stale(Slot& slot, std::size_t index);
  std::optional<Place> told_dead(const TokenRemoval& word, Platform platform);
  bool in_quarantine(DevicePosition position);
  void leave_quarantine(DevicePosition position);
  void tell_removed(const Slot& slot, std::size_t index, std::string_view reason,
                    std::int64_t dead_since_ms, std::int64_t at_ms);
  void forget_outcomes_of(const Slot& slot);
  void decide(QuarantineAction action, Slot& slot, std::size_t index);
  void edit_name(std::uint64_t key, std::uint32_t subscriber, bool erase);
  std::uint64_t since() const { return oldest_running_ == kNoneRunning ? 0 : meta_.clock; }

  ErasedCounts erase(Slot& slot);
  void flush_slots();
  void count_difference(const Slot& slot);
  void count_app(const Slot& slot);
  void count_topics(const Slot& slot);
  static void gather_hearing(const Subscriber& subscriber, std::vector<Hearing>& out);
  void edit_device_members(const Slot& slot);
  void flush_devices();
  void flush_traits();
  void flush_quarantine();
  void flush_names();
  void flush_members();
  void flush_topics();
  void flush_apps();
  void load_meta();

  Database& database_;
  AudienceTables tables_;
  OrderedChunks<HotFormat> hot_;
  OrderedChunks<MemberFormat> members_, unusual_;
  OrderedChunks<DeviceMemberFormat> device_members_;
  OrderedChunks<TraitFormat> traits_;
  NameLevels names_;
  TraitCursor trait_at_;
  HotCursor hot_at_;
  TextDictionary texts_;
  TraitEncoder trait_encoder_;
  OutcomeLog outcomes_;
  QuarantineTables quarantine_;
  Statement data_version_, meta_row_, write_meta_, oldest_, insert_app_, insert_topic_,
      topic_by_id_, update_topic_, put_subscriber_, erase_subscriber_, app_by_id_, update_app_,
      walk_, put_quarantine_, erase_quarantine_;

  // The transaction's.
  std::int64_t seen_version_ = -1;
  Meta meta_, stored_meta_, request_meta_;
  std::uint64_t oldest_running_ = kNoneRunning;
  bool erased_ = false;

  // Caches of rows, good while nobody else writes.
  TextNumbers apps_, topics_;
  std::unordered_map<std::uint32_t, TopicRow> topic_rows_;
  std::unordered_map<std::uint32_t, AppRow> app_rows_;

  // The request's.
  std::deque<Slot> slots_;
  HashMultimap slot_by_id_;  // slot_key -> index in `slots_`
  std::vector<LineKeys> keys_;
  std::vector<FetchedDevice> fetched_;  // those of a subscriber stand together
  std::string fetched_tokens_;
  StoredDevice read_;            // what the latest DeviceView may look at
  HashMultimap hints_;           // stored ones of the batch in hand, then those gathered
  bool hints_complete_ = false;  // every key that the batch may ask for was looked up
  std::unordered_map<DevicePosition, DeviceEdit> device_edits_;
  struct NameEdit {
    std::uint64_t key = 0;
    std::uint32_t subscriber = 0;
    std::int32_t change = 0;  // +1 or -1
  };
  std::vector<NameEdit> name_edits_;
  std::unordered_map<DevicePosition, std::string> trait_edits_;  // empty: none from now on
  std::unordered_map<DevicePosition, std::optional<QuarantineRow>> quarantine_edits_;  // likewise
  std::vector<OrderedChunks<MemberFormat>::Edit> member_edits_, unusual_edits_;
  std::vector<OrderedChunks<DeviceMemberFormat>::Edit> device_member_edits_;
  std::vector<std::uint32_t> changed_topics_, changed_apps_;
  std::vector<Hearing> hearing_before_, hearing_after_;
  std::string topic_key_, encoded_;
};

}  // namespace carillon::store::sqlite
