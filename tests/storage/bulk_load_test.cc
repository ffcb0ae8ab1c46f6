// The bulk load against the ordinary way: whatever the lines are, both must leave the same store.
//
// CARILLON_BULK_SEEDS sets how many seeds run, CARILLON_BULK_SEED one of them alone (seeds.h).
#include "storage/bulk_load.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "storage/sqlite/line_extras.h"
#include "storage/sqlite/member_runs.h"
#include "storage/sqlite/partitioned_spool.h"
#include "tests/seeds.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::bulk_load_test {
namespace {

constexpr std::int64_t kNowMs = 2 * kLastSeenStepMs + 1000;

struct Line {
  std::string app = "video", device, token, subscriber, locale, timezone;
  Platform platform = Platform::kApns;
  std::vector<std::string> topics;
  std::vector<std::string> own_topics = {};  // of the device
  std::string version = {};
  std::vector<std::string> tags = {};  // an attribute; empty: not given
  double level = 0;                    // the same, 0: not given
  std::int64_t last_seen_ms = 0;
};

// Registrations that point into lines.
class Views {
 public:
  explicit Views(std::span<const Line> lines) {
    for (const Line& line : lines) {
      topics_.emplace_back(line.topics.begin(), line.topics.end());
      own_topics_.emplace_back(line.own_topics.begin(), line.own_topics.end());
      tags_.emplace_back(line.tags.begin(), line.tags.end());
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      auto& attributes = attributes_.emplace_back();
      if (!tags_[i].empty()) attributes.push_back({.name = "tags", .value = std::span(tags_[i])});
      if (lines[i].level != 0) attributes.push_back({.name = "level", .value = lines[i].level});
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const Line& line = lines[i];
      devices_.push_back({.app = line.app,
                          .device = line.device,
                          .platform = line.platform,
                          .token = line.token,
                          .subscriber = line.subscriber,
                          .locale = line.locale,
                          .timezone = line.timezone,
                          .topics = topics_[i],
                          .device_topics = own_topics_[i],
                          .app_version = line.version,
                          .attributes = attributes_[i],
                          .last_seen_ms = line.last_seen_ms});
      numbers_.push_back(i + 1);
    }
  }
  std::span<const DeviceRegistration> devices() const { return devices_; }
  std::span<const std::uint64_t> numbers() const { return numbers_; }

 private:
  std::vector<std::vector<std::string_view>> topics_, own_topics_;
  std::deque<std::vector<std::string_view>> tags_;
  std::vector<std::vector<AttributeView>> attributes_;
  std::vector<DeviceRegistration> devices_;
  std::vector<std::uint64_t> numbers_;
};

// What a call said of a line: comparable, printable.
std::string said(const Result<Registered>& result) {
  if (!result) return result.error().message;
  constexpr const char* kNames[] = {"created", "updated", "unchanged"};
  return kNames[static_cast<int>(*result)];
}

// A store of its own, filled one way or the other. Lines come in calls of `lines_a_call`, each at a
// time of its own.
class Room {
 public:
  std::string path() const { return folder_.file("store.db"); }
  std::unique_ptr<Store> open(bool exclusive = false) {
    auto store = open_sqlite_store({.path = path(), .exclusive = exclusive});
    if (!store) ADD_FAILURE() << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  std::unique_ptr<BulkLoad> open_load() {
    auto load = open_bulk_load({.path = path()});
    if (!load) ADD_FAILURE() << load.error().message;
    return load ? *std::move(load) : nullptr;
  }

  std::vector<std::string> fill_line_by_line(std::span<const Line> lines,
                                             std::size_t lines_a_call) {
    const Views views(lines);
    const auto store = open();
    std::vector<std::string> results;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto now_ms = kNowMs + static_cast<std::int64_t>(i / lines_a_call);
      results.push_back(said(store->put_device(views.devices()[i], now_ms)));
    }
    return results;
  }
  std::vector<std::string> fill_in_bulk(std::span<const Line> lines, std::size_t lines_a_call) {
    const Views views(lines);
    const auto load = open_load();
    EXPECT_TRUE(load);
    std::vector<std::string> results;
    for (std::size_t i = 0; i < lines.size(); i += lines_a_call) {
      const std::size_t count = std::min(lines_a_call, lines.size() - i);
      const auto added =
          load->add(views.devices().subspan(i, count), views.numbers().subspan(i, count),
                    kNowMs + static_cast<std::int64_t>(i / lines_a_call));
      if (!added) {
        ADD_FAILURE() << added.error().message;
        return results;
      }
      for (const auto& result : *added) results.push_back(said(result));
    }
    std::uint64_t last = 0;
    const auto finished = load->finish([&](std::uint64_t number, const Result<Registered>& result) {
      EXPECT_GT(number, last) << "corrections must ascend";
      last = number;
      results[number - 1] = said(result);
    });
    EXPECT_TRUE(finished) << finished.error().message;
    return results;
  }

