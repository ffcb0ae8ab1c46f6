#include "storage/sqlite/store_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <limits>

#include "storage/sqlite/chunk_view.h"
#include "storage/sqlite/event_tables.h"
#include "storage/sqlite/frozen_window.h"
#include "storage/sqlite/position_list.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::store {
namespace sqlite {
namespace {

Fact fact(std::string name, std::uint64_t value) {
  return {std::move(name), value};
}
Fact fact(std::string name, std::string value) {
  return {std::move(name), std::move(value)};
}
Fact flag(std::string name, bool value) {
  return {std::move(name), value};
}
Fact times(std::string name, std::int64_t ms) {
  return {std::move(name), static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0))};
}

Fact platforms(const PlatformCounts& counts) {
  return {"devices",
          Fields{{fact("apns", counts[0]), fact("fcm", counts[1]), fact("webpush", counts[2])}}};
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

class StoreInspector {
 public:
  StoreInspector(Database& database, const Inspection& wanted)
      : database_(database),
        wanted_(wanted),
        begin_(database, "BEGIN"),
        end_(database, "ROLLBACK") {}

  Fields run() {
    switch (wanted_.what) {
      case Inspection::What::kSummary:
        return summary();
      case Inspection::What::kChunk:
        return chunk();
      case Inspection::What::kDevice:
      case Inspection::What::kSubscriber:
      case Inspection::What::kTopic:
        break;
    }
    const ReadTransaction snapshot(begin_, end_);
    AudienceTables audience(database_);
    const auto app = audience.app(wanted_.first);
    if (!app) fail(Error::Kind::kNotFound, fmt::format("the store has no app {}", wanted_.first));
    if (wanted_.what == Inspection::What::kTopic) return topic(audience, *app);
    if (wanted_.what == Inspection::What::kSubscriber) return subscriber(audience, *app);
    return device(audience, *app);
  }

 private:
  // A part that cannot be read says so in the place of what it would say.
  void part(std::vector<Fact>& out, const std::string& name,
            const std::function<void(std::vector<Fact>&)>& read) {
    std::vector<Fact> of;
    try {
      read(of);
    } catch (const StoreFailure& failure) {
      of.push_back(fact("damaged", failure.error.message));
    }
    out.push_back({name, Fields{std::move(of)}});
  }

  // --- summary -----------------------------------------------------------------------------------

  Fields summary() {
    Fields all;
    part(all.of, "file", [&](auto& of) { file(of); });
    part(all.of, "totals", [&](auto& of) { totals(of); });
    part(all.of, "chunks", [&](auto& of) {
      for (const char* table : kInspectedTables) {
        part(of, table, [&](auto& about) { chunks_of(table, about); });
      }
    });
    part(all.of, "rows", [&](auto& of) {
      const ReadTransaction snapshot(begin_, end_);
      for (const char* table : {"app", "topic", "dict", "attribute", "event", "job", "audience",
                                "frozen", "retry", "failure", "idempotency", "api_key"}) {
        of.push_back(fact(table, number(fmt::format("SELECT count(*) FROM {}", table))));
      }
    });
    part(all.of, "apps", [&](auto& of) { apps(of); });
    return all;
  }

  void file(std::vector<Fact>& of) {
    const auto pragma = [&](const char* name) {
      return static_cast<std::uint64_t>(database_.pragma(name));
    };
    std::error_code gone;  // a log that is not there has no bytes
    const auto log = std::filesystem::file_size(database_.path() + "-wal", gone);
    of.push_back(fact("path", database_.path()));
    of.push_back(fact("format", pragma("user_version")));
    of.push_back(fact("file_bytes", pragma("page_count") * kPageBytes));
    of.push_back(fact("free_bytes", pragma("freelist_count") * kPageBytes));
    of.push_back(fact("log_bytes", gone ? 0 : log));
    of.push_back(flag("shrinks", can_shrink(database_)));
  }

  void totals(std::vector<Fact>& of) {
    Statement meta(database_,
                   "SELECT devices, subscribers, topics, clock, next_subscriber FROM meta");
    Cursor row = meta.rows();
    if (!row.next()) fail_corrupt("its counters");
    int column = 0;
    for (const char* name : {"devices", "subscribers", "topics", "clock", "next_subscriber"}) {
      of.push_back(fact(name, row.natural(column++)));
    }
  }

  void chunks_of(const std::string& table, std::vector<Fact>& of) {
    const ReadTransaction snapshot(begin_, end_);
    Statement rows(database_, "SELECT k, d FROM " + table + " ORDER BY k");
    std::uint64_t count = 0, bytes = 0, entries = 0, damaged = 0;
    for (Cursor row = rows.rows(); row.next(); ++count) {
      const ChunkView view = view_chunk(table, row.natural(0), row.bytes(1), ChunkDetail::kCount);
      bytes += row.bytes(1).size();
      entries += view.entries;
      damaged += view.damage.empty() ? 0 : 1;
    }
    of.push_back(fact("chunks", count));
    of.push_back(fact("entries", entries));
    of.push_back(fact("damaged", damaged));
    of.push_back(fact("content_bytes", bytes));
    if (entries != 0) of.push_back({"content_bytes_per_entry", share(bytes, entries)});
    if (const std::size_t most = chunk_bytes_max(table); most != 0 && count != 0) {
      of.push_back({"chunk_fill", share(bytes, count * most)});
    }
    pages_of(table, of);
  }

  // Only where SQLite was built with dbstat, as distributions do.
  void pages_of(const std::string& table, std::vector<Fact>& of) {
    if (sqlite3_compileoption_used("ENABLE_DBSTAT_VTAB") == 0) return;
    Statement pages(database_,
                    "SELECT pageno, pgsize, unused FROM dbstat('main', 1) WHERE name = ?");
    Cursor row = pages.rows(std::string_view(table));
    if (!row.next()) return;
    of.push_back(fact("pages", row.natural(0)));
    of.push_back({"page_fill", 1 - share(row.natural(2), row.natural(1))});
  }

  void apps(std::vector<Fact>& of) {
    const ReadTransaction snapshot(begin_, end_);
    Statement rows(database_, "SELECT id, name, subscribers, apns, fcm, webpush FROM app");
    for (Cursor row = rows.rows(); row.next();) {
      of.push_back(
          {row.text(1), Fields{{fact("id", row.natural(0)), fact("subscribers", row.natural(2)),
                                platforms({row.natural(3), row.natural(4), row.natural(5)})}}});
    }
  }

  // --- who ---------------------------------------------------------------------------------------

  Fields device(AudienceTables& audience, std::uint32_t app) {
    const auto found = audience.find_device(app, wanted_.second);
    if (!found) fail(Error::Kind::kNotFound, "there is no such device");
    const Subscriber::Device& device = found->subscriber.devices[found->index];
    const DevicePosition position = position_of(found->id, device.ordinal);
    Fields all;
    all.of.push_back(fact("device", device.name));
    all.of.push_back(found->subscriber.anonymous ? flag("anonymous", true)
                                                 : fact("subscriber", found->subscriber.name));
    device_facts(audience, found->id, device, all.of);
    part(all.of, "subscriber_topics",
         [&](auto& of) { topics(audience, found->subscriber.topics, of); });
    part(all.of, "stands", [&](auto& of) {
      of.push_back(fact("position", position));
      of.push_back(fact("subscriber", found->id));
      of.push_back(fact("ordinal", device.ordinal));
      chunk_of("hot", position, of);
      if (device.traits) chunk_of("trait", position, of);
      chunk_of("hx", audience.device_key(app, device.name), of);
    });
    part(all.of, "events", [&](auto& of) { events(audience, position, device.platform, of); });
    return all;
  }

  void device_facts(AudienceTables& audience, std::uint32_t id, const Subscriber::Device& device,
                    std::vector<Fact>& of) {
    const DevicePosition position = position_of(id, device.ordinal);
    of.push_back(fact("platform", std::string(name_of(device.platform))));
    of.push_back(times("registered_ms", device.registered_ms));
    of.push_back(times("last_seen_ms", device.seen_day * kLastSeenStepMs));
    of.push_back(flag("stale", device.stale));
    part(of, "sent_with", [&](auto& about) {
      const auto hot = audience.device_at(position);
      if (!hot) fail_corrupt("a device that its subscriber still has");
      about.push_back(fact("token", shown_token(hot->token, wanted_.show_tokens)));
      about.push_back(fact("locale", audience.text(hot->locale)));
      if (hot->since != 0) about.push_back(fact("young_since", hot->since));
    });
    if (device.timezone != 0) {
      part(of, "time_zone",
           [&](auto& about) { about.push_back(fact("name", audience.text(device.timezone))); });
    }
    if (device.traits) {
      part(of, "traits", [&](auto& about) {
        const Traits traits = audience.traits_at(position);
        if (!traits.app_version.empty()) about.push_back(fact("app_version", traits.app_version));
        for (const auto& [name, value] : traits.attributes) {
          about.push_back(fact(audience.attribute_name(name), text_of(value)));
        }
      });
    }
    if (!device.topics.empty()) {
      part(of, "own_topics", [&](auto& about) { topics(audience, device.topics, about); });
    }
  }

  static void topics(AudienceTables& audience, const std::vector<std::uint32_t>& ids,
                     std::vector<Fact>& of) {
    for (const std::uint32_t id : ids) of.push_back(fact(audience.topic_name(id), id));
  }

  // The fence of the chunk that has the key.
  void chunk_of(const std::string& table, std::uint64_t key, std::vector<Fact>& of) {
    Statement fence(database_, "SELECT max(k) FROM " + table + " WHERE k <= ?");
    Cursor row = fence.rows(key);
    if (row.next() && !row.null(0)) of.push_back(fact(table + "_chunk", row.natural(0)));
  }

  // Those that run, and how it is with the device there.
  void events(AudienceTables& audience, DevicePosition position, Platform platform,
              std::vector<Fact>& of) {
    EventTables tables(database_);
    AudiencePages pages(database_, audience);
    Statement retry(
        database_,
        "SELECT attempts, due_ms, reason FROM retry WHERE event = ? AND platform = ? AND "
        "position = ?");
    Statement failure(database_,
                      "SELECT outcome, reason, attempts, at_ms FROM failure WHERE event = ? AND "
                      "platform = ? AND position = ?");
    for (const Job& job : tables.unfinished_jobs()) {
      if (job.key.platform != platform || job.app != wanted_.first) continue;
      const auto frozen = tables.frozen_audience(audience, job.key);
      if (!frozen) continue;
      part(of, hex_of(job.key.event), [&](auto& about) {
        const bool in = was_frozen(*frozen, position) &&
                        pages.device_of(audience, *frozen, position).has_value();
        about.push_back(flag("in_audience", in));
        about.push_back(flag("behind_cursor", position <= job.cursor ||
                                                  std::binary_search(job.beyond.begin(),
                                                                     job.beyond.end(), position)));
        const int on = static_cast<int>(platform);
        if (Cursor row = retry.rows(frozen->event, on, position); row.next()) {
          about.push_back(
              {"retry", Fields{{fact("attempts", row.natural(0)), times("due_ms", row.integer(1)),
                                fact("reason", row.text(2))}}});
        }
        if (Cursor row = failure.rows(frozen->event, on, position); row.next()) {
          about.push_back(
              {"failure",
               Fields{{fact("outcome", row.natural(0)), fact("reason", row.text(1)),
                       fact("attempts", row.natural(2)), times("at_ms", row.integer(3))}}});
        }
      });
    }
  }

  // Audiences of several parts and of names were written down; one topic's marks who came later.
  bool was_frozen(const FrozenAudience& audience, DevicePosition position) {
    if (audience.expression) {
      const std::uint32_t subscriber = subscriber_of(position);
      const std::uint32_t base = subscriber - subscriber % kWindowSubscribers;
      Statement window(database_, "SELECT d FROM frozen WHERE event = ? AND first = ?");
      Cursor row = window.rows(audience.event, base);
      if (!row.next()) return false;
      FrozenWindow frozen;
      decode_frozen(base, row.bytes(0), frozen);
      return frozen.whole.test(subscriber - base) ||
             std::binary_search(frozen.devices.begin(), frozen.devices.end(), position);
    }
    if (audience.topic != 0) return true;
    Statement named(database_, "SELECT positions FROM audience WHERE event = ? AND platform = ?");
    std::vector<DevicePosition> positions;
    for (Cursor row = named.rows(audience.event, static_cast<int>(audience.platform));
         row.next();) {
      decode_positions(row.bytes(0), positions);
    }
    return std::find(positions.begin(), positions.end(), position) != positions.end();
  }

  Fields subscriber(AudienceTables& audience, std::uint32_t app) {
    const auto found = audience.find_subscriber(app, wanted_.second);
    if (!found) fail(Error::Kind::kNotFound, "there is no such subscriber");
    const Subscriber& subscriber = found->subscriber;
    Fields all;
    all.of = {fact("subscriber", subscriber.name), fact("number", found->id)};
    all.of.push_back(fact("next_ordinal", subscriber.next_ordinal));
    if (subscriber.freed_at != 0) all.of.push_back(fact("freed_at", subscriber.freed_at));
    part(all.of, "topics", [&](auto& of) { topics(audience, subscriber.topics, of); });
    part(all.of, "devices", [&](auto& of) {
      for (const Subscriber::Device& device : subscriber.devices) {
        part(of, device.name, [&](auto& about) {
          about.push_back(fact("position", position_of(found->id, device.ordinal)));
          device_facts(audience, found->id, device, about);
        });
      }
    });
    part(all.of, "stands", [&](auto& of) {
      chunk_of("hot", position_of(found->id, 0), of);
      chunk_of("hx", audience.subscriber_key(app, subscriber.name), of);
    });
    return all;
  }

  Fields topic(AudienceTables& audience, std::uint32_t app) {
    const auto found = audience.topic(app, wanted_.second);
    if (!found) fail(Error::Kind::kNotFound, "there is no such topic");
    Fields all;
    all.of = {fact("topic", wanted_.second), fact("id", found->id),
              fact("subscribers", found->subscribers), platforms(found->devices)};
    for (const char* table : {"mem", "devmem"}) {
      part(all.of, table, [&](auto& of) { members(audience, table, found->id, of); });
    }
    return all;
  }

  // The topic's chunks in a table, and who stands first in them.
  void members(AudienceTables& audience, const std::string& table, std::uint32_t topic,
               std::vector<Fact>& of) {
    Statement rows(database_, "SELECT k, d FROM " + table + " WHERE k BETWEEN ? AND ? ORDER BY k");
    std::uint64_t chunks = 0, entries = 0, bytes = 0;
    Items first, damaged;
    for (Cursor row = rows.rows(member_key(topic, 0), member_key(topic, 0xffff'ffff)); row.next();
         ++chunks) {
      const bool list = first.of.size() < wanted_.items_max;
      const ChunkView view = view_chunk(table, row.natural(0), row.bytes(1),
                                        list ? ChunkDetail::kEntries : ChunkDetail::kCount);
      bytes += row.bytes(1).size();
      entries += view.entries;
      if (!view.damage.empty()) damaged.of.push_back(fact("", row.natural(0)));
      for (const Fields& entry : view.lines) {
        if (first.of.size() >= wanted_.items_max) break;
        Fields line = entry;
        const auto id = static_cast<std::uint32_t>(std::get<std::uint64_t>(entry.of.at(0).value));
        Subscriber subscriber;
        try {
          if (audience.subscriber(id, subscriber)) line.of.push_back(fact("name", subscriber.name));
        } catch (const StoreFailure& failure) {
          line.of.push_back(fact("damaged", failure.error.message));
        }
        first.of.push_back({"", std::move(line)});
      }
    }
    of.push_back(fact("chunks", chunks));
    of.push_back(fact("entries", entries));
    if (chunks != 0) of.push_back({"chunk_fill", share(bytes, chunks * chunk_bytes_max(table))});
    if (!damaged.of.empty()) of.push_back({"damaged_chunks", std::move(damaged)});
    if (!first.of.empty()) of.push_back({"first", std::move(first)});
  }

  // --- a chunk -----------------------------------------------------------------------------------

  Fields chunk() {
    const std::string& table = wanted_.first;
    if (std::find(std::begin(kInspectedTables), std::end(kInspectedTables), table) ==
        std::end(kInspectedTables)) {
      fail(Error::Kind::kInvalid, fmt::format("there is no table {} of chunks: sub, hot, mem, "
                                              "devmem, trait, unusual, hx, hx_young or hx_new",
                                              table));
    }
    const std::uint64_t key = key_from(wanted_.second);
    const ReadTransaction snapshot(begin_, end_);
    Statement at(database_, "SELECT k, d FROM " + table + " WHERE k <= ? ORDER BY k DESC LIMIT 1");
    Cursor row = at.rows(key);
    if (!row.next() || (table == "sub" && row.natural(0) != key)) {
      fail(Error::Kind::kNotFound, fmt::format("no chunk of {} has the key {}", table, key));
    }
    const ChunkView view =
        view_chunk(table, row.natural(0), row.bytes(1),
                   wanted_.show_tokens ? ChunkDetail::kEntriesWithTokens : ChunkDetail::kEntries);
    Fields all;
    all.of = {fact("table", table), fact("key", row.natural(0)),
              fact("content_bytes", row.bytes(1).size()), fact("count", view.entries)};
    if (!view.damage.empty()) {
      all.of.push_back(fact("damaged", view.damage));
      // A damaged chunk may hold tokens, too.
      if (wanted_.show_tokens) all.of.push_back(fact("content", hex_of(row.bytes(1))));
    }
    Items entries;
    for (const Fields& line : view.lines) entries.of.push_back({"", line});
    all.of.push_back({"entries", std::move(entries)});
    return all;
  }

  std::uint64_t key_from(const std::string& text) {
    const auto read = [&](std::string_view part) {
      const bool hex = part.starts_with("0x");
      if (hex) part.remove_prefix(2);
      std::uint64_t value = 0;
      const auto [end, error] =
          std::from_chars(part.data(), part.data() + part.size(), value, hex ? 16 : 10);
      if (error != std::errc() || end != part.data() + part.size() ||
          value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail(Error::Kind::kInvalid,
             fmt::format("{} is no key: a number, or two with a colon between them", text));
      }
      return value;
    };
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return read(text);
    const std::uint64_t high = read(std::string_view(text).substr(0, colon));
    const std::uint64_t low = read(std::string_view(text).substr(colon + 1));
    const bool position = wanted_.first == "hot" || wanted_.first == "trait";
    const int bits = position ? kOrdinalBits : 32;
    if (high >> (63 - bits) != 0 || low >> bits != 0) {
      fail(Error::Kind::kInvalid, fmt::format("{} is no key: its numbers are too large", text));
    }
    return high << bits | low;
  }

  std::uint64_t number(const std::string& sql) {
    Statement statement(database_, sql);
    Cursor row = statement.rows();
    return row.next() ? row.natural(0) : 0;
  }

  Database& database_;
  const Inspection& wanted_;
  Statement begin_, end_;
};

}  // namespace
}  // namespace sqlite

Result<Fields> inspect_sqlite_store(const std::string& path, const Inspection& inspection) {
  using namespace sqlite;
  try {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      fail(Error::Kind::kNotFound, fmt::format("there is no store at {}: check the path", path));
    }
    Database database(path, Database::Access::kReadOnly);
    database.wait_when_busy(std::chrono::seconds(5));
    if (identify(database) == FileState::kEmpty) {
      fail(Error::Kind::kCorrupt, fmt::format("{} is empty and not a store: check the path", path));
    }
    if (const std::int64_t version = database.pragma("user_version"); version < kFormatVersion) {
      fail(Error::Kind::kInvalid,
           fmt::format("the store has format {}, which this Carillon brings to {} when it opens it "
                       "to write: do that before it is inspected",
                       version, kFormatVersion));
    }
    return StoreInspector(database, inspection).run();
  } catch (const StoreFailure& failure) {
    return tl::unexpected(failure.error);
  }
}

}  // namespace carillon::store
