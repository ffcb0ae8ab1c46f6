// `carillon check`: walks every structure and compares what is stored in two places.
//
// Memory stays bounded: `sub`, `hot` and `trait` are walked side by side, all in the order of
// subscribers; `mem`, `devmem`, `unusual` and `hx` are looked up in `sub` entry by entry, and their
// totals compared.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>

#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/event_tables.h"
#include "storage/sqlite/frozen_window.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/position_list.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::store {
namespace {

using namespace sqlite;  // NOLINT: this file is about nothing else

constexpr std::size_t kProblemsMax = 100;  // sentences; more would only repeat the first

// Deeply also that each index has every row of its table, and nothing else: a topic that its index
// has lost is a topic that nobody hears.
void check_pages(Database& database, bool deep, std::vector<std::string>& problems) {
  try {
    Statement check(database, deep ? "PRAGMA integrity_check" : "PRAGMA quick_check");
    for (Cursor row = check.rows(); row.next();) {
      if (row.bytes(0) == "ok") continue;
      problems.push_back(fmt::format("the file's pages: {}", row.bytes(0)));
    }
  } catch (const StoreFailure& failure) {
    problems.push_back(failure.error.message);
  }
}

class StoreCheck {
 public:
  explicit StoreCheck(Database& database)
      : database_(database), audience_(database), events_(database) {}

  std::vector<std::string> run() {
    guarded([&] { subscribers_and_devices(); });
    guarded([&] { members(); });
    guarded([&] { device_members(); });
    guarded([&] { apps(); });
    guarded([&] { unusual(); });
    guarded([&] { topics(); });
    guarded([&] { names(); });
    guarded([&] { quarantine(); });
    guarded([&] { jobs(); });
    guarded([&] { frozen(); });
    return std::move(problems_);
  }

 private:
  // What cannot be read ends its own walk only.
  template <class Walk>
  void guarded(Walk walk) {
    try {
      walk();
    } catch (const StoreFailure& failure) {
      problem(failure.error.message);
    }
  }
  void problem(std::string sentence) {
    if (problems_.size() < kProblemsMax) problems_.push_back(std::move(sentence));
  }

  void subscribers_and_devices() {
    Statement rows(database_, "SELECT k, d FROM sub ORDER BY k");
    HotCursor hot(database_);
    TraitCursor traits(database_);
    DevicePosition next = 0;  // every device before it was met
    HotDevice device;
    std::string token;
    Subscriber subscriber;
    for (Cursor row = rows.rows(); row.next();) {
      const auto id = static_cast<std::uint32_t>(row.integer(0));
      decode_subscriber(row.bytes(1), subscriber);
      ++subscribers_;
      last_subscriber_ = id;
      subscriptions_ += subscriber.topics.size();
      named_ += subscriber.anonymous ? 0 : 1;
      if (subscriber.devices.empty() && (subscriber.anonymous || subscriber.topics.empty())) {
        problem(fmt::format("subscriber {} has neither devices nor topics", id));
      }
      count_app(subscriber);
      for (const Subscriber::Device& expected : subscriber.devices) {
        const DevicePosition position = position_of(id, expected.ordinal);
        device_subscriptions_ += expected.topics.size();
        if (expected.traits) compare_traits(traits.to(position), position, subscriber.app);
        while (hot.to(next, device) && device.key < position) stray(hot, device, next);
        if (!hot.to(next, device) || device.key != position) {
          problem(fmt::format("device {} of subscriber {} has no token", expected.ordinal, id));
          continue;
        }
        if (device.platform != expected.platform) {
          problem(
              fmt::format("device {} of subscriber {} has two platforms", expected.ordinal, id));
        }
        if (device.stale != expected.stale) {
          problem(fmt::format("device {} of subscriber {} is stale in one place only",
                              expected.ordinal, id));
        }
        token.clear();
        hot.take_token(token);
        next = position + 1;
        ++devices_;
      }
    }
    while (hot.to(next, device)) stray(hot, device, next);
    count_traits();
    const EventTables::Counts counts = events_.counts();
    compare("devices", counts.devices, devices_);
    compare("subscribers", counts.subscribers, subscribers_);
    // A number that is given out again would be another's row.
    if (const std::uint64_t next_id = meta("next_subscriber"); next_id <= last_subscriber_) {
      problem(fmt::format("the next subscriber is to get the number {}, but {} is given out",
                          next_id, last_subscriber_));
    }
  }

