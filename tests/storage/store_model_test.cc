// Random operations against the store and against a plain model of it in memory.
//
// CARILLON_MODEL_SEEDS sets how many seeds run, CARILLON_MODEL_SEED one of them alone (seeds.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "storage/outcome_feed.h"
#include "storage/quarantine.h"
#include "tests/seeds.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store {
namespace {

constexpr std::uint32_t kSeeds = 200;
constexpr int kOperations = 60;  // a seed

constexpr std::int64_t kDayMs = kLastSeenStepMs;

struct ModelDevice {
  std::string name, token, locale, timezone, version;
  std::map<std::string, AttributeValue> attributes;
  std::set<std::string> topics;  // its own
  Platform platform = Platform::kApns;
  bool stale = false;        // in no audience
  bool quarantined = false;  // ... and that is why
  std::int64_t registered_ms = 0, seen_day = 0;
  std::string owner;      // '#' and the device's name if anonymous
  std::uint64_t uid = 0;  // of the registration: another after an erasure or a move
};

struct ModelEvent {
  EventId id{};
  // Who was in it at accept and has not left since, by platform: the registration's uid.
  std::array<std::set<std::uint64_t>, kPlatforms> audience;
  std::string topic;  // of those for one topic: who hears it through the subscriber, through itself
  std::set<std::uint64_t> whole, single;
  std::optional<Audience> several;  // of those for more: who is in must satisfy it still
  std::set<std::uint64_t> named;    // ... or was named
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
  // `line.seen_day` is today, or what `last_seen_ms` says if that is not 0.
  Registered put(ModelDevice line, const std::vector<std::string>& topics, bool by_app,
                 std::int64_t last_seen_ms) {
    if (last_seen_ms != 0) line.seen_day = std::min(last_seen_ms / kDayMs, line.seen_day);
    const std::set<std::string> added = std::exchange(line.topics, {});
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
      const bool other_token = device.platform != line.platform || device.token != line.token;
      const bool later =
          (by_app || other_token || last_seen_ms != 0) && line.seen_day > device.seen_day;
      const bool awakes = device.stale && (later || by_app || (other_token && device.quarantined));
      if (awakes) device.stale = device.quarantined = false;
      if (awakes || later || device.timezone != line.timezone || device.version != line.version ||
          device.attributes != line.attributes) {
        result = Registered::kUpdated;
      }
      if (later) device.seen_day = line.seen_day;
      device.timezone = line.timezone;
      device.version = line.version;
      device.attributes = line.attributes;
      const bool same_platform = device.platform == line.platform;
      if (!same_platform) leave(device.uid);
      if (!same_platform || device.token != line.token) {
        device.registered_ms = line.registered_ms;
        result = Registered::kUpdated;
      }
      if (by_app && line.registered_ms > device.registered_ms) {
        device.registered_ms = line.registered_ms;
        result = Registered::kUpdated;
      }
      if (device.locale != line.locale) result = Registered::kUpdated;
      device.platform = line.platform;
      device.token = line.token;
      device.locale = line.locale;
    } else {
      ModelDevice device = line;
      if (known != devices.end()) {
        result = Registered::kUpdated;
        device.topics = known->second.topics;
        device.seen_day = std::max(device.seen_day, known->second.seen_day);
        forget_device(line.name);
      }
      device.uid = next_uid++;
      devices[line.name] = device;
    }
    for (const std::string& topic : topics) {
      if (topics_of[line.owner].insert(topic).second && result == Registered::kUnchanged) {
        result = Registered::kUpdated;
      }
    }
    for (const std::string& topic : added) {
      if (devices[line.name].topics.insert(topic).second && result == Registered::kUnchanged) {
        result = Registered::kUpdated;
      }
    }
    return result;
  }
  void drop_reasonless(ModelEvent& event) {
    for (auto& audience : event.audience) {
      std::erase_if(audience, [&](std::uint64_t uid) {
        return !event.whole.contains(uid) && !event.single.contains(uid);
      });
    }
  }
  void unsubscribe_device(const std::string& name, const std::string& topic) {
    ModelDevice& device = devices.at(name);
    device.topics.erase(topic);
    const bool anonymous = device.owner[0] == '#';
    if (anonymous) topics_of[device.owner].erase(topic);
    for (auto& event : events) {
      if (event.topic != topic) continue;
      event.single.erase(device.uid);
      if (anonymous) event.whole.erase(device.uid);
      drop_reasonless(event);
    }
  }
  void unsubscribe(const std::string& owner, const std::string& topic) {
    topics_of[owner].erase(topic);
    for (const auto& [name, device] : devices) {
      if (device.owner != owner) continue;
      for (auto& event : events) {
        if (event.topic != topic) continue;
        event.whole.erase(device.uid);
        drop_reasonless(event);
      }
    }
  }
  bool hears(const ModelDevice& device, const std::string& topic) const {
    const auto heard = topics_of.find(device.owner);
    return (heard != topics_of.end() && heard->second.contains(topic)) ||
           device.topics.contains(topic);
  }
  // Not through a subscriber who has a name.
  bool hears_itself(const ModelDevice& device, const std::string& topic) const {
    return device.owner[0] == '#' ? hears(device, topic) : device.topics.contains(topic);
  }
  bool satisfies(const ModelDevice& device, const Condition& condition) const {
    switch (condition.kind) {
      case Condition::Kind::kAnd:
        return std::ranges::all_of(condition.of,
                                   [&](const auto& part) { return satisfies(device, part); });
      case Condition::Kind::kOr:
        return std::ranges::any_of(condition.of,
                                   [&](const auto& part) { return satisfies(device, part); });
      case Condition::Kind::kNot:
        return !satisfies(device, condition.of[0]);
      case Condition::Kind::kInTopic:
        return hears(device, condition.topic);
      case Condition::Kind::kCompare:
        break;
    }
    if (condition.compare == Condition::Compare::kNotEqual) {
      Condition equal = condition;
      equal.compare = Condition::Compare::kEqual;
      return !satisfies(device, equal);
    }
    AttributeValue value;
    const auto text = [&](std::string of) {
      if (of.empty()) return false;
      value = of;
      return true;
    };
    const auto lower = [](std::string of) {
      std::ranges::transform(of, of.begin(), [](unsigned char c) { return std::tolower(c); });
      return of;
    };
    auto with = condition.value;
    switch (condition.field) {
      case Condition::Field::kPlatform:
        text(std::array{"apns", "fcm", "webpush"}[static_cast<std::size_t>(device.platform) - 1]);
        break;
      case Condition::Field::kLocale:
        if (!text(lower(device.locale))) return false;
        with = lower(std::get<std::string>(with));
        break;
      case Condition::Field::kTimezone:
        if (!text(device.timezone)) return false;
        break;
      case Condition::Field::kAppVersion:
        // The versions in play have one number after "1.": compared as that number.
        if (device.version.empty()) return false;
        value = std::stod(device.version.substr(2));
        with = std::stod(std::get<std::string>(with).substr(2));
        break;
      case Condition::Field::kAttribute: {
        const auto known = device.attributes.find(condition.attribute);
        if (known == device.attributes.end()) return false;
        value = known->second;
      }
    }
    if (condition.compare == Condition::Compare::kContains) {
      const auto* texts = std::get_if<std::vector<std::string>>(&value);
      return texts && std::ranges::count(*texts, std::get<std::string>(with)) > 0;
    }
    if (const auto* a = std::get_if<std::string>(&value)) {
      const auto* b = std::get_if<std::string>(&with);
      if (condition.compare == Condition::Compare::kStartsWith) return b && a->starts_with(*b);
      return b && compares(*a, *b, condition.compare);
    }
    if (const auto* a = std::get_if<double>(&value)) {
      const auto* b = std::get_if<double>(&with);
      return b && compares(*a, *b, condition.compare);
    }
    const auto* a = std::get_if<bool>(&value);
    const auto* b = std::get_if<bool>(&with);
    return a && b && *a == *b && condition.compare == Condition::Compare::kEqual;
  }
  template <class T>
  static bool compares(const T& a, const T& b, Condition::Compare compare) {
    switch (compare) {
      case Condition::Compare::kEqual:
        return a == b;
      case Condition::Compare::kLess:
        return a < b;
      case Condition::Compare::kLessOrEqual:
        return a <= b;
      case Condition::Compare::kGreater:
        return a > b;
      case Condition::Compare::kGreaterOrEqual:
        return a >= b;
      default:
        return false;
    }
  }
  bool is_named(const ModelDevice& device, const Audience& audience) const {
    return std::ranges::count(audience.subscribers, device.owner) > 0 ||
           std::ranges::count(audience.devices, device.name) > 0;
  }
  // Whether topics or the condition of an audience want a device as it is.
  bool wanted(const ModelDevice& device, const Audience& audience) const {
    return std::ranges::any_of(audience.topics,
                               [&](const auto& topic) { return hears(device, topic); }) ||
           (audience.condition && satisfies(device, *audience.condition));
  }
  AudienceCount count(const Audience& audience) const {
    AudienceCount count;
    std::set<std::string> owners;
    for (const auto& [name, device] : devices) {
      if (device.stale || !(is_named(device, audience) || wanted(device, audience))) continue;
      owners.insert(device.owner);
      ++count.devices[static_cast<std::size_t>(device.platform) - 1];
    }
    count.subscribers = owners.size();
    return count;
  }
  PlatformCounts counts(const std::string& topic) const {
    PlatformCounts counts{};
    for (const auto& [name, device] : devices) {
      if (!device.stale && hears(device, topic)) {
        ++counts[static_cast<std::size_t>(device.platform) - 1];
      }
    }
    return counts;
  }
  std::uint64_t subscribers(const std::string& topic) const {
    std::set<std::string> owners;
    for (const auto& [owner, topics] : topics_of) {
      if (topics.contains(topic)) owners.insert(owner);
    }
    for (const auto& [name, device] : devices) {
      if (device.topics.contains(topic)) owners.insert(device.owner);
    }
    return owners.size();
  }
};

