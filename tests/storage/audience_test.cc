// Audiences of several topics, names and a condition: what freezing means for them, and that they
// are right where windows and chunks end.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <random>
#include <sstream>

#include "tests/storage/store_fixture.h"

namespace carillon::store::audience_test {
namespace {

using Kind = Condition::Kind;

Condition in(const std::string& topic) {
  Condition condition;
  condition.topic = topic;
  return condition;
}
Condition all(std::vector<Condition> of) {
  return {.kind = Kind::kAnd, .of = std::move(of)};
}
Condition any(std::vector<Condition> of) {
  return {.kind = Kind::kOr, .of = std::move(of)};
}
Condition no(Condition of) {
  return {.kind = Kind::kNot, .of = {std::move(of)}};
}
Condition plan(const std::string& value) {
  return {.kind = Kind::kCompare,
          .field = Condition::Field::kAttribute,
          .attribute = "plan",
          .compare = Condition::Compare::kEqual,
          .value = value};
}

class AudienceTest : public testing::Test {
 protected:
  AudienceTest() { open(); }
  void open() {
    store_.reset();
    store_ = *open_sqlite_store({.path = path_});
  }
  void put(const std::string& device, const std::string& subscriber, const std::string& plan,
           std::vector<std::string_view> topics = {}, const std::string& version = {},
           std::int64_t now_ms = 1000, bool by_app = false) {
    const AttributeView attribute{.name = "plan", .value = std::string_view(plan)};
    const auto stored =
        store_->put_device({.app = "video",
                            .device = device,
                            .platform = Platform::kApns,
                            .token = "token of " + device,
                            .subscriber = subscriber,
                            .topics = topics,
                            .app_version = version,
                            .attributes = std::span(&attribute, plan.empty() ? 0 : 1),
                            .by_app = by_app},
                           now_ms);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  JobKey accept(Audience audience) {
    NewEvent event;
    event.id = event_id(++events_);
    event.app = "video";
    event.audience = std::move(audience);
    const auto accepted = store_->accept(event);
    EXPECT_TRUE(accepted) << accepted.error().message;
    targeted_ = accepted->targeted[0];
    return {event.id, Platform::kApns};
  }
  std::vector<std::string> tokens(const JobKey& job) { return tokens_of(scan_all(*store_, job)); }
  static std::vector<std::string> of(std::vector<std::string> devices) {
    for (std::string& device : devices) device = "token of " + device;
    return devices;
  }
  void expect_sound() {
    store_.reset();
    const auto problems = check_sqlite_store(path_, true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  std::string files() {
    std::string bytes;
    for (const char* const suffix : {"", "-wal"}) {
      std::ifstream file(path_ + suffix, std::ios::binary);
      std::ostringstream all_of_it;
      all_of_it << file.rdbuf();
      bytes += all_of_it.str();
    }
    return bytes;
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  const std::string path_ = folder_.file("store.db");
  std::unique_ptr<Store> store_;
  std::uint32_t events_ = 0;
  std::uint64_t targeted_ = 0;
};

TEST_F(AudienceTest, WhoComesToSatisfyAConditionLaterIsNotReached) {
  put("a", "ann", "pro", {"news"});
  put("b", "bob", "free", {"news"});
  const JobKey pro = accept({.condition = all({in("news"), plan("pro")})});
  const JobKey not_sports = accept({.condition = all({in("news"), no(in("sports"))})});
  EXPECT_EQ(tokens(pro), of({"a"}));
  put("b", "bob", "pro");
  put("c", "cat", "pro", {"news"});
  EXPECT_EQ(tokens(pro), of({"a"}));
  EXPECT_EQ(tokens(not_sports), of({"a", "b"}));
}

TEST_F(AudienceTest, WhoLeavesWhatTheConditionExcludesIsNotReached) {
  put("a", "ann", "", {"news", "sports"});
  put("b", "bob", "", {"news"});
  const JobKey job = accept({.condition = all({in("news"), no(in("sports"))})});
  EXPECT_EQ(targeted_, 1u);
  ASSERT_TRUE(*store_->unsubscribe("video", "sports", "ann"));
  EXPECT_EQ(tokens(job), of({"b"}));
}

TEST_F(AudienceTest, WhoDoesNotSatisfyItAnyMoreIsNotSentToAndWhoChangesElsewhereIs) {
  put("a", "ann", "pro", {"news"}, "1.0");
  put("b", "bob", "pro", {"news"}, "1.0");
  const JobKey job = accept({.condition = all({in("news"), plan("pro")})});
  put("a", "ann", "free", {}, "1.0");
  put("b", "bob", "pro", {}, "2.0");
  EXPECT_EQ(tokens(job), of({"b"}));
  // A retry of one that left finds no device, as the scan did not.
  Checkpoint checkpoint{.job = job};
  for (const ScannedDevice& device : scan_all(*store_, job)) {
    checkpoint.retries.push_back(
        {.position = device.position, .due_ms = 1, .attempts = 1, .reason = "r"});
  }
  ASSERT_TRUE(record_now(*store_, {checkpoint}));
  EXPECT_EQ(store_->due_retries(job, 5, 10, {})->due.at(0).token, "token of b");
  put("b", "bob", "free");
  EXPECT_EQ(store_->due_retries(job, 5, 10, {})->due.at(0).token, "");
}

TEST_F(AudienceTest, ARetryOfAConditionKnowsItsDevicesLocale) {
  const AttributeView pro{.name = "plan", .value = std::string_view("pro")};
  const std::string_view topics[] = {"news"};
  ASSERT_TRUE(store_->put_device({.app = "video",
                                  .device = "a",
                                  .token = "aa",
                                  .subscriber = "ann",
                                  .locale = "de-AT",
                                  .topics = topics,
                                  .attributes = std::span(&pro, 1)},
                                 1000));
  const JobKey job = accept({.condition = all({in("news"), plan("pro")})});
  const auto devices = scan_all(*store_, job);
  ASSERT_EQ(devices.size(), 1u);
  Checkpoint checkpoint{.job = job};
  checkpoint.retries.push_back(
      {.position = devices[0].position, .due_ms = 1, .attempts = 1, .reason = "r"});
  ASSERT_TRUE(record_now(*store_, {checkpoint}));
  const auto scan = store_->scan(job);
  ASSERT_TRUE(scan);
  const auto due = store_->due_retries(job, 5, 10, {})->due.at(0);
  EXPECT_EQ(devices[0].locale, "de-AT");
  EXPECT_EQ((*scan)->locale(due.locale).value(), "de-AT");
}

TEST_F(AudienceTest, ADeviceThatIsNamedForSeveralReasonsIsInItOnce) {
  put("a", "ann", "pro", {"news", "sports"});
  put("b", "bob", "");
  const JobKey job = accept({.topics = {"news", "sports"},
                             .subscribers = {"ann", "bob"},
                             .devices = {"a"},
                             .condition = plan("pro")});
  EXPECT_EQ(targeted_, 2u);
  EXPECT_EQ(tokens(job), of({"a", "b"}));
  // Who was named stays in it, whatever else they leave.
  ASSERT_TRUE(store_->unsubscribe("video", "news", "ann"));
  ASSERT_TRUE(store_->unsubscribe("video", "sports", "ann"));
  EXPECT_EQ(tokens(job), of({"a", "b"}));
}

TEST_F(AudienceTest, NothingOfAnAudienceIsKeptOnceItsEventIsOver) {
  for (int i = 0; i < 20; ++i) put("d" + std::to_string(i), "", "pro", {"news"});
  const JobKey job = accept({.condition = all({in("news"), plan("pro")})});
  Checkpoint end{.job = job};
  end.exhausted = true;
  end.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {end}));
  EXPECT_TRUE(tokens(job).empty());
  expect_sound();
}

// One device, as an import or its app tells of it.
class SeenTest : public AudienceTest {
 protected:
  static constexpr std::int64_t kDay = kLastSeenStepMs, kNow = 20'000 * kDay;
  struct Line {
    std::string_view token = "token of a", subscriber = "ann";
    std::int64_t last_seen_ms = 0;
    bool by_app = false;
  };
  SeenTest() { put("a", "ann", "pro", {"news"}, "1.0", kNow); }
  Registered again(std::int64_t at, const Line& line) {
    const AttributeView attribute{.name = "plan", .value = std::string_view("pro")};
    const auto stored = store_->put_device({.app = "video",
                                            .device = "a",
                                            .platform = Platform::kApns,
                                            .token = line.token,
                                            .subscriber = line.subscriber,
                                            .app_version = "1.0",
                                            .attributes = std::span(&attribute, 1),
                                            .last_seen_ms = line.last_seen_ms,
                                            .by_app = line.by_app},
                                           at);
    EXPECT_TRUE(stored) << stored.error().message;
    return *stored;
  }
  void leave_out(std::int64_t before_ms) {
    ASSERT_EQ(store_->sweep_stale("video", StaleAction::kLeaveOut, before_ms, 0, 100)->devices, 1u);
  }
  bool stale() { return store_->device("video", "a")->stale; }
  std::int64_t seen_ms() { return store_->device("video", "a")->last_seen_ms; }
};

TEST_F(SeenTest, AnImportThatSaysWhenWritesOnceADay) {
  EXPECT_EQ(again(kNow + kDay - 1, {.last_seen_ms = kNow + kDay - 1}), Registered::kUnchanged);
  EXPECT_EQ(again(kNow + kDay, {.last_seen_ms = kNow + kDay}), Registered::kUpdated);
  EXPECT_EQ(again(kNow + kDay, {.last_seen_ms = kNow + kDay}), Registered::kUnchanged);
  EXPECT_EQ(again(kNow + 5 * kDay, {.last_seen_ms = kNow}), Registered::kUnchanged)
      << "it never moves back";
  EXPECT_EQ(again(kNow + 5 * kDay, {.last_seen_ms = kNow + 9 * kDay}), Registered::kUpdated)
      << "nor ahead of now";
  EXPECT_EQ(seen_ms(), kNow + 5 * kDay);
  EXPECT_EQ(store_->device("video", "a")->registered_ms, kNow);
}

TEST_F(SeenTest, AnImportRepeatedOnAnotherDayWritesNothing) {
  store_.reset();
  const std::string before = files();
  open();
  for (int day = 1; day <= 3; ++day) {
    EXPECT_EQ(again(kNow + day * kDay, {}), Registered::kUnchanged);
  }
  EXPECT_EQ(seen_ms(), kNow) << "nobody said that it was seen";
  store_.reset();
  EXPECT_TRUE(files() == before);
}

TEST_F(SeenTest, AnImportThatDoesNotSayWhenLeavesAStaleDeviceOutUntilItsAppRegisters) {
  leave_out(kNow + kDay);
  EXPECT_EQ(again(kNow + 90 * kDay, {}), Registered::kUnchanged);
  EXPECT_TRUE(stale());
  EXPECT_EQ(again(kNow + 91 * kDay, {.by_app = true}), Registered::kUpdated);
  EXPECT_FALSE(stale());
  EXPECT_EQ(seen_ms(), kNow + 91 * kDay);
  expect_sound();
}

TEST_F(SeenTest, AnImportThatDoesNotSayWhenStillChangesWhatItTellsOfAStaleDevice) {
  leave_out(kNow + kDay);
  put("a", "ann", "free", {"sports"}, "2.0", kNow + 90 * kDay);
  const DeviceRecord device = *store_->device("video", "a");
  EXPECT_TRUE(device.stale);
  EXPECT_EQ(device.app_version, "2.0");
  EXPECT_EQ(device.topics, (std::vector<std::string>{"news", "sports"}));
  EXPECT_EQ(store_->topic("video", "sports")->devices[0], 0u);
  EXPECT_EQ(device.last_seen_ms, kNow);
  expect_sound();
}

// What the store calls a registration: `registered_ms` moves.
TEST_F(SeenTest, AnImportThatBringsAnotherTokenOrSubscriberCountsAsSeenThatDay) {
  leave_out(kNow + kDay);
  EXPECT_EQ(again(kNow + 90 * kDay, {.token = "another"}), Registered::kUpdated);
  EXPECT_FALSE(stale());
  EXPECT_EQ(seen_ms(), kNow + 90 * kDay);
  leave_out(kNow + 91 * kDay);
  EXPECT_EQ(again(kNow + 180 * kDay, {.token = "another", .subscriber = "bob"}),
            Registered::kUpdated);
  EXPECT_FALSE(stale());
  EXPECT_EQ(seen_ms(), kNow + 180 * kDay);
  EXPECT_EQ(again(kNow + 270 * kDay, {.token = "a third", .subscriber = "bob", .last_seen_ms = 1}),
            Registered::kUpdated);
  EXPECT_EQ(seen_ms(), kNow + 180 * kDay) << "it says when";
  expect_sound();
}

TEST_F(AudienceTest, AStaleDeviceIsInNoAudienceUntilItRegistersAgain) {
  const std::int64_t day = kLastSeenStepMs;
  put("old", "ann", "", {"news"}, "", 10 * day);
  put("new", "ann", "", {}, "", 40 * day);
  const auto sweep = [&](StaleAction action, std::int64_t before) {
    return store_->sweep_stale("video", action, before, 0, 100)->devices;
  };
  const JobKey before = accept({.topics = {"news"}});
  EXPECT_EQ(sweep(StaleAction::kLeaveOut, 11 * day - 1), 0u) << "it was seen on that day";
  EXPECT_EQ(sweep(StaleAction::kLeaveOut, 11 * day), 1u);
  EXPECT_EQ(sweep(StaleAction::kLeaveOut, 11 * day), 0u);
  EXPECT_TRUE(store_->device("video", "old")->stale);
  EXPECT_EQ(tokens(before), of({"new"}));
  EXPECT_EQ(tokens(accept({.topics = {"news"}})), of({"new"}));
  EXPECT_EQ(tokens(accept({.devices = {"old", "new"}})), of({"new"}));
  EXPECT_EQ(store_->count("video", {.topics = {"news"}})->devices[0], 1u);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  put("old", "ann", "", {}, "", 41 * day, /*by_app=*/true);
  EXPECT_EQ(tokens(before), of({"new"})) << "it came back after the event";
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 2u);
  EXPECT_EQ(sweep(StaleAction::kRemove, 41 * day), 1u);
  EXPECT_FALSE(store_->device("video", "new"));
  expect_sound();
}

TEST_F(AudienceTest, AnErasureLeavesNothingOfAttributesInTheFile) {
  for (int i = 0; i < 50; ++i) put("d" + std::to_string(i), "", "somebody's");
  put("a", "ann", "the-secret-plan", {"news"}, "9.9.9-private");
  open();
  ASSERT_NE(files().find("the-secret-plan"), std::string::npos);
  ASSERT_NE(files().find("9.9.9-private"), std::string::npos);
  ASSERT_TRUE(store_->erase_subscriber("video", "ann"));
  store_.reset();
  EXPECT_EQ(files().find("the-secret-plan"), std::string::npos);
  EXPECT_EQ(files().find("9.9.9-private"), std::string::npos);
}

// 40,000 subscribers: three windows, hundreds of chunks; some with two devices, three platforms.
class WideAudience : public AudienceTest {
 protected:
  static constexpr std::uint32_t kSeed = 5;
  static constexpr std::size_t kSubscribers = 40'000;
  struct Person {
    std::array<bool, 4> topics{};  // all, half, one of a hundred, five of the last
    std::array<bool, 2> device_topic{};
    std::vector<Platform> devices;
  };

