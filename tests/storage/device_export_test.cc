// Every device, as it was at one moment, out of a store that goes on changing.
#include "storage/device_export.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "storage/sqlite/private_copy.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::device_export_test {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kNowMs = 20'000 * kDayMs + 5;

// What an export said, kept.
struct Exported {
  std::string app;
  DeviceRecord device;
};

class DeviceExportTest : public testing::Test {
 protected:
  DeviceExportTest() { open({.path = path_}); }
  void open(const SqliteStoreOptions& options) {
    store_.reset();
    auto opened = open_sqlite_store(options);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  void put(Store& store, const DeviceRegistration& device) {
    const auto answer = store.put_device(device, kNowMs);
    ASSERT_TRUE(answer) << answer.error().message;
  }
  void put(const std::string& name, const std::string& app = "video") {
    put(*store_, {.app = app,
                  .device = name,
                  .platform = Platform::kFcm,
                  .token = "t-" + name,
                  .subscriber = {},
                  .locale = {},
                  .timezone = {}});
  }

  static Exported owned(const DeviceRegistration& from) {
    Exported out;
    out.app = from.app;
    DeviceRecord& device = out.device;
    device.device = from.device;
    device.platform = from.platform;
    device.token = from.token;
    device.subscriber = from.subscriber;
    device.locale = from.locale;
    device.timezone = from.timezone;
    device.app_version = from.app_version;
    device.last_seen_ms = from.last_seen_ms;
    device.topics.assign(from.topics.begin(), from.topics.end());
    device.device_topics.assign(from.device_topics.begin(), from.device_topics.end());
    for (const AttributeView& view : from.attributes) {
      Attribute& attribute = device.attributes.emplace_back();
      attribute.name = view.name;
      if (const auto* flag = std::get_if<bool>(&view.value)) attribute.value = *flag;
      if (const auto* number = std::get_if<double>(&view.value)) attribute.value = *number;
      if (const auto* text = std::get_if<std::string_view>(&view.value)) {
        attribute.value = std::string(*text);
      }
      if (const auto* texts = std::get_if<std::span<const std::string_view>>(&view.value)) {
        attribute.value = std::vector<std::string>(texts->begin(), texts->end());
      }
    }
    return out;
  }
  static std::vector<Exported> rest_of(DeviceExport& exporting) {
    std::vector<Exported> all;
    for (;;) {
      const auto next = exporting.next();
      if (!next) {
        ADD_FAILURE() << next.error().message;
        return all;
      }
      if (*next == nullptr) return all;
      all.push_back(owned(**next));
    }
  }
  std::unique_ptr<DeviceExport> begun(const std::string& app = "") {
    auto exporting = store_->export_devices(app);
    EXPECT_TRUE(exporting) << exporting.error().message;
    const auto begun = (*exporting)->begin();
    EXPECT_TRUE(begun) << begun.error().message;
    return *std::move(exporting);
  }
  static std::vector<std::string> names_of(const std::vector<Exported>& all) {
    std::vector<std::string> names;
    for (const Exported& one : all) names.push_back(one.device.device);
    return names;
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file(""))) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  using Names = std::vector<std::string>;

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  const std::string path_ = folder_.file("store.db");
  std::unique_ptr<Store> store_;
};

void expect_same(const DeviceRecord& a, const DeviceRecord& b) {
  EXPECT_EQ(a.device, b.device);
  EXPECT_EQ(a.platform, b.platform);
  EXPECT_EQ(a.token, b.token);
  EXPECT_EQ(a.subscriber, b.subscriber);
  EXPECT_EQ(a.locale, b.locale);
  EXPECT_EQ(a.timezone, b.timezone);
  EXPECT_EQ(a.topics, b.topics);
  EXPECT_EQ(a.device_topics, b.device_topics);
  EXPECT_EQ(a.app_version, b.app_version);
  EXPECT_EQ(a.attributes, b.attributes);
  EXPECT_EQ(a.last_seen_ms, b.last_seen_ms);
}