  std::uint64_t meta(const std::string& column) {
    Statement rows(database_, "SELECT " + column + " FROM meta");
    Cursor row = rows.rows();
    if (!row.next()) fail_corrupt("its counters");
    return row.natural(0);
  }

  void count_app(const Subscriber& subscriber) {
    AppTally& tally = apps_[subscriber.app];
    const PlatformCounts platforms = subscriber.platforms();
    if (platforms != PlatformCounts{}) ++tally.subscribers;
    for (std::size_t i = 0; i < kPlatforms; ++i) tally.devices[i] += platforms[i];
    ++tally.by_only_platform[subscriber.only_platform()];
  }

  void compare_traits(const TraitsAt* found, DevicePosition position, std::uint32_t app) {
    ++with_traits_;
    if (!found || found->key != position) {
      return problem(fmt::format("the device at position {} has lost its traits", position));
    }
    const Traits traits = decode_traits(found->traits);
    if (traits.app != app) {
      problem(fmt::format("the traits at position {} are of another app", position));
    }
    for (const auto& [name, value] : traits.attributes) audience_.attribute_name(name);
  }

  // As many as there are devices that have some, so that none belongs to nobody.
  void count_traits() {
    Statement chunks(database_, "SELECT k, d FROM trait ORDER BY k");
    std::uint64_t total = 0;
    std::vector<TraitsAt> entries;
    for (Cursor row = chunks.rows(); row.next();) {
      entries.clear();
      TraitFormat::decode(row.natural(0), row.bytes(1), entries);
      if (entries.empty()) problem("a chunk of traits is empty");
      total += entries.size();
    }
    compare("devices with traits", with_traits_, total);
  }

  void stray(HotCursor& hot, const HotDevice& device, DevicePosition& next) {
    problem(fmt::format("the token at position {} belongs to no subscriber", device.key));
    std::string token;
    hot.take_token(token);
    next = device.key + 1;
  }

  void compare(const char* what, std::uint64_t stored, std::uint64_t counted) {
    if (stored != counted) {
      problem(fmt::format("the store says {} {}, there are {}", stored, what, counted));
    }
  }

  void members() {
    Statement chunks(database_, "SELECT k, d FROM mem ORDER BY k");
    std::uint64_t total = 0, reached = 0;
    std::vector<MemberFormat::Entry> entries;
    Subscriber subscriber;
    for (Cursor row = chunks.rows(); row.next();) {
      const std::uint64_t fence = row.natural(0);
      if (fence <= reached && total != 0) problem("two chunks of subscriptions overlap");
      entries.clear();
      MemberFormat::decode(fence, row.bytes(1), entries);
      if (entries.empty()) problem("a chunk of subscriptions is empty");
      const auto topic = static_cast<std::uint32_t>(fence >> 32);
      Tally& tally = tallies_[topic];
      for (const MemberFormat::Entry& entry : entries) {
        reached = entry.key;
        ++total;
        ++tally.subscribers;
        const auto id = static_cast<std::uint32_t>(entry.key);
        if (!audience_.subscriber(id, subscriber) || !subscriber.hears(topic)) {
          problem(fmt::format("topic {} has subscriber {}, who does not hear it", topic, id));
          continue;
        }
        const PlatformCounts platforms = subscriber.platforms();
        for (std::size_t i = 0; i < kPlatforms; ++i) tally.devices[i] += platforms[i];
      }
    }
    compare("subscriptions", total, subscriptions_);
  }