class ModelRun {
 public:
  explicit ModelRun(std::uint32_t seed) : random_(seed) {
    open();
    // Another app's, with the same names: nobody's business.
    for (std::size_t i = below(2) * 20; i > 0; --i) {
      Line line = random_line();
      EXPECT_TRUE(store_->put_device(line.registration("radio"), now_ms_));
    }
    strangers_count_ = store_->stats()->devices;
  }

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
    // Small enough that names are in all three tables, or as a relay has them.
    auto opened =
        below(3) == 0
            ? open_sqlite_store({.path = folder_.file("store.db")})
            : open_sqlite_store({.path = folder_.file("store.db"), .young_names_max = {15, 60}});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  std::size_t below(std::size_t count) { return random_() % count; }
  std::string pick(const char* prefix, std::size_t count) {
    return prefix + std::to_string(below(count));
  }
  Platform platform() { return static_cast<Platform>(1 + below(kPlatforms)); }

  void step() {
    now_ms_ += below(10) == 0 ? kDayMs : 1;
    switch (below(23)) {
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
      case 16:
        return subscribe_device();
      case 17:
        return unsubscribe_device();
      case 18:
        return count();
      case 19:
        return sweep_stale();
      case 20:
        return decide_quarantine();
      case 21:
        return steer_job();
      case 22:
        return fail_and_replay();
    }
  }