TEST_F(DeviceExportTest, TellsOfEachDeviceAllThatTheStoreKnows) {
  const std::string_view topics[] = {"zebra", "news"}, own[] = {"tablets", "beta"};
  const std::string_view teams[] = {"fcb", "", "bvb"};
  const AttributeView attributes[] = {{"teams", std::span<const std::string_view>(teams)},
                                      {"plan", std::string_view("pro \"\\,; ü")},
                                      {"age", 18.5},
                                      {"beta", true},
                                      {"none", std::span<const std::string_view>()}};
  put(*store_, {.app = "video",
                .device = "d-1, \"quoted\" \\ ü",
                .platform = Platform::kApns,
                .token = std::string(64, 'a'),
                .subscriber = "u-1",
                .locale = "de-AT",
                .timezone = "Europe/Vienna",
                .topics = topics,
                .device_topics = own,
                .app_version = "3.10",
                .attributes = attributes,
                .last_seen_ms = 19'000 * kDayMs + 7});
  put(*store_, {.app = "video",
                .device = "d-2",
                .platform = Platform::kWebPush,
                .token = "{\"endpoint\":\"https://push.example/1\"}",
                .subscriber = "u-1",
                .locale = {},
                .timezone = {}});
  put("alone");
  put("elsewhere", "audio");
  const auto all = rest_of(*begun());
  ASSERT_EQ(names_of(all), (Names{"d-1, \"quoted\" \\ ü", "d-2", "alone", "elsewhere"}));
  for (const Exported& one : all) {
    const auto known = store_->device(one.app, one.device.device);
    ASSERT_TRUE(known);
    expect_same(one.device, *known);
  }
  EXPECT_EQ(all[0].device.last_seen_ms, 19'000 * kDayMs) << "by whole days";
  EXPECT_EQ(all[0].device.attributes.size(), 5u);
  EXPECT_EQ(all[1].device.topics, (Names{"news", "zebra"})) << "its subscriber's";
  EXPECT_TRUE(all[1].device.attributes.empty()) << "nothing stays of the device before";
  EXPECT_EQ(all[3].app, "audio");
}

TEST_F(DeviceExportTest, IsOfTheMomentWhenItBeganWhateverIsWrittenLater) {
  constexpr int kDevices = 3'000;
  std::vector<std::string> names, tokens;
  for (int i = 0; i < kDevices; ++i) {
    names.push_back("d-" + std::to_string(i));
    tokens.push_back("t-" + names.back());
  }
  std::vector<DeviceRegistration> devices(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    devices[i].app = "video";
    devices[i].device = names[i];
    devices[i].platform = Platform::kFcm;
    devices[i].token = tokens[i];
  }
  ASSERT_TRUE(store_->put_devices(devices, kNowMs));
  const auto exporting = begun();
  for (int i = 0; i < kDevices; i += 2) {
    ASSERT_TRUE(store_->erase_device("video", "d-" + std::to_string(i)));
  }
  put("new");
  EXPECT_EQ(names_of(rest_of(*exporting)), names) << "each once, in order";
  EXPECT_EQ(exporting->fraction(), 1);
  const auto after_the_end = exporting->next();
  ASSERT_TRUE(after_the_end);
  EXPECT_EQ(*after_the_end, nullptr);
}

TEST_F(DeviceExportTest, HasOneAppIfAskedForItAndNothingOfAnUnknownOne) {
  for (int i = 0; i < 50; ++i) {
    put("v-" + std::to_string(i));
    put("a-" + std::to_string(i), "audio");
  }
  const auto audio = rest_of(*begun("audio"));
  ASSERT_EQ(audio.size(), 50u);
  for (const Exported& one : audio) EXPECT_EQ(one.app, "audio");
  const auto unknown = begun("nobody's");
  EXPECT_TRUE(rest_of(*unknown).empty());
  EXPECT_TRUE(unknown->attribute_names()->empty());
}

TEST_F(DeviceExportTest, CountsSubscribersWithoutADeviceAndLeavesThemOut) {
  ASSERT_TRUE(store_->subscribe("video", "news", "early-1", kNowMs));
  put("d-1");
  ASSERT_TRUE(store_->subscribe("video", "news", "early-2", kNowMs));
  ASSERT_TRUE(store_->subscribe("audio", "news", "early-3", kNowMs));
  const auto exporting = begun("video");
  EXPECT_EQ(names_of(rest_of(*exporting)), Names{"d-1"});
  EXPECT_EQ(exporting->without_device(), 2u);
}

TEST_F(DeviceExportTest, NamesTheAttributesOfItsApp) {
  for (const auto& [app, name] : {std::pair{"video", "plan"}, {"audio", "age"}, {"video", "age"}}) {
    const AttributeView attributes[] = {{name, true}};
    put(*store_, {.app = app,
                  .device = name,
                  .platform = Platform::kFcm,
                  .token = name,
                  .subscriber = {},
                  .locale = {},
                  .timezone = {},
                  .attributes = attributes});
  }
  EXPECT_EQ(*begun()->attribute_names(), (Names{"age", "plan"}));
  EXPECT_EQ(*begun("audio")->attribute_names(), Names{"age"});
}

TEST_F(DeviceExportTest, MakesTheSameDevicesAgainInAnotherStore) {
  const std::string_view topics[] = {"b", "a"}, own[] = {"x"};
  const AttributeView attributes[] = {{"n", -0.0}, {"t", std::string_view("")}};
  for (int i = 0; i < 300; ++i) {
    const std::string name = "d-" + std::to_string(i);
    const std::string subscriber = i % 3 == 0 ? "" : "u-" + std::to_string(i / 4);
    put(*store_, {.app = i % 2 ? "video" : "audio",
                  .device = name,
                  .platform = Platform::kFcm,
                  .token = name,
                  .subscriber = subscriber,
                  .locale = i % 5 ? "de" : "",
                  .timezone = {},
                  .topics = std::span(topics).first(static_cast<std::size_t>(i % 3)),
                  .device_topics = std::span(own).first(static_cast<std::size_t>(i % 2)),
                  .app_version = i % 7 ? "1" : "",
                  .attributes = std::span(attributes).first(static_cast<std::size_t>(i % 3)),
                  .last_seen_ms = i * kDayMs + 1});
  }
  auto other = open_sqlite_store({.path = folder_.file("other.db")});
  ASSERT_TRUE(other);
  const auto exporting = begun();
  for (;;) {
    const auto next = exporting->next();
    ASSERT_TRUE(next);
    if (*next == nullptr) break;
    put(**other, **next);
  }
  const auto before = rest_of(*begun());
  auto again = (*other)->export_devices("");
  ASSERT_TRUE(again && (*again)->begin());
  const auto after = rest_of(**again);
  ASSERT_EQ(before.size(), 300u);
  ASSERT_EQ(after.size(), 300u);
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(before[i].app, after[i].app);
    expect_same(before[i].device, after[i].device);
  }
  EXPECT_EQ(before[0].device.last_seen_ms, 1) << "0 would have said: now";
}

TEST_F(DeviceExportTest, StandsBesideTheStoreUnderNoName) {
  put("d-1");
  const auto before = files();
  auto exporting = store_->export_devices("");
  ASSERT_TRUE(exporting);
  std::set<std::string> during;
  ASSERT_TRUE((*exporting)->begin([&](std::uint64_t, std::uint64_t) {
    during = files();
    return true;
  }));
  EXPECT_EQ(during, before);
  EXPECT_EQ(files(), before);
  EXPECT_EQ(rest_of(**exporting).size(), 1u);
  exporting->reset();
  EXPECT_EQ(files(), before);
}

TEST_F(DeviceExportTest, OutlivesItsStore) {
  put("d-1");
  const auto exporting = begun();
  store_.reset();
  EXPECT_EQ(rest_of(*exporting).size(), 1u);
}

TEST_F(DeviceExportTest, IsRefusedWithTheFiguresWhereItsCopyHasNoRoom) {
  put("d-1");
  const std::uint64_t needs = store_->stats()->file_bytes + sqlite::kBytesLeftFree;
  open({.path = path_, .export_bytes_free_max = needs - 1});
  const auto refused = store_->export_devices("");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Error::Kind::kFull);
  EXPECT_NE(refused.error().message.find("64 MiB to spare"), std::string::npos)
      << refused.error().message;
  open({.path = path_, .export_bytes_free_max = needs});
  EXPECT_TRUE(store_->export_devices(""));
}

TEST_F(DeviceExportTest, CanBeBrokenOffWhileItIsCopied) {
  put("d-1");
  const auto before = files();
  auto exporting = store_->export_devices("");
  ASSERT_TRUE(exporting);
  const auto begun = (*exporting)->begin([](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().kind, Error::Kind::kBusy);
  EXPECT_FALSE((*exporting)->next()) << "it has not begun";
  EXPECT_EQ(files(), before);
}

TEST_F(DeviceExportTest, DoesNotKeepTheLogFromShrinking) {
  put("d-1");
  const auto exporting = begun();
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) names.push_back("d-" + std::to_string(i));
  std::vector<DeviceRegistration> devices(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    devices[i].app = "video";
    devices[i].device = devices[i].token = names[i];
    devices[i].platform = Platform::kFcm;
  }
  ASSERT_TRUE(store_->put_devices(devices, kNowMs));
  ASSERT_TRUE(store_->erase_device("video", "d-1"));  // which truncates the log before it closes
  store_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  EXPECT_EQ(rest_of(*exporting).size(), 1u);
}

}  // namespace
}  // namespace carillon::store::device_export_test