  // Who hears a topic through devices alone counts for it, too.
  void device_members() {
    Statement chunks(database_, "SELECT k, d FROM devmem ORDER BY k");
    std::uint64_t total = 0, counted = 0;
    std::vector<DeviceMemberFormat::Entry> entries;
    Subscriber subscriber;
    for (Cursor row = chunks.rows(); row.next();) {
      entries.clear();
      DeviceMemberFormat::decode(row.natural(0), row.bytes(1), entries);
      if (entries.empty()) problem("a chunk of devices' subscriptions is empty");
      for (const DeviceMemberFormat::Entry& entry : entries) {
        ++total;
        const auto topic = static_cast<std::uint32_t>(entry.key >> 32);
        const auto id = static_cast<std::uint32_t>(entry.key);
        const Subscriber::Device* device =
            audience_.subscriber(id, subscriber) ? subscriber.device_at(entry.ordinal) : nullptr;
        if (!device || !std::binary_search(device->topics.begin(), device->topics.end(), topic)) {
          problem(fmt::format("topic {} has device {} of subscriber {}, who does not hear it",
                              topic, entry.ordinal, id));
          continue;
        }
        if (subscriber.hears(topic)) continue;
        Tally& tally = tallies_[topic];
        if (counted != entry.key) ++tally.subscribers;
        counted = entry.key;
        if (!device->stale) ++tally.devices[static_cast<std::size_t>(device->platform) - 1];
      }
    }
    compare("subscriptions of devices", total, device_subscriptions_);
  }

  void quarantine() {
    Statement rows(database_, "SELECT position, app, platform FROM quarantine");
    Subscriber subscriber;
    for (Cursor row = rows.rows(); row.next();) {
      const DevicePosition position = row.natural(0);
      const Subscriber::Device* device = audience_.subscriber(subscriber_of(position), subscriber)
                                             ? subscriber.device_at(ordinal_of(position))
                                             : nullptr;
      if (!device || !device->stale || subscriber.app != row.natural(1) ||
          static_cast<std::uint64_t>(device->platform) != row.natural(2)) {
        problem(fmt::format("the quarantine has position {}, where no such device is", position));
      }
    }
  }

  void apps() {
    Statement rows(database_, "SELECT id, name FROM app");
    for (Cursor row = rows.rows(); row.next();) {
      const auto id = static_cast<std::uint32_t>(row.integer(0));
      const AudienceTables::App stored = audience_.app_counts(id);
      AppTally& tally = apps_[id];
      tally.usual = stored.usual;
      if (stored.subscribers != tally.subscribers || stored.devices != tally.devices) {
        problem(
            fmt::format("app {} counts {} subscribers and {}/{}/{} devices, there are {} and "
                        "{}/{}/{}",
                        row.bytes(1), stored.subscribers, stored.devices[0], stored.devices[1],
                        stored.devices[2], tally.subscribers, tally.devices[0], tally.devices[1],
                        tally.devices[2]));
      }
    }
  }

  void unusual() {
    Statement chunks(database_, "SELECT k, d FROM unusual ORDER BY k");
    std::uint64_t total = 0, expected = 0;
    std::vector<MemberFormat::Entry> entries;
    Subscriber subscriber;
    for (Cursor row = chunks.rows(); row.next();) {
      entries.clear();
      MemberFormat::decode(row.natural(0), row.bytes(1), entries);
      for (const MemberFormat::Entry& entry : entries) {
        ++total;
        const auto id = static_cast<std::uint32_t>(entry.key);
        if (!audience_.subscriber(id, subscriber) ||
            unusual_group(subscriber.app, subscriber.only_platform()) != entry.key >> 32) {
          problem(fmt::format("subscriber {} is not as unusual as it is said", id));
        }
      }
    }
    for (const auto& [id, tally] : apps_) {
      for (std::size_t i = 0; i <= kPlatforms; ++i) {
        if (i == 0 || i != tally.usual) expected += tally.by_only_platform[i];
      }
    }
    compare("unusual subscribers", total, expected);
  }

  // Only events that run have somebody written down.
  void frozen() {
    Statement rows(database_,
                   "SELECT frozen.event, first, d, coalesce(event.kind, 0), "
                   "coalesce(event.state, 4), (SELECT next_subscriber FROM meta) FROM frozen LEFT "
                   "JOIN event ON event.n = frozen.event ORDER BY frozen.event, first");
    FrozenWindow window;
    for (Cursor row = rows.rows(); row.next();) {
      const auto base = row.natural(1);
      decode_frozen(static_cast<std::uint32_t>(base), row.bytes(2), window);
      if (row.integer(3) != kSeveral || is_finished(static_cast<EventState>(row.integer(4)))) {
        problem(fmt::format("event {} has an audience that nobody reads", row.integer(0)));
      }
      std::uint64_t last = window.devices.empty() ? 0 : subscriber_of(window.devices.back());
      for (std::uint32_t i = window.whole.next(0); i < kWindowSubscribers;
           i = window.whole.next(i + 1)) {
        last = std::max(last, base + i);
      }
      if (window.empty() || last >= row.natural(5)) {
        problem(fmt::format("event {} has nobody in its audience", row.integer(0)));
      }
    }
  }

