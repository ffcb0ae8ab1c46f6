// Random operations against the store and against a plain model of it in memory.
//
// CARILLON_MODEL_SEEDS sets how many seeds run, CARILLON_MODEL_SEED one of them alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/storage/store_fixture.h"

namespace carillon::store {
namespace {

constexpr std::uint32_t kFirstSeed = 1;
constexpr std::uint32_t kSeeds = 200;
constexpr int kOperations = 60;  // a seed

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

struct ModelDevice {
  std::string name, token, locale;
  Platform platform = Platform::kApns;
  std::int64_t registered_ms = 0;
  std::string owner;      // '#' and the device's name if anonymous
  std::uint64_t uid = 0;  // of the registration: another after an erasure or a move
};

struct ModelEvent {
  EventId id{};
  // Who was in it at accept and has not left since, by platform: the registration's uid.
  std::array<std::set<std::uint64_t>, kPlatforms> audience;
  std::string topic;
  std::array<std::uint64_t, kPlatforms> targeted{};
  std::array<std::uint64_t, kPlatforms> settled{};
  std::array<bool, kPlatforms> finished{};
};

class Model {
 public:
  std::map<std::string, ModelDevice> devices;
  std::map<std::string, std::set<std::string>> topics_of;  // by owner
  std::vector<ModelEvent> events;
  std::uint64_t next_uid = 1;

  void leave(std::uint64_t uid) {
    for (auto& event : events) {
      for (auto& audience : event.audience) audience.erase(uid);
    }
  }
  void forget_device(const std::string& name) {
    const ModelDevice device = devices.at(name);
    leave(device.uid);
    devices.erase(name);
    if (device.owner[0] == '#') topics_of.erase(device.owner);
  }
  Registered put(const ModelDevice& line, const std::vector<std::string>& topics) {
    for (const auto& [name, other] : devices) {
      if (name != line.name && other.platform == line.platform && other.token == line.token) {
        forget_device(std::string(name));
        break;
      }
    }
    auto known = devices.find(line.name);
    Registered result = Registered::kCreated;
    if (known != devices.end() && known->second.owner == line.owner) {
      ModelDevice& device = known->second;
      result = Registered::kUnchanged;
      const bool same_platform = device.platform == line.platform;
      if (!same_platform) leave(device.uid);
      if (!same_platform || device.token != line.token) {
        device.registered_ms = line.registered_ms;
        result = Registered::kUpdated;
      }
      if (device.locale != line.locale) result = Registered::kUpdated;
      device.platform = line.platform;
      device.token = line.token;
      device.locale = line.locale;
    } else {
      if (known != devices.end()) {
        result = Registered::kUpdated;
        forget_device(line.name);
      }
      ModelDevice device = line;
      device.uid = next_uid++;
      devices[line.name] = device;
    }
    for (const std::string& topic : topics) {
      if (topics_of[line.owner].insert(topic).second && result == Registered::kUnchanged) {
        result = Registered::kUpdated;
      }
    }
    return result;
  }
  void unsubscribe(const std::string& owner, const std::string& topic) {
    topics_of[owner].erase(topic);
    for (const auto& [name, device] : devices) {
      if (device.owner != owner) continue;
      for (auto& event : events) {
        if (event.topic != topic) continue;
        for (auto& audience : event.audience) audience.erase(device.uid);
      }
    }
  }
  PlatformCounts counts(const std::string& topic) const {
    PlatformCounts counts{};
    for (const auto& [name, device] : devices) {
      const auto heard = topics_of.find(device.owner);
      if (heard != topics_of.end() && heard->second.contains(topic)) {
        ++counts[static_cast<std::size_t>(device.platform) - 1];
      }
    }
    return counts;
  }
  std::uint64_t subscribers(const std::string& topic) const {
    return static_cast<std::uint64_t>(
        std::count_if(topics_of.begin(), topics_of.end(),
                      [&](const auto& entry) { return entry.second.contains(topic); }));
  }
};

class ModelRun {
 public:
  explicit ModelRun(std::uint32_t seed) : random_(seed) { open(); }

  void run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) step();
    if (testing::Test::HasFailure()) return;
    compare_all();
    store_.reset();
    const auto problems = check_sqlite_store(folder_.file("store.db"), true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }

 private:
  void open() {
    store_.reset();
    auto opened = open_sqlite_store({.path = folder_.file("store.db")});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  std::size_t below(std::size_t count) { return random_() % count; }
  std::string pick(const char* prefix, std::size_t count) {
    return prefix + std::to_string(below(count));
  }
  Platform platform() { return static_cast<Platform>(1 + below(kPlatforms)); }

  void step() {
    ++now_ms_;
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return put_one();
      case 3:
      case 4:
        return put_batch();
      case 5:
      case 6:
        return subscribe();
      case 7:
      case 8:
        return unsubscribe();
      case 9:
        return erase_device();
      case 10:
        return erase_subscriber();
      case 11:
      case 12:
        return accept();
      case 13:
        return remove_dead();
      case 14:
        return below(3) == 0 ? open() : compare_scan();
      case 15:
        return finish_job();
    }
  }

  struct Line {
    ModelDevice device;
    std::vector<std::string> topics;
    std::vector<std::string_view> topic_views;
    DeviceRegistration registration(const std::string& app) {
      topic_views.assign(topics.begin(), topics.end());
      return {.app = app,
              .device = device.name,
              .platform = device.platform,
              .token = device.token,
              .subscriber = device.owner[0] == '#' ? std::string_view() : device.owner,
              .locale = device.locale,
              .timezone = {},
              .topics = topic_views};
    }
  };
  Line random_line() {
    Line line;
    line.device.name = pick("d", devices_);
    line.device.token = token();
    line.device.platform = platform();
    line.device.locale = below(3) == 0 ? pick("l", 3) : "";
    line.device.registered_ms = now_ms_;
    line.device.owner = below(4) == 0 ? "#" + line.device.name : pick("u", devices_ / 3 + 1);
    for (std::size_t i = below(3); i > 0; --i) line.topics.push_back(pick("t", 4));
    // Often the device as it is, with a little changed.
    const auto known = model_.devices.find(line.device.name);
    if (known != model_.devices.end() && below(2) == 0) {
      const std::int64_t now = line.device.registered_ms;
      line.device = known->second;
      line.device.registered_ms = now;
      if (below(3) == 0) line.device.token = token();
      if (below(4) == 0) line.device.platform = platform();
    }
    return line;
  }
  std::string token() {
    const std::size_t number = below(devices_ * 4);
    std::string hex(64, '0');
    for (std::size_t i = 0; i < 8; ++i) hex[i * 8] = "0123456789abcdef"[number >> (i % 4 * 4) & 15];
    if (number % 3 == 0) return hex;
    if (number % 3 == 1) return "c" + std::to_string(number) + "-x:APA91b" + std::string(90, 'Q');
    return "{\"endpoint\":\"https://push.example/" + std::to_string(number) + "\"}";
  }

  void put_one() {
    Line line = random_line();
    const auto stored = store_->put_device(line.registration(app_), now_ms_);
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(*stored, model_.put(line.device, line.topics));
  }

  void put_batch() {
    std::vector<Line> lines(1 + below(devices_ * 2));
    for (Line& line : lines) line = random_line();
    std::vector<DeviceRegistration> registrations;
    for (Line& line : lines) registrations.push_back(line.registration(app_));
    const auto stored = store_->put_devices(registrations, now_ms_);
    ASSERT_TRUE(stored) << stored.error().message;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      ASSERT_TRUE((*stored)[i]);
      EXPECT_EQ(*(*stored)[i], model_.put(lines[i].device, lines[i].topics)) << i;
    }
  }

  void subscribe() {
    const std::string owner = pick("u", devices_ / 3 + 1), topic = pick("t", 4);
    const auto changed = store_->subscribe(app_, topic, owner, now_ms_);
    ASSERT_TRUE(changed);
    EXPECT_EQ(*changed, model_.topics_of[owner].insert(topic).second);
  }

  void unsubscribe() {
    const std::string owner = pick("u", devices_ / 3 + 1), topic = pick("t", 4);
    const auto changed = store_->unsubscribe(app_, topic, owner);
    ASSERT_TRUE(changed);
    EXPECT_EQ(*changed, model_.topics_of[owner].contains(topic));
    if (*changed) model_.unsubscribe(owner, topic);
  }