 private:
  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
};

std::string described(const DeviceRecord& record) {
  std::string text = record.device + " " + std::to_string(static_cast<int>(record.platform)) + " " +
                     record.token + " of " + record.subscriber + " " + record.locale + " " +
                     record.timezone + " at " + std::to_string(record.registered_ms) + ":";
  for (const std::string& topic : record.topics) text += " " + topic;
  text += "; itself:";
  for (const std::string& topic : record.device_topics) text += " " + topic;
  text += "; " + record.app_version + " seen " + std::to_string(record.last_seen_ms);
  for (const Attribute& attribute : record.attributes) {
    text += " " + attribute.name + "=";
    if (const auto* level = std::get_if<double>(&attribute.value)) text += std::to_string(*level);
    if (const auto* tags = std::get_if<std::vector<std::string>>(&attribute.value)) {
      for (const std::string& tag : *tags) text += tag + ",";
    }
  }
  return text;
}

void expect_equal_stores(Room& expected, Room& bulk, std::span<const Line> lines) {
  const auto left = expected.open(), right = bulk.open();
  ASSERT_TRUE(left && right);
  std::set<std::pair<std::string, std::string>> devices, topics;
  for (const Line& line : lines) {
    devices.emplace(line.app, line.device);
    for (const std::string& topic : line.topics) topics.emplace(line.app, topic);
  }
  for (const auto& [app, device] : devices) {
    const auto a = left->device(app, device), b = right->device(app, device);
    ASSERT_EQ(a.has_value(), b.has_value()) << app << "/" << device;
    if (a) {
      EXPECT_EQ(described(*a), described(*b));
    }
  }
  std::uint32_t number = 0;
  for (const auto& [app, topic] : topics) {
    const auto a = left->topic(app, topic), b = right->topic(app, topic);
    ASSERT_EQ(a.has_value(), b.has_value()) << app << "/" << topic;
    if (!a) continue;
    EXPECT_EQ(a->subscribers, b->subscribers) << topic;
    EXPECT_EQ(a->devices, b->devices) << topic;
    NewEvent event;
    event.id = event_id(++number);
    event.app = app;
    event.audience.topics = {topic};
    ASSERT_TRUE(left->accept(event));
    ASSERT_TRUE(right->accept(event));
    for (const Platform platform : {Platform::kApns, Platform::kFcm, Platform::kWebPush}) {
      const JobKey job{event.id, platform};
      if (a->devices[static_cast<std::size_t>(platform) - 1] == 0) continue;
      EXPECT_EQ(tokens_of(scan_all(*left, job)), tokens_of(scan_all(*right, job)));
    }
  }
  const auto a = left->stats(), b = right->stats();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->devices, b->devices);
  EXPECT_EQ(a->subscribers, b->subscribers);
  EXPECT_EQ(a->topics, b->topics);
}

void expect_sound(Room& room) {
  const auto faults = check_sqlite_store(room.path(), true);
  ASSERT_TRUE(faults) << faults.error().message;
  for (const std::string& fault : *faults) ADD_FAILURE() << fault;
}

// Fills one room each way and compares answers and stores.
void expect_same(std::span<const Line> lines, std::size_t lines_a_call = 100) {
  Room expected, bulk;
  const auto one = expected.fill_line_by_line(lines, lines_a_call);
  const auto other = bulk.fill_in_bulk(lines, lines_a_call);
  EXPECT_EQ(one, other);
  expect_sound(bulk);
  expect_equal_stores(expected, bulk, lines);
}