  void fill() {
    std::mt19937 random(kSeed);
    people_.resize(kSubscribers);
    static constexpr std::string_view kNames[] = {"all", "half", "few", "last"};
    std::vector<std::string> texts;
    std::vector<std::vector<std::string_view>> topics;
    static const std::string_view own[] = {"half"};
    std::vector<DeviceRegistration> lines;
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      Person& person = people_[i];
      person.topics = {true, random() % 2 == 0, random() % 100 == 0, i + 5 >= kSubscribers};
      person.devices.push_back(random() % 10 == 0 ? Platform::kFcm : Platform::kApns);
      if (random() % 8 == 0) person.devices.push_back(Platform::kWebPush);
      for (std::size_t d = 0; d < person.devices.size(); ++d) {
        person.device_topic[d] = random() % 5 == 0;
      }
    }
    texts.reserve(4 * kSubscribers);
    topics.reserve(2 * kSubscribers);
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      const Person& person = people_[i];
      for (std::size_t d = 0; d < person.devices.size(); ++d) {
        auto& heard = topics.emplace_back();
        for (std::size_t t = 0; t < 4; ++t) {
          if (person.topics[t]) heard.push_back(kNames[t]);
        }
        const std::string_view device =
            texts.emplace_back("d" + std::to_string(i) + "." + std::to_string(d));
        const std::string_view subscriber = texts.emplace_back("u" + std::to_string(i));
        lines.push_back({.app = "video",
                         .device = device,
                         .platform = person.devices[d],
                         .token = device,
                         .subscriber = subscriber,
                         .topics = heard,
                         .device_topics = std::span(own, person.device_topic[d] ? 1 : 0)});
      }
    }
    const auto stored = store_->put_devices(lines, 1000);
    ASSERT_TRUE(stored) << stored.error().message;
  }