  void erase_device() {
    const std::string name = pick("d", devices_);
    const auto erased = store_->erase_device(app_, name);
    EXPECT_EQ(erased.has_value(), model_.devices.contains(name));
    if (erased) model_.forget_device(name);
  }

  void erase_subscriber() {
    const std::string owner = pick("u", devices_ / 3 + 1);
    std::vector<std::string> devices;
    for (const auto& [name, device] : model_.devices) {
      if (device.owner == owner) devices.push_back(name);
    }
    const std::size_t topics = model_.topics_of[owner].size();
    const auto erased = store_->erase_subscriber(app_, owner);
    ASSERT_EQ(erased.has_value(), topics + devices.size() != 0);
    if (!erased) return;
    EXPECT_EQ(erased->devices, devices.size());
    EXPECT_EQ(erased->subscriptions, topics);
    for (const std::string& name : devices) model_.forget_device(name);
    model_.topics_of.erase(owner);
  }

  void accept() {
    NewEvent event;
    event.id = event_id(static_cast<std::uint32_t>(model_.events.size() + 1));
    event.app = app_;
    ModelEvent expected;
    expected.id = event.id;
    std::set<std::string> names;
    const std::size_t kind = below(3);
    if (kind == 0) {
      expected.topic = pick("t", 5);
      event.audience.topics = {expected.topic};
    } else {
      for (std::size_t i = below(8); i > 0; --i) {
        auto& chosen = kind == 1 ? event.audience.subscribers : event.audience.devices;
        chosen.push_back(kind == 1 ? pick("u", devices_ / 3 + 1) : pick("d", devices_));
        names.insert(chosen.back());
      }
    }
    for (const auto& [name, device] : model_.devices) {
      const bool in = kind == 0   ? model_.topics_of[device.owner].contains(expected.topic)
                      : kind == 1 ? names.contains(device.owner)
                                  : names.contains(name);
      if (in) expected.audience[static_cast<std::size_t>(device.platform) - 1].insert(device.uid);
    }
    const auto accepted = store_->accept(event);
    ASSERT_TRUE(accepted) << accepted.error().message;
    for (std::size_t i = 0; i < kPlatforms; ++i) {
      expected.targeted[i] = expected.audience[i].size();
      expected.finished[i] = expected.targeted[i] == 0;
      EXPECT_EQ(accepted->targeted[i], expected.targeted[i]);
    }
    model_.events.push_back(expected);
    for (std::size_t i = 0; i < kPlatforms; ++i) {
      if (!expected.finished[i]) compare_audience(model_.events.back(), i);
    }
  }

  // One of the unfinished jobs, if there is any.
  std::optional<std::pair<std::size_t, std::size_t>> any_job() {
    std::vector<std::pair<std::size_t, std::size_t>> open;
    for (std::size_t e = 0; e < model_.events.size(); ++e) {
      for (std::size_t i = 0; i < kPlatforms; ++i) {
        if (!model_.events[e].finished[i]) open.emplace_back(e, i);
      }
    }
    if (open.empty()) return std::nullopt;
    return open[below(open.size())];
  }
  JobKey key(const ModelEvent& event, std::size_t index) {
    return {event.id, static_cast<Platform>(index + 1)};
  }

  void remove_dead() {
    const auto chosen = any_job();
    if (!chosen) return;
    ModelEvent& event = model_.events[chosen->first];
    const auto scanned = scan_all(*store_, key(event, chosen->second));
    if (scanned.empty()) return;
    const ScannedDevice& victim = scanned[below(scanned.size())];
    Checkpoint checkpoint{.job = key(event, chosen->second)};
    const auto job = job_of(event, chosen->second);
    checkpoint.cursor = job.cursor;
    const std::int64_t dead_since = now_ms_ - static_cast<std::int64_t>(below(20));
    checkpoint.removals = {{victim.position, victim.token, dead_since}};
    if (job.counters.pending() > 0) {
      checkpoint.added.rejected = 1;
      ++event.settled[chosen->second];
    }
    const auto recorded = record_now(*store_, {checkpoint}, now_ms_);
    ASSERT_TRUE(recorded) << recorded.error().message;
    for (const auto& [name, device] : model_.devices) {
      if (device.token != victim.token || device.platform != checkpoint.job.platform) continue;
      if (device.registered_ms < dead_since) model_.forget_device(std::string(name));
      return;
    }
  }