  struct Line {
    ModelDevice device;
    std::vector<std::string> topics;
    bool by_app = false;
    std::int64_t last_seen_ms = 0;
    std::vector<std::string_view> topic_views, device_topic_views;
    std::vector<std::vector<std::string_view>> texts;
    std::vector<AttributeView> attributes;
    DeviceRegistration registration(const std::string& app) {
      topic_views.assign(topics.begin(), topics.end());
      device_topic_views.assign(device.topics.begin(), device.topics.end());
      attributes.clear();
      texts.clear();
      texts.reserve(device.attributes.size());
      for (const auto& [name, value] : device.attributes) {
        AttributeView& view = attributes.emplace_back(AttributeView{.name = name, .value = false});
        if (const auto* flag = std::get_if<bool>(&value)) view.value = *flag;
        if (const auto* number = std::get_if<double>(&value)) view.value = *number;
        if (const auto* text = std::get_if<std::string>(&value))
          view.value = std::string_view(*text);
        if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
          texts.emplace_back(list->begin(), list->end());
          view.value = std::span<const std::string_view>(texts.back());
        }
      }
      return {.app = app,
              .device = device.name,
              .platform = device.platform,
              .token = device.token,
              .subscriber = device.owner[0] == '#' ? std::string_view() : device.owner,
              .locale = device.locale,
              .timezone = device.timezone,
              .topics = topic_views,
              .device_topics = device_topic_views,
              .app_version = device.version,
              .attributes = attributes,
              .last_seen_ms = last_seen_ms,
              .by_app = by_app};
    }
  };
  Line random_line() {
    Line line;
    line.device.name = pick("d", devices_);
    line.device.token = token();
    line.device.platform = platform();
    line.device.locale = below(3) == 0 ? pick("l", 3) : "";
    line.device.timezone = below(3) == 0 ? pick("z", 2) : "";
    line.device.version = below(3) == 0 ? version() : "";
    line.device.attributes = random_attributes();
    line.device.registered_ms = now_ms_;
    line.device.seen_day = now_ms_ / kDayMs;
    line.device.owner = below(4) == 0 ? "#" + line.device.name : pick("u", devices_ / 3 + 1);
    for (std::size_t i = below(3); i > 0; --i) line.topics.push_back(pick("t", 4));
    std::set<std::string> own;
    for (std::size_t i = below(4) == 0 ? 2 : 0; i > 0; --i) own.insert(pick("t", 4));
    // Often the device as it is, with a little changed.
    const auto known = model_.devices.find(line.device.name);
    if (known != model_.devices.end() && below(2) == 0) {
      const std::int64_t now = line.device.registered_ms;
      line.device = known->second;
      line.device.registered_ms = now;
      line.device.seen_day = now_ms_ / kDayMs;
      line.device.stale = line.device.quarantined = false;
      if (below(4) == 0) line.device.attributes = random_attributes();
      if (below(3) == 0) line.device.token = token();
      if (below(4) == 0) line.device.platform = platform();
    }
    line.device.topics = own;
    line.by_app = below(2) == 0;
    if (below(3) == 0) {
      // From four days ago to tomorrow.
      const auto days = static_cast<std::int64_t>(below(6)) - 4;
      line.last_seen_ms = std::max<std::int64_t>(now_ms_ + days * kDayMs, 1);
    }
    return line;
  }
  std::string version() { return "1." + std::to_string(below(12)); }
  std::map<std::string, AttributeValue> random_attributes() {
    std::map<std::string, AttributeValue> attributes;
    for (std::size_t i = below(2) * below(4); i > 0; --i) {
      attributes[pick("a", 4)] = random_value(true);
    }
    return attributes;
  }
  AttributeValue random_value(bool list) {
    switch (below(list ? 4 : 3)) {
      case 0:
        return below(2) == 0;
      case 1:
        return below(3) == 0 ? 0.5 * static_cast<double>(below(6)) - 1
                             : static_cast<double>(below(3));
      case 2:
        return pick("x", 3);
      default:
        break;
    }
    std::vector<std::string> texts;
    for (std::size_t i = below(3); i > 0; --i) texts.push_back(pick("x", 3));
    return texts;
  }
  Condition random_condition(std::size_t depth) {
    Condition condition;
    const std::size_t kind = below(depth == 0 ? 4 : 7);
    if (kind >= 4) {
      condition.kind = static_cast<Condition::Kind>(kind - 3);
      for (std::size_t i = kind == 6 ? 1 : 2 + below(2); i > 0; --i) {
        condition.of.push_back(random_condition(depth - 1));
      }
    } else if (kind < 2) {
      condition.topic = pick("t", 5);
    } else {
      condition.kind = Condition::Kind::kCompare;
      condition.field = static_cast<Condition::Field>(1 + below(5));
      condition.compare = static_cast<Condition::Compare>(1 + below(8));
      random_comparison(condition);
    }
    return condition;
  }
  void random_comparison(Condition& condition) {
    using Compare = Condition::Compare;
    const bool orders = condition.compare > Compare::kNotEqual;
    switch (condition.field) {
      case Condition::Field::kPlatform:
        condition.value = std::array{"apns", "fcm", "webpush"}[below(3)];
        if (orders) condition.compare = Compare::kEqual;
        return;
      case Condition::Field::kLocale:
        condition.value = below(2) == 0 ? "L" : pick("L", 3);
        break;
      case Condition::Field::kTimezone:
        condition.value = below(2) == 0 ? "z" : pick("z", 3);
        break;
      case Condition::Field::kAppVersion:
        condition.value = version();
        if (condition.compare == Compare::kStartsWith) condition.compare = Compare::kLess;
        break;
      case Condition::Field::kAttribute:
        condition.attribute = pick("a", 5);
        const AttributeValue value = random_value(false);
        if (const auto* flag = std::get_if<bool>(&value)) {
          condition.value = *flag;
          if (orders) condition.compare = Compare::kEqual;
        }
        if (const auto* number = std::get_if<double>(&value)) {
          condition.value = *number;
          if (condition.compare >= Compare::kStartsWith) condition.compare = Compare::kEqual;
        }
        if (const auto* text = std::get_if<std::string>(&value)) condition.value = *text;
        return;
    }
    if (condition.compare == Compare::kContains) condition.compare = Compare::kNotEqual;
  }
  Audience random_audience() {
    Audience audience;
    const std::size_t kind = below(6);
    if (kind == 0) {
      audience.topics = {pick("t", 5)};
      return audience;
    }
    if (kind >= 3) {
      for (std::size_t i = below(3); i > 0; --i) audience.topics.push_back(pick("t", 5));
      if (below(3) != 0) audience.condition = random_condition(3);
    }
    for (std::size_t i = kind == 2 || kind == 4 ? 0 : below(6); i > 0; --i) {
      audience.subscribers.push_back(pick("u", devices_ / 3 + 1));
    }
    for (std::size_t i = kind == 1 || kind == 4 ? 0 : below(6); i > 0; --i) {
      audience.devices.push_back(pick("d", devices_));
    }
    return audience;
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
    EXPECT_EQ(*stored, model_.put(line.device, line.topics, line.by_app, line.last_seen_ms));
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
      const Line& line = lines[i];
      EXPECT_EQ(*(*stored)[i], model_.put(line.device, line.topics, line.by_app, line.last_seen_ms))
          << i;
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

  void subscribe_device() {
    const std::string name = pick("d", devices_), topic = pick("t", 4);
    const auto changed = store_->subscribe_device(app_, topic, name);
    const auto known = model_.devices.find(name);
    ASSERT_EQ(changed.has_value(), known != model_.devices.end());
    if (!changed) return;
    const bool heard = model_.hears_itself(known->second, topic);
    EXPECT_EQ(*changed, !heard);
    if (!heard) known->second.topics.insert(topic);
  }

  void unsubscribe_device() {
    const std::string name = pick("d", devices_), topic = pick("t", 4);
    const auto changed = store_->unsubscribe_device(app_, topic, name);
    const auto known = model_.devices.find(name);
    ASSERT_EQ(changed.has_value(), known != model_.devices.end());
    if (!changed) return;
    EXPECT_EQ(*changed, model_.hears_itself(known->second, topic));
    if (*changed) model_.unsubscribe_device(name, topic);
  }

  void count() {
    const Audience audience = random_audience();
    const auto counted = store_->count(app_, audience);
    ASSERT_TRUE(counted) << counted.error().message;
    const AudienceCount expected = model_.count(audience);
    EXPECT_EQ(counted->subscribers, expected.subscribers);
    EXPECT_EQ(counted->devices, expected.devices);
  }

  void sweep_stale() {
    const auto action = below(4) == 0 ? StaleAction::kRemove : StaleAction::kLeaveOut;
    const std::int64_t before_ms = now_ms_ - static_cast<std::int64_t>(below(4)) * kDayMs;
    std::uint64_t expected = 0, devices = 0;
    std::vector<std::string> gone;
    for (auto& [name, device] : model_.devices) {
      if ((device.seen_day + 1) * kDayMs > before_ms) continue;
      if (action == StaleAction::kRemove) {
        gone.push_back(name);
        ++expected;
      } else if (!device.stale) {
        device.stale = true;
        model_.leave(device.uid);
        ++expected;
      }
    }
    for (const std::string& name : gone) model_.forget_device(name);
    StaleSweep sweep;
    const std::size_t batch = 1 + below(devices_);
    do {
      const auto swept = store_->sweep_stale(app_, action, before_ms, sweep.through, batch);
      ASSERT_TRUE(swept) << swept.error().message;
      EXPECT_TRUE(swept->end || swept->through > sweep.through);
      sweep = *swept;
      devices += sweep.devices;
    } while (!sweep.end);
    EXPECT_EQ(devices, expected);
  }

  // Whether a row about a removed token satisfies `wanted`.
  template <class Wanted>
  bool feed_tells(Wanted wanted) {
    const auto page = store_->outcomes(0, kOutcomesPageMax);
    EXPECT_TRUE(page);
    return page && std::ranges::any_of(page->rows, [&](const OutcomeRow& row) {
             return row.kind == OutcomeRow::Kind::kTokenRemoved && wanted(row);
           });
  }

  void erase_device() {
    const std::string name = pick("d", devices_);
    const auto of_it = [&](const OutcomeRow& row) { return row.device == name; };
    // A device that went at a provider's word stands in the feed still.
    const bool known = model_.devices.contains(name), told = feed_tells(of_it);
    const auto erased = store_->erase_device(app_, name);
    ASSERT_EQ(erased.has_value(), known || told);
    EXPECT_FALSE(feed_tells(of_it));
    if (erased && !known) {
      EXPECT_EQ(erased->devices, 0U);
    }
    if (known) model_.forget_device(name);
  }

  void erase_subscriber() {
    const std::string owner = pick("u", devices_ / 3 + 1);
    std::vector<std::string> devices;
    for (const auto& [name, device] : model_.devices) {
      if (device.owner == owner) devices.push_back(name);
    }
    const std::size_t topics = model_.topics_of[owner].size();
    const auto of_them = [&](const OutcomeRow& row) { return row.subscriber == owner; };
    const bool told = feed_tells(of_them);
    const auto erased = store_->erase_subscriber(app_, owner);
    ASSERT_EQ(erased.has_value(), topics + devices.size() != 0 || told);
    EXPECT_FALSE(feed_tells(of_them));
    if (!erased) return;
    EXPECT_EQ(erased->devices, devices.size());
    EXPECT_EQ(erased->subscriptions, topics);
    for (const std::string& name : devices) {
      model_.forget_device(name);
    }
    model_.topics_of.erase(owner);
  }

  void accept() {
    NewEvent event;
    event.id = event_id(static_cast<std::uint32_t>(model_.events.size() + 1));
    event.app = app_;
    ModelEvent expected;
    expected.id = event.id;
    event.audience = random_audience();
    const Audience& audience = event.audience;
    const bool names = !audience.subscribers.empty() || !audience.devices.empty();
    if (audience.topics.size() == 1 && !audience.condition && !names) {
      expected.topic = audience.topics.front();
    } else if (!audience.topics.empty() || audience.condition) {
      expected.several = audience;
    }
    for (const auto& [name, device] : model_.devices) {
      if (device.stale) continue;
      const bool named = model_.is_named(device, audience);
      if (named) expected.named.insert(device.uid);
      if (!named && !model_.wanted(device, audience)) continue;
      expected.audience[static_cast<std::size_t>(device.platform) - 1].insert(device.uid);
      const auto heard = model_.topics_of.find(device.owner);
      if (heard != model_.topics_of.end() && heard->second.contains(expected.topic)) {
        expected.whole.insert(device.uid);
      }
      if (device.topics.contains(expected.topic)) expected.single.insert(device.uid);
    }
    const auto accepted = store_->accept(event);
    ASSERT_TRUE(accepted) << accepted.error().message;
    for (std::size_t i = 0; i < kPlatforms; ++i) {
      expected.targeted[i] = expected.audience[i].size();
      expected.finished[i] = expected.targeted[i] == 0;
      EXPECT_EQ(accepted->targeted[i], expected.targeted[i]);
    }
    const auto record = store_->event(event.id);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->audience.topics, audience.topics);
    EXPECT_EQ(record->audience.condition, audience.condition);
    EXPECT_EQ(record->audience_subscribers, audience.subscribers.size());
    EXPECT_EQ(record->audience_devices, audience.devices.size());
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
    const bool quarantined = below(2) == 0;
    (quarantined ? checkpoint.quarantined : checkpoint.removals) = {
        {victim.position, victim.token, dead_since, "Unregistered"}};
    if (job.counters.pending() > 0) {
      checkpoint.added.rejected = 1;
      ++event.settled[chosen->second];
    }
    const auto recorded = record_now(*store_, {checkpoint}, now_ms_);
    ASSERT_TRUE(recorded) << recorded.error().message;
    for (auto& [name, device] : model_.devices) {
      if (device.token != victim.token || device.platform != checkpoint.job.platform) continue;
      if (device.registered_ms >= dead_since) return;
      if (!quarantined) return model_.forget_device(std::string(name));
      device.stale = device.quarantined = true;
      model_.leave(device.uid);
      return;
    }
  }

  void decide_quarantine() {
    const auto action = below(2) == 0 ? QuarantineAction::kRestore : QuarantineAction::kConfirm;
    std::optional<Platform> only;
    if (below(2) == 0) only = platform();
    std::vector<std::string> decided;
    PlatformCounts counts{};
    for (const auto& [name, device] : model_.devices) {
      if (!device.quarantined) continue;
      ++counts[static_cast<std::size_t>(device.platform) - 1];
      if (!only || device.platform == *only) decided.push_back(name);
    }
    EXPECT_EQ(store_->count_quarantine(app_).value(), counts);
    std::uint64_t devices = 0;
    if (below(2) == 0) {
      const auto step = store_->decide_quarantine(app_, action, decided);
      ASSERT_TRUE(step) << step.error().message;
      devices = step->devices;
    } else {
      QuarantineStep step;
      const std::size_t batch = 1 + below(5);
      do {
        const auto next = store_->decide_quarantine(app_, action, only, step.through, batch);
        ASSERT_TRUE(next) << next.error().message;
        step = *next;
        devices += step.devices;
      } while (!step.end);
    }
    EXPECT_EQ(devices, decided.size());
    for (const std::string& name : decided) {
      if (action == QuarantineAction::kConfirm) {
        model_.forget_device(name);
      } else {
        model_.devices.at(name).stale = model_.devices.at(name).quarantined = false;
      }
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

  // Somebody is in charge: pauses, goes on, cancels; the counters add up and the state is kept.
  void steer_job() {
    const auto chosen = any_job();
    if (!chosen) return;
    ModelEvent& event = model_.events[chosen->first];
    const Job before = job_of(event, chosen->second);
    Checkpoint checkpoint{.job = before.key, .cursor = before.cursor};
    checkpoint.exhausted = before.exhausted;
    checkpoint.rate_per_second = below(3) == 0 ? 0 : static_cast<std::uint32_t>(below(1'000));
    const std::uint64_t cancelled = before.counters.cancelled;
    if (before.cancelling || below(4) == 0) {
      if (before.cancelling && below(2) == 0) {
        checkpoint.state = EventState::kCancelled;
      } else {
        checkpoint.cancel_all_but = below(before.counters.pending() + 1);
      }
    } else if (below(2) == 0) {
      checkpoint.state = EventState::kPaused;
    }
    const auto recorded = record_now(*store_, {checkpoint}, now_ms_);
    ASSERT_TRUE(recorded) << recorded.error().message;
    const Job after = job_of(event, chosen->second);
    EXPECT_EQ(after.state, checkpoint.state);
    EXPECT_EQ(after.rate_per_second, checkpoint.rate_per_second);
    if (checkpoint.cancel_all_but) {
      EXPECT_TRUE(after.cancelling);
      EXPECT_EQ(after.counters.pending(), *checkpoint.cancel_all_but);
    }
    if (checkpoint.state == EventState::kCancelled) {
      EXPECT_EQ(after.counters.pending(), 0u);
      event.finished[chosen->second] = true;
    }
    event.settled[chosen->second] += after.counters.cancelled - cancelled;
  }

  // A completed event's failures come back as retries: those alone whose token is not dead.
  void fail_and_replay() {
    const auto chosen = any_job();
    if (!chosen) return;
    ModelEvent& event = model_.events[chosen->first];
    const Job job = job_of(event, chosen->second);
    const auto scanned = scan_all(*store_, job.key);
    if (job.cancelling || scanned.size() < 2 || job.counters.pending() < scanned.size()) return;
    Checkpoint last{.job = job.key, .cursor = std::max(job.cursor, scanned.back().position)};
    std::uint64_t alive = 0;
    for (const ScannedDevice& device : scanned) {
      const bool dead = below(3) == 0;
      alive += dead ? 0 : 1;
      last.failures.push_back(
          {.position = device.position,
           .outcome = dead ? Failure::Outcome::kRejected : Failure::Outcome::kDeadLettered,
           .reason = dead ? "Unregistered" : "Unavailable",
           .token_dead = dead});
      ++(dead ? last.added.rejected : last.added.dead_lettered);
    }
    last.reasons = {{"Unregistered", last.added.rejected}, {"Unavailable", alive}};
    last.exhausted = true;
    last.state = EventState::kCompleted;
    const auto recorded = record_now(*store_, {last}, now_ms_);
    ASSERT_TRUE(recorded) << recorded.error().message;
    event.finished[chosen->second] = true;
    const bool completed = std::all_of(event.finished.begin(), event.finished.end(),
                                       [](bool finished) { return finished; });
    const auto replayed = store_->replay(event.id,
                                         {.rejected = true,
                                          .dead_lettered = true,
                                          .platform = job.key.platform,
                                          .expires_ms = now_ms_ + 1'000},
                                         now_ms_);
    if (!completed || store_->event(event.id)->state == EventState::kCancelled) {
      EXPECT_FALSE(replayed);
      return;
    }
    ASSERT_TRUE(replayed) << replayed.error().message;
    EXPECT_EQ(replayed->taken, alive);
    EXPECT_EQ(replayed->token_dead, last.added.rejected);
    Job again = job_of(event, chosen->second);
    EXPECT_EQ(again.counters.pending(), alive);
    EXPECT_EQ(again.retries, alive);
    if (alive == 0) return;
    // Sent now, all of it.
    Checkpoint done{.job = job.key, .cursor = again.cursor};
    const auto found = store_->due_retries(job.key, now_ms_, 10'000, {});
    ASSERT_TRUE(found) << found.error().message;
    for (const DueRetry& due : found->due) {
      done.retries_done.push_back(due.retry.position);
    }
    EXPECT_EQ(done.retries_done.size(), alive);
    done.added.accepted = alive;
    done.exhausted = true;
    done.state = EventState::kCompleted;
    const auto ended = record_now(*store_, {done}, now_ms_);
    ASSERT_TRUE(ended) << ended.error().message;
  }

  void finish_job() {
    const auto chosen = any_job();
    if (!chosen || below(2) == 0) return;
    if (job_of(model_.events[chosen->first], chosen->second).cancelling) return;
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
      if (!event.audience[index].contains(device.uid)) continue;
      if (event.several && !event.named.contains(device.uid) &&
          !model_.wanted(device, *event.several)) {
        continue;
      }
      expected.push_back(device.token);
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
      EXPECT_EQ(device->timezone, expected.timezone);
      EXPECT_EQ(device->app_version, expected.version);
      EXPECT_EQ(device->last_seen_ms, expected.seen_day * kDayMs);
      EXPECT_EQ(device->stale, expected.stale && !expected.quarantined);
      EXPECT_EQ(device->quarantined, expected.quarantined);
      EXPECT_EQ(device->device_topics,
                std::vector<std::string>(expected.topics.begin(), expected.topics.end()));
      std::map<std::string, AttributeValue> attributes;
      for (const Attribute& attribute : device->attributes) {
        attributes[attribute.name] = attribute.value;
      }
      EXPECT_EQ(attributes, expected.attributes);
      EXPECT_EQ(device->subscriber, expected.owner[0] == '#' ? "" : expected.owner);
      const auto& topics = model_.topics_of[expected.owner];
      EXPECT_EQ(device->topics, std::vector<std::string>(topics.begin(), topics.end()));
    }
    EXPECT_EQ(store_->stats()->devices, model_.devices.size() + strangers_count_);
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
  std::uint64_t strangers_count_ = 0;  // devices of the other app
};

TEST(StoreModel, AgreesWithThePlainModelWhateverHappens) {
  Seeds("MODEL", kSeeds).each([](std::uint32_t seed) { ModelRun(seed).run(kOperations); });
}

}  // namespace
}  // namespace carillon::store