  void topics() {
    Statement rows(database_, "SELECT id, name, subscribers, apns, fcm, webpush FROM topic");
    std::uint64_t count = 0;
    for (Cursor row = rows.rows(); row.next(); ++count) {
      const Tally tally = tallies_[static_cast<std::uint32_t>(row.integer(0))];
      const PlatformCounts stored = {row.natural(3), row.natural(4), row.natural(5)};
      if (tally.subscribers != row.natural(2) || tally.devices != stored) {
        problem(
            fmt::format("topic {} counts {} subscribers and {}/{}/{} devices, there are {} and "
                        "{}/{}/{}",
                        row.bytes(1), row.natural(2), stored[0], stored[1], stored[2],
                        tally.subscribers, tally.devices[0], tally.devices[1], tally.devices[2]));
      }
    }
    compare("topics", events_.counts().topics, count);
  }

  // Every hint leads to a name with its hash, and there are as many hints as names.
  void names() {
    std::array<std::uint64_t, kNameTables.size()> in_table{};
    std::array<std::uint64_t, 4> totals{};
    for (std::size_t i = 0; i < kNameTables.size(); ++i) {
      in_table[i] = names_of(kNameTables[i], totals);
    }
    compare("names of subscribers", totals[1], named_);
    compare("names of devices", totals[2], devices_);
    compare("tokens", totals[3], devices_);
    compare("new names", meta("new_names"), in_table[0]);
    compare("young names", meta("young_names"), in_table[1]);
  }

  // How many there are in the table; added to `totals` by their kinds.
  std::uint64_t names_of(const std::string& table, std::array<std::uint64_t, 4>& totals) {
    Statement chunks(database_, "SELECT k, d FROM " + table + " ORDER BY k");
    std::uint64_t reached = 0, count = 0;
    std::vector<HashFormat::Entry> entries;
    for (Cursor row = chunks.rows(); row.next();) {
      if (row.natural(0) <= reached && reached != 0) problem("two chunks of names overlap");
      entries.clear();
      HashFormat::decode(row.natural(0), row.bytes(1), entries);
      count += entries.size();
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const HashFormat::Entry& entry = entries[i];
        if (i > 0 && HashFormat::before(entry, entries[i - 1])) problem("names are out of order");
        reached = entry.key;
        ++totals.at(std::min<std::size_t>(entry.key >> 32, totals.size() - 1));
        if (!leads_somewhere(entry)) {
          problem(fmt::format("a hint of kind {} leads to subscriber {}, who has no such name",
                              entry.key >> 32, entry.subscriber));
        }
      }
    }
    return count;
  }

  bool leads_somewhere(const HashFormat::Entry& entry) {
    Subscriber subscriber;
    if (!audience_.subscriber(entry.subscriber, subscriber)) return false;
    switch (static_cast<NameKind>(entry.key >> 32)) {
      case NameKind::kSubscriber:
        return !subscriber.anonymous &&
               audience_.subscriber_key(subscriber.app, subscriber.name) == entry.key;
      case NameKind::kDevice:
        return std::any_of(subscriber.devices.begin(), subscriber.devices.end(),
                           [&](const auto& device) {
                             return audience_.device_key(subscriber.app, device.name) == entry.key;
                           });
      case NameKind::kToken:
        return std::any_of(
            subscriber.devices.begin(), subscriber.devices.end(), [&](const auto& device) {
              const auto hot = audience_.device_at(position_of(entry.subscriber, device.ordinal));
              return hot &&
                     audience_.token_key(subscriber.app, hot->platform, hot->token) == entry.key;
            });
    }
    return false;
  }

