// The contract of what is remembered: audience, events, jobs, outcomes, keys.
//
// Durable means: after a call (or its completion callback) reports success, the change survives a
// power cut. A failed call changed nothing. Calls that write may come from any thread; they are
// applied one after the other by the store's single writer, neighbours sharing one commit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "storage/condition.h"
#include "storage/event_control.h"

namespace carillon::store {

struct Error {
  enum class Kind : std::uint8_t {
    kNotFound,      // no such event, device, topic, app, key
    kMismatch,      // the idempotency key was used with another body
    kInvalid,       // a name, token or size out of bounds; nothing was stored
    kFull,          // the disk or a limit of the store is full
    kBusy,          // another process holds the store for too long
    kNewerVersion,  // written by a newer Carillon
    kCorrupt,       // the file is not a store, or damaged
    kIo,            // the file system said no
  };
  Kind kind = Kind::kIo;
  std::string message;  // one sentence for the operator, with what to do
};

template <class T>
using Result = tl::expected<T, Error>;

// --- limits: bytes unless said otherwise ------------------------------------------------------
inline constexpr std::size_t kNameBytesMax = 128;    // app, topic, device, subscriber
inline constexpr std::size_t kTokenBytesMax = 4096;  // a Web Push subscription is the longest
inline constexpr std::size_t kLocaleBytesMax = 35;   // BCP 47's longest recommended tag
inline constexpr std::size_t kTimezoneBytesMax = 64;
inline constexpr std::size_t kDevicesPerSubscriberMax = 64;   // devices
inline constexpr std::size_t kTopicsPerSubscriberMax = 4096;  // topics
inline constexpr std::size_t kTopicsPerDeviceMax = 256;       // topics that a device hears itself
inline constexpr std::size_t kAppVersionBytesMax = 64;
inline constexpr std::size_t kAttributesPerDeviceMax = 64;        // attributes
inline constexpr std::size_t kAttributeTextsMax = 64;             // members of one list of texts
inline constexpr std::size_t kAttributeBytesPerDeviceMax = 4096;  // all of a device's, as stored
inline constexpr std::size_t kAttributeNamesMax = 1024;           // names of one app
// A day: a registration that changes nothing writes that the device was seen at most so often.
inline constexpr std::int64_t kLastSeenStepMs = 86'400'000;
inline constexpr std::size_t kNamedAudienceMax = 10'000;  // names in one event, of both kinds
inline constexpr std::size_t kTopicsPerEventMax = 64;     // topics in one event's list
inline constexpr std::size_t kContentBytesMax = 64 * 1024;
inline constexpr std::size_t kIdempotencyKeyBytesMax = 255;

enum class Platform : std::uint8_t { kApns = 1, kFcm = 2, kWebPush = 3 };
inline constexpr std::size_t kPlatforms = 3;
using PlatformCounts = std::array<std::uint64_t, kPlatforms>;  // [platform - 1]

// UUIDv7, made by the caller, ordered by time.
using EventId = std::array<std::uint8_t, 16>;

// Where a device stands in the order in which audiences are read. Opaque but for its order; it
// stays a device's own for as long as the device is registered and is not given to another one
// while an event that could name it is running. 0 is before the first.
using DevicePosition = std::uint64_t;

// --- the audience -----------------------------------------------------------------------------

// What an app says of a device under a name, for conditions to ask about. Numbers are finite.
struct Attribute {
  std::string name;
  AttributeValue value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};
// The same, not owned.
struct AttributeView {
  std::string_view name;
  std::variant<bool, double, std::string_view, std::span<const std::string_view>> value;
};

// All that is known of a device from now on but for topics, which are added to: what is left out
// is then not known any more. Views must outlive the call only.
struct DeviceRegistration {
  std::string_view app;
  std::string_view device;  // the app's own id of the installation
  Platform platform = Platform::kApns;
  std::string_view token;  // for Web Push: the subscription as the relay writes it
  std::string_view
      subscriber;           // the app's own user id; empty: an anonymous device, its own subscriber
  std::string_view locale;  // empty: not given
  std::string_view timezone;
  // Topics that the device's subscriber is to hear from now on, beside those it hears already.
  std::span<const std::string_view> topics = {};
  // ... and those that the device is to hear itself, whoever uses it: a device that moves to
  // another subscriber keeps them.
  std::span<const std::string_view> device_topics = {};
  std::string_view app_version = {};               // empty: not given
  std::span<const AttributeView> attributes = {};  // each name once, in any order
  // When the app last heard of the device: never moves back, and by whole days only. 0: now, if the
  // app itself registers or the line brings a device, a token or a subscriber that is new to it;
  // else the line does not say.
  std::int64_t last_seen_ms = 0;
  // The app itself registers, now: proof that the token lives. A provider's word of before is then
  // not about it any more. Not so an import, whose lines may be of any age.
  bool by_app = false;
};

enum class Registered : std::uint8_t {
  kCreated,
  kUpdated,
  kUnchanged
};  // kUnchanged wrote nothing

struct DeviceRecord {
  std::string device;
  Platform platform = Platform::kApns;
  std::string token;
  std::string subscriber;  // empty: anonymous
  std::string locale;
  std::string timezone;
  std::vector<std::string> topics;         // its subscriber's, sorted
  std::vector<std::string> device_topics;  // its own, sorted
  std::string app_version;
  std::vector<Attribute> attributes;  // sorted by name
  std::int64_t registered_ms = 0;     // of the token that it has now
  std::int64_t last_seen_ms = 0;      // at least this late; see kLastSeenStepMs
  bool stale = false;                 // left out of audiences until it registers again
  bool quarantined = false;           // likewise: see quarantine.h
};

struct TopicRecord {
  std::string topic;
  std::uint64_t subscribers = 0;  // who hear it, themselves or through a device of theirs
  PlatformCounts devices{};
};

struct AudienceCount {
  std::uint64_t subscribers = 0;  // who have a device in it; an anonymous device is one
  PlatformCounts devices{};
  friend bool operator==(const AudienceCount&, const AudienceCount&) = default;
};

// What happens to a device whose app was not heard of for long.
enum class StaleAction : std::uint8_t {
  kLeaveOut = 1,  // of every audience, until it registers again
  kRemove         // as if it was erased
};

struct StaleSweep {
  std::uint64_t devices = 0;   // newly left out, or removed
  DevicePosition through = 0;  // where the next call goes on
  bool end = false;            // no device comes after
};

// Where a compaction stands. Opaque but for its beginning, the default; kept by who runs it: a
// compaction that is not ended begins anew, and passes quickly over what it has done.
struct CompactionPlace {
  std::uint8_t stage = 0;
  bool rewrite = false;
  std::uint64_t next = 0;
  friend bool operator==(const CompactionPlace&, const CompactionPlace&) = default;
};

struct CompactionStep {
  CompactionPlace place;  // where the next call goes on
  bool end = false;
  double done = 0;  // 0..1, a guess
  std::uint64_t file_bytes = 0, free_bytes = 0;
};

struct ErasedCounts {
  std::uint64_t devices = 0;
  std::uint64_t subscriptions = 0;
};

// --- events and their jobs ----------------------------------------------------------------------

enum class EventState : std::uint8_t { kQueued = 1, kRunning, kPaused, kCompleted, kCancelled };

// Who an event is for: every device that any of these names, once. Topics, names and conditions
// mean those of the event's app.
struct Audience {
  std::vector<std::string> topics;       // at most kTopicsPerEventMax
  std::vector<std::string> subscribers;  // with `devices` together at most kNamedAudienceMax
  std::vector<std::string> devices;
  std::optional<Condition> condition;
  friend bool operator==(const Audience&, const Audience&) = default;
};

struct NewEvent {
  EventId id{};
  std::string app;
  Audience audience;
  std::string content;        // what the relay needs to render it again; opaque here
  std::uint8_t priority = 2;  // 1 urgent, 2 normal, 3 bulk
  std::int64_t accepted_ms = 0;
  std::int64_t expires_ms = 0;
  std::string idempotency_key;                 // empty: none. Unique within the app
  std::array<std::uint8_t, 32> body_digest{};  // what "the same body" means for the key
};

struct AcceptedEvent {
  EventId id{};           // the first event's, if repeated
  bool repeated = false;  // the key was there with the same digest: nothing was stored
  PlatformCounts targeted{};
};

// targeted = the sum of the others + pending, at every instant.
struct Counters {
  std::uint64_t targeted = 0, accepted = 0, rejected = 0, expired = 0, suppressed = 0,
                cancelled = 0, dead_lettered = 0;
  std::uint64_t settled() const {
    return accepted + rejected + expired + suppressed + cancelled + dead_lettered;
  }
  std::uint64_t pending() const { return targeted - settled(); }
};

// One event's send to one platform: what the fan-out works on, checkpoints and finishes. An event
// is completed when all its jobs are.
struct JobKey {
  EventId event{};
  Platform platform = Platform::kApns;
  friend bool operator==(const JobKey&, const JobKey&) = default;
  friend auto operator<=>(const JobKey&, const JobKey&) = default;
};

struct Job {
  JobKey key;
  std::string app;
  std::uint8_t priority = 2;
  std::int64_t accepted_ms = 0;
  std::int64_t expires_ms = 0;
  EventState state = EventState::kQueued;
  Counters counters;
  // Every device of the audience at or before `cursor` has a recorded outcome or a recorded retry.
  DevicePosition cursor = 0;
  std::vector<DevicePosition> beyond;  // ascending: devices after it that have one, too
  bool exhausted = false;              // nobody of the audience is left to read
  std::uint64_t retries = 0;           // recorded, not yet settled
  bool cancelling = false;             // see Checkpoint::cancel_all_but
  std::uint64_t failure_rows = 0;      // failures stored device by device
  std::uint32_t rate_per_second = 0;   // the event's, over all its jobs; 0: no limit
};

struct EventRecord {
  EventId id{};
  std::string app;
  Audience audience;  // its names are not read back, only how many there were
  std::uint64_t audience_subscribers = 0, audience_devices = 0;
  std::string content;
  std::uint8_t priority = 2;
  EventState state = EventState::kQueued;
  std::int64_t accepted_ms = 0, expires_ms = 0;
  std::int64_t first_ms = 0, last_ms = 0;  // first and latest recorded outcome; 0: none
  // When 50, 95, 99 and 100 % of the targeted devices were settled; 0: not yet.
  std::array<std::int64_t, 4> settled_ms{};
  struct PerPlatform {
    Platform platform = Platform::kApns;
    EventState state = EventState::kQueued;
    Counters counters;
    bool cancelling = false;
  };
  std::vector<PerPlatform> jobs;
  std::uint32_t rate_per_second = 0;  // devices; 0: no limit
  struct ReasonCount {
    Platform platform = Platform::kApns;
    std::string reason;
    std::uint64_t count = 0;
  };
  std::vector<ReasonCount> reasons;
};

// A page of an audience. Reused from read to read, so that it allocates only while it grows.
struct DevicePage {
  struct Entry {
    DevicePosition position = 0;
    std::uint32_t token_offset = 0;  // into `tokens`
    std::uint16_t token_length = 0;
    std::uint16_t locale = 0;  // index for AudienceScan::locale; 0: none
  };
  std::vector<Entry> devices;  // ascending by position
  std::string tokens;
  // Everything in the audience at or before `through` is in this page or was before `after`:
  // a page may be empty and still move on.
  DevicePosition through = 0;
  bool end = false;  // nothing comes after
};

// Reads the frozen audience of one job, page by page. For one thread. Holds no transaction between
// reads: who was erased, unsubscribed or registered again in between is seen as it is then.
class AudienceScan {
 public:
  virtual ~AudienceScan() = default;
  // Devices after `after`, about `limit` of them at most (never more than 2 × limit).
  virtual Result<void> read(DevicePosition after, std::size_t limit, DevicePage& page) = 0;
  // Of a device that this store has told of; good until the next call. Empty: none.
  virtual Result<std::string_view> locale(std::uint16_t index) = 0;
};

// --- what the fan-out records -------------------------------------------------------------------

struct Retry {
  DevicePosition position = 0;
  std::int64_t due_ms = 0;
  std::uint32_t attempts = 0;  // made so far
  std::string reason;          // of the latest
};

// A recorded retry that has come due, with the device as it is now.
struct DueRetry {
  Retry retry;
  std::string token;  // empty: the device is gone, unsubscribed or no longer on this platform
  std::uint16_t locale = 0;  // index for AudienceScan::locale; 0: none
};

struct Failure {
  enum class Outcome : std::uint8_t { kRejected = 1, kExpired, kDeadLettered };
  DevicePosition position = 0;
  Outcome outcome = Outcome::kRejected;
  std::string reason;
  std::uint32_t attempts = 0;
  std::int64_t at_ms = 0;
  bool token_dead = false;  // the provider said that the token is gone: never sent to again
};

// A provider's explicit word. The device goes only if it is still on the job's platform, still has
// this token (an empty one stands for any) and registered it before `dead_since_ms`. The caller
// that leaves the token out vouches that `dead_since_ms` is not later than when it read the token.
struct TokenRemoval {
  DevicePosition position = 0;
  std::string token = {};
  std::int64_t dead_since_ms = 0;
  std::string reason = {};  // the provider's word
};

// Everything that became known of one job since its last checkpoint. Applied whole or not at all,
// in the order of its fields: a retry that stands in `retries` and in `retries_done` is done.
struct Checkpoint {
  JobKey job;
  DevicePosition cursor = 0;
  std::vector<DevicePosition> beyond;  // ascending, all > cursor; replaces the job's
  bool exhausted = false;
  Counters added;  // what is added to the job's counters; `targeted` must be 0
  std::vector<std::pair<std::string, std::uint64_t>> reasons;  // added to the job's, by reason
  std::vector<Retry> retries;                                  // inserted, or replaced by position
  std::vector<DevicePosition> retries_done;                    // settled: deleted
  std::vector<Failure> failures;
  std::vector<TokenRemoval> removals;
  // The same words, not believed for now: the devices stay and are left out of audiences.
  std::vector<TokenRemoval> quarantined;
  // The state from now on. kCompleted is refused unless exhausted, with no retry left; what is
  // then still pending left the audience before its turn and becomes `suppressed`. At kCancelled
  // it becomes `cancelled`, and recorded retries go. A finished job is not recorded again.
  EventState state = EventState::kRunning;
  // The job is cancelled, but so many devices were handed out and have not answered: all others
  // that are pending become `cancelled`, recorded retries go, and nobody may be handed out again,
  // by whoever takes the job up. Outcomes are recorded until kCancelled ends it.
  std::optional<std::uint64_t> cancel_all_but = {};
  std::optional<std::uint32_t> rate_per_second = {};  // the event's from now on
};

// --- keys
// -----------------------------------------------------------------------------------------

struct ApiKey {
  std::string name;
  std::array<std::uint8_t, 32> hash{};  // SHA-256 of the printed key
  std::uint32_t scopes = 0;             // bits, the relay's meaning
  std::int64_t created_ms = 0;
  std::int64_t revoked_ms = 0;  // 0: valid
};

struct StoreStats {
  std::uint64_t devices = 0, subscribers = 0, topics = 0;
  std::uint64_t quarantined = 0;  // devices
  std::uint64_t file_bytes = 0, wal_bytes = 0;
  std::uint64_t free_bytes = 0;  // of the file: used again before it grows
  bool shrinks = false;          // free bytes can go back to the file system while it is in use
  std::uint64_t commits = 0, committed_requests = 0;  // since open; their ratio is the group's size
};

class DeviceExport;  // device_export.h
// quarantine.h
struct QuarantinedDevice;
struct QuarantineStep;
enum class QuarantineAction : std::uint8_t;
struct DeviceFate;  // event_report.h
struct FailurePage;
struct FailureQuery;
struct OutcomePage;  // outcome_feed.h

class Store {
 public:
  virtual ~Store() = default;  // waits for what is queued

