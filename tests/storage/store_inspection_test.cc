// What `carillon inspect` tells of a store, sound and damaged.
#include "storage/sqlite/store_inspection.h"

#include <gtest/gtest.h>

#include "storage/sqlite/chunk_view.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/schema.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::store_inspection_test {
namespace {

using What = Inspection::What;

class StoreInspectionTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = *open_sqlite_store({.path = path_});
    for (int i = 0; i < 40; ++i) {
      const std::string n = std::to_string(i);
      put("d-" + n, std::string(62, 'a') + (i < 10 ? "0" + n : n), "u-" + std::to_string(i / 2));
    }
    const std::string_view own[] = {"tablets"};
    const AttributeView attributes[] = {{.name = "plan", .value = std::string_view("pro")}};
    ASSERT_TRUE(store_->put_device({.app = "video",
                                    .device = "d-1",
                                    .platform = Platform::kApns,
                                    .token = token_,
                                    .subscriber = "u-0",
                                    .locale = "de-AT",
                                    .timezone = "Europe/Vienna",
                                    .device_topics = own,
                                    .app_version = "3.10",
                                    .attributes = attributes},
                                   5'000));
    NewEvent event;
    event.id = event_id(7);
    event.app = "video";
    event.audience.topics = {"news"};
    ASSERT_TRUE(store_->accept(event));
  }
  void put(const std::string& device, const std::string& token, const std::string& subscriber) {
    const std::string_view topics[] = {"news"};
    ASSERT_TRUE(store_->put_device({.app = "video",
                                    .device = device,
                                    .token = token,
                                    .subscriber = subscriber,
                                    .locale = {},
                                    .timezone = {},
                                    .topics = topics},
                                   1'000));
  }
  void damage(const std::string& sql) {
    sqlite::Database database(path_, sqlite::Database::Access::kReadWrite);
    database.execute(sql);
  }
  Result<Fields> inspect(What what, const std::string& first = "", const std::string& second = "",
                         bool tokens = false) {
    return inspect_sqlite_store(
        path_, {.what = what, .first = first, .second = second, .show_tokens = tokens});
  }
  // The fact at a path of names: {"stands", "ordinal"}. Null: there is none.
  static const Fact::Value* at(const Fields& facts, const std::vector<std::string>& names) {
    const Fields* in = &facts;
    const Fact::Value* value = nullptr;
    for (const std::string& name : names) {
      if (!in) return nullptr;
      value = nullptr;
      for (const Fact& fact : in->of) {
        if (fact.name == name) value = &fact.value;
      }
      if (!value) return nullptr;
      in = std::get_if<Fields>(value);
    }
    return value;
  }
  static std::uint64_t number(const Fields& facts, const std::vector<std::string>& names) {
    const auto* value = at(facts, names);
    const auto* found = value ? std::get_if<std::uint64_t>(value) : nullptr;
    if (!found) ADD_FAILURE() << "there is no number " << names.back();
    return found ? *found : 0;
  }
  static std::string text(const Fields& facts, const std::vector<std::string>& names) {
    const auto* value = at(facts, names);
    const auto* found = value ? std::get_if<std::string>(value) : nullptr;
    if (!found) ADD_FAILURE() << "there is no text " << names.back();
    return found ? *found : "";
  }

  const std::string token_ = std::string(60, 'b') + "cdef";
  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  const std::string path_ = folder_.file("store.db");
  std::unique_ptr<Store> store_;
};

TEST_F(StoreInspectionTest, SumsUpWhatTheFileHas) {
  const auto summary = inspect(What::kSummary);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(number(*summary, {"file", "format"}), std::uint64_t{sqlite::kFormatVersion});
  EXPECT_EQ(number(*summary, {"totals", "devices"}), 40U);
  EXPECT_EQ(number(*summary, {"chunks", "hot", "entries"}), 40U);
  EXPECT_EQ(number(*summary, {"chunks", "sub", "entries"}), 20U);
  EXPECT_EQ(number(*summary, {"chunks", "mem", "entries"}), 20U);
  EXPECT_EQ(number(*summary, {"chunks", "devmem", "entries"}), 1U);
  EXPECT_EQ(number(*summary, {"chunks", "trait", "entries"}), 1U);
  EXPECT_EQ(number(*summary, {"chunks", "hx_new", "entries"}), 100U);
  EXPECT_EQ(number(*summary, {"chunks", "hx", "entries"}), 0U);
  EXPECT_EQ(number(*summary, {"chunks", "hot", "damaged"}), 0U);
  EXPECT_EQ(number(*summary, {"rows", "job"}), 1U);
  EXPECT_EQ(number(*summary, {"apps", "video", "devices", "apns"}), 40U);
}

TEST_F(StoreInspectionTest, TellsAllOfADeviceAndWhereItStands) {
  const auto device = inspect(What::kDevice, "video", "d-1");
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ(text(*device, {"subscriber"}), "u-0");
  EXPECT_EQ(text(*device, {"platform"}), "apns");
  EXPECT_EQ(number(*device, {"registered_ms"}), 5'000U);
  EXPECT_EQ(text(*device, {"sent_with", "locale"}), "de-AT");
  EXPECT_EQ(text(*device, {"time_zone", "name"}), "Europe/Vienna");
  EXPECT_EQ(text(*device, {"traits", "app_version"}), "3.10");
  EXPECT_EQ(text(*device, {"traits", "plan"}), "pro");
  EXPECT_TRUE(at(*device, {"own_topics", "tablets"}));
  EXPECT_TRUE(at(*device, {"subscriber_topics", "news"}));
  EXPECT_EQ(number(*device, {"stands", "ordinal"}), 1U);
  EXPECT_EQ(number(*device, {"stands", "position"}), sqlite::position_of(1, 1));
  EXPECT_EQ(number(*device, {"stands", "hot_chunk"}), 0U);
}

TEST_F(StoreInspectionTest, TellsWhichRunningEventsADeviceIsIn) {
  const std::string event = sqlite::hex_of(event_id(7));
  EXPECT_EQ(event, "00000007-0000-0000-0000-000000000001");
  put("late", "late-token", "u-late");
  const auto flag = [&](const Fields& of, const std::string& name) {
    const auto* value = at(of, {"events", event, name});
    EXPECT_TRUE(value);
    return value && std::get<bool>(*value);
  };
  EXPECT_TRUE(flag(*inspect(What::kDevice, "video", "d-1"), "in_audience"));
  EXPECT_FALSE(flag(*inspect(What::kDevice, "video", "late"), "in_audience"));
  EXPECT_FALSE(flag(*inspect(What::kDevice, "video", "d-1"), "behind_cursor"));
  Checkpoint checkpoint{.job = {event_id(7), Platform::kApns}, .cursor = sqlite::position_of(1, 1)};
  checkpoint.added.accepted = 2;
  ASSERT_TRUE(record_now(*store_, {checkpoint}));
  EXPECT_TRUE(flag(*inspect(What::kDevice, "video", "d-1"), "behind_cursor"));
}

TEST_F(StoreInspectionTest, KnowsWhoWasWrittenDownForAnAudienceOfSeveralParts) {
  NewEvent event;
  event.id = event_id(8);
  event.app = "video";
  event.audience.topics = {"tablets"};
  event.audience.devices = {"d-4"};
  ASSERT_TRUE(store_->accept(event));
  event.id = event_id(9);
  event.audience = {.topics = {}, .subscribers = {}, .devices = {"d-4"}, .condition = {}};
  ASSERT_TRUE(store_->accept(event));
  for (const auto& [name, several, named] :
       {std::tuple("d-1", true, false), std::tuple("d-4", true, true),
        std::tuple("d-5", false, false)}) {
    const auto device = inspect(What::kDevice, "video", name);
    ASSERT_TRUE(device);
    EXPECT_EQ(std::get<bool>(*at(*device, {"events", sqlite::hex_of(event_id(8)), "in_audience"})),
              several)
        << name;
    EXPECT_EQ(std::get<bool>(*at(*device, {"events", sqlite::hex_of(event_id(9)), "in_audience"})),
              named)
        << name;
  }
}

TEST_F(StoreInspectionTest, ShortensTokensUnlessAsked) {
  EXPECT_EQ(text(*inspect(What::kDevice, "video", "d-1"), {"sent_with", "token"}),
            "bbbbbbbb... (64 characters)");
  EXPECT_EQ(text(*inspect(What::kDevice, "video", "d-1", true), {"sent_with", "token"}), token_);
  EXPECT_EQ(sqlite::shown_token("abcd", false), "a... (4 characters)");
  for (const auto& [what, first, second] :
       {std::tuple(What::kSubscriber, "video", "u-0"), std::tuple(What::kChunk, "hot", "0")}) {
    std::string all;
    const std::function<void(const std::vector<Fact>&)> gather = [&](const auto& facts) {
      for (const Fact& fact : facts) {
        if (const auto* of = std::get_if<Fields>(&fact.value)) gather(of->of);
        if (const auto* of = std::get_if<Items>(&fact.value)) gather(of->of);
        if (const auto* of = std::get_if<std::string>(&fact.value)) all += *of + "\n";
      }
    };
    gather(inspect(what, first, second)->of);
    EXPECT_EQ(all.find(token_.substr(0, 20)), std::string::npos);
    all.clear();
    gather(inspect(what, first, second, true)->of);
    EXPECT_NE(all.find(token_), std::string::npos);
  }
}

TEST_F(StoreInspectionTest, ListsATopicsFirstMembers) {
  const auto topic = inspect_sqlite_store(
      path_, {.what = What::kTopic, .first = "video", .second = "news", .items_max = 3});
  ASSERT_TRUE(topic) << topic.error().message;
  EXPECT_EQ(number(*topic, {"subscribers"}), 20U);
  EXPECT_EQ(number(*topic, {"devices", "apns"}), 40U);
  EXPECT_EQ(number(*topic, {"mem", "entries"}), 20U);
  const auto* first = at(*topic, {"mem", "first"});
  ASSERT_TRUE(first);
  const auto& items = std::get<Items>(*first).of;
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(text(std::get<Fields>(items[2].value), {"name"}), "u-2");
}

TEST_F(StoreInspectionTest, FindsAChunkByOneNumberOrTwo) {
  const std::string key = std::to_string(sqlite::position_of(7, 1));
  for (const std::string& asked : {key, std::string("7:1"), std::string("0x701")}) {
    const auto chunk = inspect(What::kChunk, "hot", asked);
    ASSERT_TRUE(chunk) << chunk.error().message;
    EXPECT_EQ(number(*chunk, {"key"}), 0U);
    EXPECT_EQ(std::get<Items>(*at(*chunk, {"entries"})).of.size(), 40U);
  }
  EXPECT_EQ(inspect(What::kChunk, "sub", "999").error().kind, Error::Kind::kNotFound);
  for (const auto& [table, asked] :
       {std::pair("nothing", "1"), std::pair("hot", ""), std::pair("hot", "x"),
        std::pair("hot", "1:256"), std::pair("hot", "-1"), std::pair("hot", "1:"),
        std::pair("mem", "2147483648:0"), std::pair("hot", "9223372036854775808")}) {
    const auto refused = inspect(What::kChunk, table, asked);
    ASSERT_FALSE(refused) << asked;
    EXPECT_EQ(refused.error().kind, Error::Kind::kInvalid) << asked;
  }
}

TEST_F(StoreInspectionTest, ShowsADamagedChunkAsThatAndTheRestAsItIs) {
  store_.reset();
  damage("UPDATE hot SET d = substr(d, 1, length(d) - 1)");
  const auto chunk = inspect(What::kChunk, "hot", "0");
  ASSERT_TRUE(chunk) << chunk.error().message;
  EXPECT_NE(text(*chunk, {"damaged"}).find("a chunk of devices"), std::string::npos);
  EXPECT_EQ(std::get<Items>(*at(*chunk, {"entries"})).of.size(), 39U) << "those before the damage";
  EXPECT_EQ(number(*inspect(What::kSummary), {"chunks", "hot", "damaged"}), 1U);
  damage("UPDATE hot SET d = x'ff'");
  const auto device = inspect(What::kDevice, "video", "d-1");
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_TRUE(at(*device, {"sent_with", "damaged"}));
  EXPECT_EQ(text(*device, {"subscriber"}), "u-0");
}

TEST_F(StoreInspectionTest, SaysWhatIsNotThere) {
  EXPECT_EQ(inspect(What::kDevice, "video", "nobody").error().kind, Error::Kind::kNotFound);
  EXPECT_EQ(inspect(What::kSubscriber, "video", "d-1").error().kind, Error::Kind::kNotFound);
  EXPECT_EQ(inspect(What::kTopic, "radio", "news").error().kind, Error::Kind::kNotFound);
  const auto missing = inspect_sqlite_store(folder_.file("nothing.db"), {});
  EXPECT_EQ(missing.error().kind, Error::Kind::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("nothing.db")));
}

}  // namespace
}  // namespace carillon::store::store_inspection_test