  void jobs() {
    Statement rows(
        database_,
        "SELECT event, platform, targeted, accepted, rejected, expired, suppressed, "
        "cancelled, dead_lettered, retries, cursor, beyond, state, "
        "(SELECT count(*) FROM retry WHERE retry.event = job.event AND retry.platform = "
        "job.platform), topic, frozen, (SELECT kind FROM event WHERE n = job.event), failure_rows, "
        "(SELECT count(*) FROM failure WHERE failure.event = job.event AND failure.platform = "
        "job.platform), cancelling FROM job");
    const std::uint64_t clock = meta("clock");
    for (Cursor row = rows.rows(); row.next();) {
      const std::string job = fmt::format("job {}/{}", row.integer(0), row.integer(1));
      const Counters counters = EventTables::counters_from(row, 2);
      const auto state = static_cast<EventState>(row.integer(12));
      if (is_finished(state) && counters.pending() != 0) {
        problem(job + " is finished with devices pending");
      }
      if (row.natural(9) != row.natural(13)) problem(job + " counts its retries wrongly");
      if (row.natural(17) != row.natural(18)) problem(job + " counts its failures wrongly");
      if (is_finished(state) && row.integer(19) != 0) problem(job + " is still to be cancelled");
      if (row.natural(15) >= clock) problem(job + " was frozen in the future");
      std::vector<DevicePosition> beyond;
      decode_positions(row.bytes(11), beyond);
      if (!beyond.empty() && beyond.front() <= row.natural(10)) {
        problem(job + " has positions beyond its cursor that are not");
      }
      if (row.integer(14) == 0 && row.integer(16) != kSeveral)
        named_audience(row.integer(0), row.integer(1), row.natural(2));
    }
  }

  void named_audience(std::int64_t event, std::int64_t platform, std::uint64_t targeted) {
    Statement parts(
        database_,
        "SELECT positions FROM audience WHERE event = ? AND platform = ? ORDER BY first");
    std::vector<DevicePosition> positions;
    for (Cursor row = parts.rows(event, platform); row.next();) {
      decode_positions(row.bytes(0), positions);
    }
    if (positions.size() != targeted || !std::is_sorted(positions.begin(), positions.end())) {
      problem(fmt::format("job {}/{} has lost part of its audience", event, platform));
    }
  }

  struct Tally {
    std::uint64_t subscribers = 0;
    PlatformCounts devices{};
  };

  struct AppTally {
    std::uint8_t usual = 0;
    std::uint64_t subscribers = 0;
    PlatformCounts devices{};
    std::array<std::uint64_t, kPlatforms + 1> by_only_platform{};
  };

  Database& database_;
  AudienceTables audience_;
  EventTables events_;
  std::vector<std::string> problems_;
  std::uint64_t last_subscriber_ = 0, subscribers_ = 0, devices_ = 0, named_ = 0,
                subscriptions_ = 0, device_subscriptions_ = 0, with_traits_ = 0;
  std::map<std::uint32_t, Tally> tallies_;
  std::map<std::uint32_t, AppTally> apps_;
};

}  // namespace

Result<std::vector<std::string>> check_sqlite_store(const std::string& path, bool deep) {
  try {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      fail(Error::Kind::kNotFound, fmt::format("there is no store at {}: check the path", path));
    }
    Database database(path, Database::Access::kReadOnly);
    database.wait_when_busy(std::chrono::seconds(5));
    // A program of its own, beside no service: room for the rows that names are looked up in.
    database.execute("PRAGMA cache_size = -65536");  // KiB
    if (identify(database) == FileState::kEmpty) {
      fail(Error::Kind::kCorrupt, fmt::format("{} is empty and not a store: check the path", path));
    }
    if (const std::int64_t version = database.pragma("user_version");
        deep && version < kFormatVersion) {
      fail(Error::Kind::kInvalid,
           fmt::format(
               "the store has format {}, which this Carillon brings to {} when it opens it to "
               "write: do that before it is checked deeply",
               version, kFormatVersion));
    }
    Statement begin(database, "BEGIN"), end(database, "ROLLBACK");
    const ReadTransaction snapshot(begin, end);
    std::vector<std::string> problems;
    check_pages(database, deep, problems);
    if (deep) {
      for (std::string& problem : StoreCheck(database).run())
        problems.push_back(std::move(problem));
    }
    return problems;
  } catch (const StoreFailure& failure) {
    return tl::unexpected(failure.error);
  }
}

}  // namespace carillon::store