  // The audience. Names are 1..kNameBytesMax bytes of printable UTF-8 without control characters.
  // kFull is also the answer for a subscriber who changed 256 devices while an event was running.
  virtual Result<Registered> put_device(const DeviceRegistration& device, std::int64_t now_ms) = 0;
  // The same for many, one transaction, any order, each line judged by itself: result i is of
  // devices[i]. A later line about the same device wins. Fails as a whole only for kFull and worse.
  virtual Result<std::vector<Result<Registered>>> put_devices(
      std::span<const DeviceRegistration> devices, std::int64_t now_ms) = 0;
  virtual Result<DeviceRecord> device(std::string_view app, std::string_view device) = 0;
  virtual Result<ErasedCounts> erase_device(std::string_view app, std::string_view device) = 0;
  virtual Result<ErasedCounts> erase_subscriber(std::string_view app,
                                                std::string_view subscriber) = 0;
  // true: changed. Subscribing makes the subscriber known if it is not: its devices may come later.
  virtual Result<bool> subscribe(std::string_view app, std::string_view topic,
                                 std::string_view subscriber, std::int64_t now_ms) = 0;
  virtual Result<bool> unsubscribe(std::string_view app, std::string_view topic,
                                   std::string_view subscriber) = 0;
  // The same for one device of the app, whoever uses it: what its subscriber hears, it hears still.
  // An anonymous device is its own subscriber, and leaves what it heard as that. kNotFound if there
  // is no such device.
  virtual Result<bool> subscribe_device(std::string_view app, std::string_view topic,
                                        std::string_view device) = 0;
  virtual Result<bool> unsubscribe_device(std::string_view app, std::string_view topic,
                                          std::string_view device) = 0;
  // One batch of a walk over the app's devices: of those after `after`, `subscribers_max`
  // subscribers at most are looked at, and who was last seen before `before_ms` is dealt with.
  virtual Result<StaleSweep> sweep_stale(std::string_view app, StaleAction action,
                                         std::int64_t before_ms, DevicePosition after,
                                         std::size_t subscribers_max) = 0;
  // Devices in quarantine after `after`, `limit` at most, by position; and how many there are.
  virtual Result<std::vector<QuarantinedDevice>> quarantine(std::string_view app,
                                                            DevicePosition after,
                                                            std::size_t limit) = 0;
  virtual Result<PlatformCounts> count_quarantine(std::string_view app) = 0;
  // Restores them, or removes them as dead: one batch of a walk over those after `after`, `limit`
  // of them at most. `platform`: all of them if none.
  virtual Result<QuarantineStep> decide_quarantine(std::string_view app, QuarantineAction action,
                                                   std::optional<Platform> platform,
                                                   DevicePosition after, std::size_t limit) = 0;
  // The same for devices by name; who is not in quarantine is passed over.
  virtual Result<QuarantineStep> decide_quarantine(std::string_view app, QuarantineAction action,
                                                   std::span<const std::string> devices) = 0;
  virtual Result<TopicRecord> topic(std::string_view app, std::string_view topic) = 0;
  // How many an event for this audience would reach now. One read transaction: a tenth of a second
  // for ten million devices by topics, some six by locale alone.
  virtual Result<AudienceCount> count(std::string_view app, const Audience& audience) = 0;
  // Every device of the app (empty: of all apps), for whoever wants to read them all. An app that
  // the store does not know has none. Returns at once: kFull if there is no room for the copy that
  // the export will read. Outlives the store if it has to.
  virtual Result<std::unique_ptr<DeviceExport>> export_devices(std::string_view app) = 0;