  Job job_of(const ModelEvent& event, std::size_t index) {
    const auto jobs = store_->jobs(event.id);
    EXPECT_TRUE(jobs);
    for (const Job& job : *jobs) {
      if (job.key.platform == static_cast<Platform>(index + 1)) return job;
    }
    ADD_FAILURE() << "the job is gone";
    return {};
  }

  void finish_job() {
    const auto chosen = any_job();
    if (!chosen || below(2) == 0) return;
    ModelEvent& event = model_.events[chosen->first];
    Checkpoint checkpoint{.job = key(event, chosen->second)};
    checkpoint.cursor = job_of(event, chosen->second).cursor;
    checkpoint.exhausted = true;
    checkpoint.state = EventState::kCompleted;
    const auto recorded = record_now(*store_, {checkpoint}, now_ms_);
    ASSERT_TRUE(recorded) << recorded.error().message;
    event.finished[chosen->second] = true;
    const Job job = job_of(event, chosen->second);
    EXPECT_EQ(job.counters.pending(), 0u);
    EXPECT_EQ(job.counters.suppressed,
              event.targeted[chosen->second] - event.settled[chosen->second]);
  }

  void compare_audience(const ModelEvent& event, std::size_t index) {
    std::vector<std::string> expected;
    for (const auto& [name, device] : model_.devices) {
      if (event.audience[index].contains(device.uid)) expected.push_back(device.token);
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(tokens_of(scan_all(*store_, key(event, index), 1 + below(20))), expected)
        << "event " << event.id[3] << " platform " << index + 1;
  }

  void compare_scan() {
    if (const auto chosen = any_job()) {
      compare_audience(model_.events[chosen->first], chosen->second);
    }
  }

  void compare_all() {
    for (const auto& [name, expected] : model_.devices) {
      const auto device = store_->device(app_, name);
      ASSERT_TRUE(device) << name;
      EXPECT_EQ(device->token, expected.token);
      EXPECT_EQ(device->platform, expected.platform);
      EXPECT_EQ(device->locale, expected.locale);
      EXPECT_EQ(device->registered_ms, expected.registered_ms);
      EXPECT_EQ(device->subscriber, expected.owner[0] == '#' ? "" : expected.owner);
      const auto& topics = model_.topics_of[expected.owner];
      EXPECT_EQ(device->topics, std::vector<std::string>(topics.begin(), topics.end()));
    }
    EXPECT_EQ(store_->stats()->devices, model_.devices.size());
    for (int i = 0; i < 4; ++i) {
      const std::string name = "t" + std::to_string(i);
      const auto topic = store_->topic(app_, name);
      if (!topic) continue;
      EXPECT_EQ(topic->devices, model_.counts(name));
      EXPECT_EQ(topic->subscribers, model_.subscribers(name));
    }
    for (const ModelEvent& event : model_.events) {
      for (std::size_t i = 0; i < kPlatforms; ++i) {
        if (!event.finished[i]) compare_audience(event, i);
      }
    }
  }

  std::mt19937 random_;
  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
  Model model_;
  const std::string app_ = "video";
  const std::size_t devices_ = 4 + below(200);  // names in play
  std::int64_t now_ms_ = 1000;
};

TEST(StoreModel, AgreesWithThePlainModelWhateverHappens) {
  const std::uint32_t only = number_from("CARILLON_MODEL_SEED", 0);
  const std::uint32_t first = only ? only : kFirstSeed;
  const std::uint32_t last =
      only ? only : kFirstSeed + number_from("CARILLON_MODEL_SEEDS", kSeeds) - 1;
  for (std::uint32_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("repeat with CARILLON_MODEL_SEED=" + std::to_string(seed));
    ModelRun(seed).run(kOperations);
    if (HasFailure()) {
      std::printf("failed with CARILLON_MODEL_SEED=%u\n", seed);
      return;
    }
  }
}

}  // namespace
}  // namespace carillon::store