std::vector<Line> random_lines(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  // Few names and tokens make many duplicates, many make few.
  const std::size_t devices = 1 + below(200), tokens = 1 + below(400), subscribers = 1 + below(90);
  std::vector<Line> lines(below(400));
  for (Line& line : lines) {
    line.app = below(4) ? "video" : "audio";
    line.device = "d-" + std::to_string(below(devices));
    line.platform = static_cast<Platform>(1 + below(3));
    const std::size_t token = below(tokens);
    switch (token % 3) {
      case 0:
        line.token = std::string(60, 'a') + std::to_string(1000 + token);
        break;
      case 1:
        line.token = "fcm:Token_" + std::to_string(token);
        break;
      default:
        line.token = "{\"endpoint\":\"https://push.example/" + std::to_string(token) + "\"}";
    }
    if (below(4)) line.subscriber = "u-" + std::to_string(below(subscribers));
    if (below(2)) line.locale = below(2) ? "de" : "pt-BR";
    if (below(2)) line.timezone = below(2) ? "Europe/Berlin" : "Asia/Tokyo";
    for (std::size_t i = below(4); i > 0; --i)
      line.topics.push_back("t-" + std::to_string(below(30)));
    if (below(3) == 0) line.version = "3." + std::to_string(below(12));
    if (below(4) == 0) line.level = static_cast<double>(1 + below(9));
    for (std::size_t i = below(3); i > 0 && below(2); --i) line.tags.push_back(i == 1 ? "a" : "b");
    if (below(8) == 0) line.own_topics.push_back("t-" + std::to_string(below(30)));
    // Days before, on the day of, and after the registration.
    if (below(3) == 0)
      line.last_seen_ms = static_cast<std::int64_t>(below(4)) * kLastSeenStepMs + 1;
    if (below(60) == 0) line.token.clear();
    if (below(60) == 0) line.device = "a\nb";
  }
  return lines;
}

TEST(BulkLoad, LeavesWhatLineByLineLeavesForRandomLines) {
  Seeds("BULK", 25).each([](std::uint32_t seed) {
    expect_same(random_lines(seed), 1 + seed % 70);
  });
}

std::vector<Line> numbered_lines(std::size_t count) {
  std::vector<Line> lines(count);
  for (std::size_t i = 0; i < count; ++i) {
    lines[i] = {.device = "d-" + std::to_string(i),
                .token = "t-" + std::to_string(i),
                .subscriber = "u-" + std::to_string(i / 2),
                .topics = {"news", "t-" + std::to_string(i % 7)}};
  }
  return lines;
}