  using Wants = std::function<bool(const Person&, std::size_t device)>;
  static bool half(const Person& person, std::size_t device) {
    return person.topics[1] || person.device_topic[device];
  }
  void compare(const char* what, const Condition& condition, const Wants& wants) {
    SCOPED_TRACE(what);
    AudienceCount expected;
    for (const Person& person : people_) {
      bool one = false;
      for (std::size_t d = 0; d < person.devices.size(); ++d) {
        if (!wants(person, d)) continue;
        one = true;
        ++expected.devices[static_cast<std::size_t>(person.devices[d]) - 1];
      }
      expected.subscribers += one ? 1 : 0;
    }
    const auto counted = store_->count("video", {.condition = condition});
    ASSERT_TRUE(counted) << counted.error().message;
    EXPECT_EQ(counted->subscribers, expected.subscribers);
    EXPECT_EQ(counted->devices, expected.devices);
    JobKey job = accept({.condition = condition});
    for (std::size_t i = 0; i < kPlatforms; ++i) {
      job.platform = static_cast<Platform>(i + 1);
      if (expected.devices[i] == 0) continue;
      EXPECT_EQ(scan_all(*store_, job, 777).size(), expected.devices[i]) << i;
    }
  }

  std::vector<Person> people_;
};

TEST_F(WideAudience, IsRightWhereWindowsAndChunksEndAndWhereAFirstChunkIsGone) {
  std::printf("seed %u\n", kSeed);
  fill();
  compare("half", in("half"), half);
  compare("all && half", all({in("all"), in("half")}), half);
  compare("few && half", all({in("half"), in("few")}),
          [](const Person& p, std::size_t d) { return p.topics[2] && half(p, d); });
  compare("last", all({in("last"), in("all")}),
          [](const Person& p, std::size_t) { return p.topics[3]; });
  compare("few || last", any({in("last"), in("few")}),
          [](const Person& p, std::size_t) { return p.topics[2] || p.topics[3]; });
  compare("!half", no(in("half")), [](const Person& p, std::size_t d) { return !half(p, d); });
  compare("!half && !few", all({no(in("half")), no(in("few"))}),
          [](const Person& p, std::size_t d) { return !half(p, d) && !p.topics[2]; });
  compare("!all || few", any({no(in("all")), in("few")}),
          [](const Person& p, std::size_t) { return p.topics[2]; });
  compare(
      "fcm && half",
      all({{.kind = Kind::kCompare, .field = Condition::Field::kPlatform, .value = "fcm"},
           in("half")}),
      [](const Person& p, std::size_t d) { return p.devices[d] == Platform::kFcm && half(p, d); });
  // A topic that lost its first members is read to its end:
  // "half" comes after "all": what stands before its first chunk is another topic's.
  for (std::size_t i = 0; i < 3'000; ++i) {
    if (!people_[i].topics[1]) continue;
    ASSERT_TRUE(*store_->unsubscribe("video", "half", "u" + std::to_string(i)));
    people_[i].topics[1] = false;
  }
  for (std::size_t i = 0; i < 3'000; ++i) {
    for (std::size_t d = 0; d < people_[i].devices.size(); ++d) {
      if (!people_[i].device_topic[d]) continue;
      const std::string name = "d" + std::to_string(i) + "." + std::to_string(d);
      ASSERT_TRUE(*store_->unsubscribe_device("video", "half", name));
      people_[i].device_topic[d] = false;
    }
  }
  compare("half", in("half"), half);
  JobKey job = accept({.topics = {"half"}});
  EXPECT_EQ(scan_all(*store_, job).size(), targeted_);
  EXPECT_GT(targeted_, 1'000u);
  expect_sound();
}

}  // namespace
}  // namespace carillon::store::audience_test