  // Events. `accept` stores event, idempotency record and one job per platform that has devices in
  // the audience, in one transaction, and freezes the audience: who comes later is not in it. A
  // topic nobody has subscribed to, or names nobody has, are an empty audience: completed at once.
  // Returns at once; `done` runs once, when that is durable or has failed (then nothing was
  // stored): on the writer's thread, where it must not block, or here, if the store is open to read
  // only.
  virtual void accept(NewEvent event, std::function<void(Result<AcceptedEvent>)> done) = 0;
  // Waits for it.
  Result<AcceptedEvent> accept(const NewEvent& event);
  virtual Result<EventRecord> event(const EventId& id) = 0;
  // Newest first, those before `before` (all zero: from the newest). `content` is left empty.
  virtual Result<std::vector<EventRecord>> events(const EventId& before, std::size_t limit) = 0;

  // Jobs that are not finished, oldest event first.
  virtual Result<std::vector<Job>> unfinished_jobs() = 0;
  virtual Result<std::vector<Job>> jobs(const EventId& event) = 0;
  virtual Result<std::unique_ptr<AudienceScan>> scan(const JobKey& job) = 0;
  // Up to `limit` retries of a job due at `now_ms`, soonest first, after leaving out `handed_out`
  // (ascending); and when the next one after those is due (0: none).
  struct DueRetries {
    std::vector<DueRetry> due;
    std::int64_t next_due_ms = 0;
  };
  virtual Result<DueRetries> due_retries(const JobKey& job, std::int64_t now_ms, std::size_t limit,
                                         std::span<const DevicePosition> handed_out) = 0;
  // Applies all of them in one transaction and calls `done` once it is durable or has failed (then
  // nothing was applied). Returns at once; `done` runs on the writer's thread and must not block.
  virtual void record(std::vector<Checkpoint> checkpoints, std::int64_t now_ms,
                      std::function<void(Result<void>)> done) = 0;