TEST(BulkLoad, FillsManyChunksOfEveryTable) {
  Room room;
  const auto lines = numbered_lines(20'000);
  const auto results = room.fill_in_bulk(lines, 1'000);
  EXPECT_EQ(static_cast<std::size_t>(std::count(results.begin(), results.end(), "created")),
            lines.size());
  expect_sound(room);
  const auto store = room.open();
  EXPECT_EQ(store->stats()->devices, 20'000U);
  EXPECT_EQ(store->stats()->subscribers, 10'000U);
  EXPECT_EQ(store->topic("video", "news")->subscribers, 10'000U);
  EXPECT_EQ(store->device("video", "d-19999")->token, "t-19999");
}

TEST(BulkLoad, RefusesTheDeviceThatIsOneTooManyAsLineByLineDoes) {
  std::vector<Line> lines;
  for (std::size_t i = 0; i < kDevicesPerSubscriberMax + 2; ++i) {
    lines.push_back({.device = "d-" + std::to_string(i),
                     .token = "t-" + std::to_string(i),
                     .subscriber = "u",
                     .topics = {}});
  }
  lines.back().topics = {"only the refused line names it"};
  // One moves away, so that a later line has room again.
  lines.push_back({.device = "d-0", .token = "t-0", .subscriber = "other", .topics = {}});
  lines.push_back({.device = "late", .token = "late", .subscriber = "u", .topics = {"news"}});
  expect_same(lines);
}

TEST(BulkLoad, RefusesTheTopicThatIsOneTooManyAsLineByLineDoes) {
  std::vector<Line> lines(3);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i] = {.device = "d-" + std::to_string(i),
                .token = "t-" + std::to_string(i),
                .subscriber = "u",
                .topics = {}};
  }
  for (std::size_t i = 0; i < kTopicsPerSubscriberMax; ++i) {
    lines[0].topics.push_back("t-" + std::to_string(i));
  }
  lines[1].topics = {"t-0", "one too many"};
  lines[2].topics = {"t-1"};
  expect_same(lines);
}

TEST(BulkLoad, LetsALaterLineTakeTheTokenOfAnEarlierOne) {
  expect_same(std::vector<Line>{
      {.device = "a", .token = "t", .subscriber = "u", .topics = {"news"}},
      {.device = "b", .token = "t", .subscriber = "v", .topics = {"news"}},
      {.device = "a", .token = "other", .subscriber = "u", .topics = {}},
      {.device = "c", .token = "third", .subscriber = "v", .topics = {"sports"}},
  });
}

TEST(BulkLoad, LetsALaterLineTakeTheEndpointOfAnEarlierOneWhateverItsKeys) {
  std::vector<Line> lines = {
      {.device = "a", .token = "https://push.test/x k1 a1", .subscriber = "u", .topics = {"news"}},
      {.device = "b", .token = "https://push.test/x k2 a2", .subscriber = "v", .topics = {"news"}},
      {.device = "c", .token = "https://push.test/y k1 a1", .subscriber = "w", .topics = {}},
  };
  for (Line& line : lines) line.platform = Platform::kWebPush;
  expect_same(lines);
}

TEST(BulkLoad, CountsADeviceThatMovedInBeforeTheLaterLinesOfItsNewSubscriber) {
  std::vector<Line> lines = {
      {.device = "moves", .token = "m", .subscriber = "v", .topics = {}},
      {.device = "moves", .token = "m", .subscriber = "u", .topics = {}},
  };
  for (std::size_t i = 0; i < kDevicesPerSubscriberMax; ++i) {
    lines.push_back({.device = "d-" + std::to_string(i),
                     .token = "t-" + std::to_string(i),
                     .subscriber = "u",
                     .topics = {}});
  }
  expect_same(lines);
}

TEST(BulkLoad, IsNotForAStoreThatHasDevices) {
  Room room;
  room.fill_line_by_line(numbered_lines(1), 1);
  EXPECT_FALSE(room.open_load());
  EXPECT_EQ(room.open()->stats()->devices, 1U);
}

TEST(BulkLoad, IsNotForAStoreThatSomebodyHasOpen) {
  Room room;
  for (const bool exclusive : {true, false}) {
    const auto store = room.open(exclusive);
    EXPECT_FALSE(room.open_load());
    EXPECT_TRUE(store->check_writable());
  }
  EXPECT_TRUE(room.open_load());
}

TEST(BulkLoad, KeepsOthersOutUntilItEnds) {
  Room room;
  const auto load = room.open_load();
  const auto beside =
      open_sqlite_store({.path = room.path(), .busy_wait = std::chrono::milliseconds(1)});
  ASSERT_FALSE(beside);
  EXPECT_EQ(beside.error().kind, Error::Kind::kBusy);
  const auto relay = open_sqlite_store({.path = room.path(), .exclusive = true});
  ASSERT_FALSE(relay);
  EXPECT_EQ(relay.error().kind, Error::Kind::kBusy);
}

TEST(BulkLoad, KeepsTheKeysOfTheEmptyStore) {
  Room room;
  ASSERT_TRUE(room.open()->put_key({.name = "backend", .scopes = 3, .created_ms = 7}));
  room.fill_in_bulk(numbered_lines(10), 10);
  const auto store = room.open();
  ASSERT_EQ(store->keys()->size(), 1U);
  EXPECT_EQ(store->keys()->front().name, "backend");
  EXPECT_EQ(store->stats()->devices, 10U);
}

TEST(BulkLoad, LeavesNothingWhenItIsNotFinished) {
  Room room;
  {
    const auto load = room.open_load();
    const auto lines = numbered_lines(1'000);
    const Views views(lines);
    ASSERT_TRUE(load->add(views.devices(), views.numbers(), 1));
  }
  EXPECT_FALSE(std::filesystem::exists(room.path() + ".new"));
  EXPECT_EQ(room.open()->stats()->devices, 0U);
  expect_sound(room);
}

TEST(BulkLoad, LeavesTheEmptyStoreWhenTheFileCannotGrow) {
  Room room;
  auto load = open_bulk_load({.path = room.path(), .pages_max = 60});
  ASSERT_TRUE(load && *load);
  const auto lines = numbered_lines(20'000);
  const Views views(lines);
  ASSERT_TRUE((*load)->add(views.devices(), views.numbers(), 1));
  const auto finished = (*load)->finish([](std::uint64_t, const Result<Registered>&) {});
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().kind, Error::Kind::kFull);
  load->reset();
  EXPECT_FALSE(std::filesystem::exists(room.path() + ".new"));
  EXPECT_EQ(room.open()->stats()->devices, 0U);
  expect_sound(room);
}

TEST(BulkLoad, NeverGivesOutANumberOfASubscriberTwice) {
  Room room;
  DevicePosition before = 0;
  {
    const auto store = room.open();
    const auto lines = numbered_lines(3);
    const Views views(lines);
    ASSERT_TRUE(store->put_devices(views.devices(), 1));
    NewEvent event;
    event.id = event_id(1);
    event.app = "video";
    event.audience.topics = {"news"};
    ASSERT_TRUE(store->accept(event));
    for (const auto& device : scan_all(*store, {event.id, Platform::kApns}))
      before = device.position;
    for (const Line& line : lines) ASSERT_TRUE(store->erase_device("video", line.device));
    for (const Line& line : lines) (void)store->erase_subscriber("video", line.subscriber);
    Checkpoint end{.job = {event.id, Platform::kApns}, .exhausted = true};
    end.state = EventState::kCompleted;
    ASSERT_TRUE(record_now(*store, {end}));
  }
  room.fill_in_bulk(numbered_lines(3), 3);
  const auto store = room.open();
  NewEvent event;
  event.id = event_id(2);
  event.app = "video";
  event.audience.topics = {"news"};
  ASSERT_TRUE(store->accept(event));
  const auto devices = scan_all(*store, {event.id, Platform::kApns});
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_GT(devices.front().position, before);
  expect_sound(room);
}

// The child loads and is killed; what is there then is one of the two stores that may be.
TEST(BulkLoad, KilledAtAnyMomentLeavesTheEmptyStoreOrTheWholeOne) {
  constexpr std::size_t kLines = 3'000;
  // What a sanitizer slows down may be asked for fewer.
  const int kills = static_cast<int>(number_from("CARILLON_CRASH_KILLS", 12));
  const auto lines = numbered_lines(kLines);
  const Views views(lines);
  int whole = 0;
  // The first run is let go to its end and says how long that takes.
  std::chrono::microseconds longest{0};
  for (int kill_number = 0; kill_number <= kills; ++kill_number) {
    Room room;
    ASSERT_TRUE(room.open());
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto load = open_bulk_load({.path = room.path()});
      if (!load || !*load) ::_exit(3);
      if (::write(pipe[1], "b", 1) != 1) ::_exit(4);
      if (!(*load)->add(views.devices(), views.numbers(), 1)) ::_exit(5);
      if (!(*load)->finish([](std::uint64_t, const Result<Registered>&) {})) ::_exit(6);
      ::_exit(0);
    }
    char begun = 0;
    ASSERT_EQ(::read(pipe[0], &begun, 1), 1);
    const auto start = std::chrono::steady_clock::now();
    if (kill_number > 0) {
      // A moment of the child's life, not a wait for something to happen.
      const auto until = start + longest * kill_number / kills;
      while (std::chrono::steady_clock::now() < until) {
      }
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (kill_number == 0) {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
      longest = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - start);
    }
    ::close(pipe[0]);
    ::close(pipe[1]);
    expect_sound(room);
    const auto devices = room.open()->stats()->devices;
    EXPECT_TRUE(devices == 0 || devices == kLines) << devices << " at kill " << kill_number;
    whole += devices == kLines ? 1 : 0;
    // What the killed one left does not disturb the next.
    if (devices == 0) {
      const auto results = room.fill_in_bulk(lines, kLines);
      EXPECT_EQ(results.size(), kLines);
      EXPECT_EQ(room.open()->stats()->devices, kLines);
      EXPECT_FALSE(std::filesystem::exists(room.path() + ".new"));
    }
  }
  EXPECT_GE(whole, 1) << "the first run was not killed";
}

TEST(LineExtras, AreReadBackAsTheyWereWritten) {
  const std::vector<std::string_view> topics = {"goals", "weather"}, tags = {"a", "", "c"};
  const std::vector<AttributeView> attributes = {{.name = "paying", .value = true},
                                                 {.name = "level", .value = -2.5},
                                                 {.name = "plan", .value = std::string_view("pro")},
                                                 {.name = "tags", .value = std::span(tags)}};
  DeviceRegistration line;
  EXPECT_FALSE(sqlite::has_extras(line));
  line.device_topics = topics;
  line.app_version = "4.2.0";
  line.attributes = attributes;
  ASSERT_TRUE(sqlite::has_extras(line));
  std::string bytes;
  sqlite::append_extras(line, bytes);
  DeviceRegistration read;
  sqlite::ExtrasRoom room;
  sqlite::read_extras(bytes, room, read);
  EXPECT_TRUE(std::ranges::equal(read.device_topics, topics));
  EXPECT_EQ(read.app_version, "4.2.0");
  ASSERT_EQ(read.attributes.size(), 4U);
  EXPECT_EQ(read.attributes[0].name, "paying");
  EXPECT_TRUE(std::get<bool>(read.attributes[0].value));
  EXPECT_EQ(std::get<double>(read.attributes[1].value), -2.5);
  EXPECT_EQ(std::get<std::string_view>(read.attributes[2].value), "pro");
  EXPECT_TRUE(std::ranges::equal(
      std::get<std::span<const std::string_view>>(read.attributes[3].value), tags));
}

TEST(PartitionedSpool, GivesBackWhatIsLongerThanABlockAndWhatIsCutByOne) {
  TemporaryFolder folder;
  sqlite::PartitionedSpool spool(folder.file(""), 3, 8);
  std::array<std::string, 3> expected;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string bytes(i, static_cast<char>('a' + i % 26));
    spool.append(i % 2, bytes);
    expected[i % 2] += bytes;
  }
  for (std::size_t partition = 0; partition < 3; ++partition) {
    std::string bytes = "what was there before";
    spool.read(partition, bytes);
    EXPECT_EQ(bytes, expected[partition]) << partition;
  }
}

TEST(MemberRuns, BringsTheMembersOfATopicTogetherOutOfManyRuns) {
  for (const std::size_t run_entries : {1U, 2U, 7U, 1000U}) {
    TemporaryFolder folder;
    sqlite::MemberRuns runs(folder.file(""), run_entries);
    std::map<std::uint32_t, std::vector<std::uint32_t>> expected, found;
    for (std::uint32_t subscriber = 1; subscriber < 200; ++subscriber) {
      for (std::uint32_t number = 1 + subscriber % 5; number < 20; number += 3) {
        const std::uint32_t topic =
            number * 0x0601'0107;  // some of its bytes, or all, tell it apart
        runs.add(topic, subscriber);
        expected[topic].push_back(subscriber);
      }
    }
    std::uint32_t last = 0;
    runs.each([&](std::uint32_t topic, std::span<const std::uint32_t> subscribers) {
      EXPECT_GE(topic, last);
      last = topic;
      found[topic].insert(found[topic].end(), subscribers.begin(), subscribers.end());
    });
    EXPECT_EQ(found, expected) << run_entries;
  }
}

}  // namespace
}  // namespace carillon::store::bulk_load_test