  // Failures that are stored device by device, page by page; and what became of one device of the
  // event's app, a name that nobody has too. kNotFound: no such event.
  virtual Result<FailurePage> failures(const EventId& id, const FailureQuery& query) = 0;
  virtual Result<DeviceFate> explain(const EventId& id, std::string_view device) = 0;

  // The outcome feed after a number (0: from the first): at least once, in order, `limit` rows at
  // most. Rows are kept as long as the store's options and `forget_outcomes` let them.
  virtual Result<OutcomePage> outcomes(std::uint64_t after, std::size_t limit) = 0;
  // The oldest of those from before `before_ms`, one step of them; their number. 0: none is left.
  virtual Result<std::uint64_t> forget_outcomes(std::int64_t before_ms) = 0;

  // Failures of a completed event become pending again, in one transaction: counters and reasons go
  // back, each is a retry with no attempt made that is due at `now_ms`, and the jobs run. With
  // nothing to take nothing changes. kNotFound: no such event. kInvalid: it is not completed, or
  // its time has passed and no other is given. 100,000 take some tenths of a second of the writer.
  virtual Result<Replayed> replay(const EventId& id, const ReplayWish& wish,
                                  std::int64_t now_ms) = 0;

  // Keys.
  virtual Result<void> put_key(const ApiKey& key) = 0;  // kInvalid if the name is taken
  virtual Result<std::vector<ApiKey>> keys() = 0;
  virtual Result<void> revoke_key(std::string_view name, std::int64_t now_ms) = 0;

  // Idempotency records older than `before_ms` are forgotten; their number.
  virtual Result<std::uint64_t> forget_idempotency_keys(std::int64_t before_ms) = 0;

  // One step of upkeep, a transaction of its own: packs what erasures left sparse and gives free
  // space back to the file system, working on about `bytes_max` bytes. Reads and writes go on
  // between steps; `CompactionPace` says how large a step may be.
  virtual Result<CompactionStep> compact(const CompactionPlace& place, std::size_t bytes_max) = 0;

  // A write that goes to the disk and back: what /readyz asks.
  virtual Result<void> check_writable() = 0;
  virtual Result<StoreStats> stats() = 0;
};

}  // namespace carillon::store
