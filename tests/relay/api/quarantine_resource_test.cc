#include "relay/api/quarantine_resource.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/relay/api/relay_room.h"
#include "tests/storage/store_fixture.h"

namespace carillon::api::quarantine_resource_test {
namespace {

using Json = nlohmann::json;
using store::QuarantineAction;

class QuarantineResourceTest : public testing::Test {
 protected:
  QuarantineResourceTest() {
    for (int i = 0; i < 5; ++i) {
      const std::string name = "d-" + std::to_string(i);
      const std::string_view topics[] = {"news"};
      EXPECT_TRUE(room_.store->put_device({.app = "video",
                                           .device = name,
                                           .platform = store::Platform::kApns,
                                           .token = name,
                                           .subscriber = name,
                                           .topics = topics},
                                          1'000));
    }
    const store::EventId event = store::event_id(1);
    EXPECT_TRUE(room_.store->accept({.id = event,
                                     .app = "video",
                                     .audience = {.topics = {"news"}},
                                     .content = "{}",
                                     .accepted_ms = 2'000,
                                     .expires_ms = 9'000}));
    store::Checkpoint checkpoint{.job = {event, store::Platform::kApns}};
    for (const auto& device : store::scan_all(*room_.store, checkpoint.job)) {
      checkpoint.quarantined.push_back(
          {.position = device.position, .dead_since_ms = 2'000, .reason = "Unregistered"});
    }
    EXPECT_TRUE(store::record_now(*room_.store, {checkpoint}, 3'000));
  }
  Json list(std::vector<std::pair<std::string, std::string>> query = {}) {
    const Reply reply = list_quarantine(
        *room_.store, {.match = {.captures = {"video"}}, .target = {.query = std::move(query)}});
    Json document = Json::parse(reply.body);
    document["status"] = reply.status;
    return document;
  }
  Reply decide(QuarantineAction action, std::string_view body) {
    return decide_quarantine(*room_.store, action, {.match = {.captures = {"video"}}}, body);
  }

  RelayRoom room_;
};

TEST_F(QuarantineResourceTest, ListsDevicesByPages) {
  const Json first = list({{"limit", "2"}});
  EXPECT_EQ(first["count"], 5);
  EXPECT_EQ(first["by_platform"]["apns"], 5);
  EXPECT_EQ(first["devices"][0], (Json{{"device", "d-0"},
                                       {"platform", "apns"},
                                       {"reason", "Unregistered"},
                                       {"dead_since", "1970-01-01T00:00:02.000Z"},
                                       {"quarantined_at", "1970-01-01T00:00:03.000Z"}}));
  const std::string next = first["next"];
  ASSERT_TRUE(next.starts_with("/v1/apps/video/quarantine?limit=2&after=")) << next;
  const Json last = list({{"after", next.substr(next.rfind('=') + 1)}});
  EXPECT_EQ(last["devices"].size(), 3u);
  EXPECT_EQ(last["next"], nullptr);
}

TEST_F(QuarantineResourceTest, RefusesPagesOutOfRange) {
  for (const char* limit : {"0", "1001", "x", "-1", "2x"}) {
    EXPECT_EQ(list({{"limit", limit}})["status"], 400) << limit;
  }
  EXPECT_EQ(list({{"limit", "1000"}})["devices"].size(), 5u);
  EXPECT_EQ(list({{"after", "x"}})["status"], 400);
}

TEST_F(QuarantineResourceTest, RestoresAndRemovesWhoIsMeant) {
  EXPECT_EQ(decide(QuarantineAction::kRestore, R"({"devices":["d-1","nobody"]})").body,
            "{\"restored\":1}\n");
  EXPECT_EQ(decide(QuarantineAction::kRestore, R"({"platform":"fcm"})").body, "{\"restored\":0}\n");
  EXPECT_EQ(decide(QuarantineAction::kConfirm, "{}").body, "{\"removed\":4}\n");
  EXPECT_TRUE(room_.store->device("video", "d-1"));
  EXPECT_FALSE(room_.store->device("video", "d-2"));
  EXPECT_EQ(list()["count"], 0);
}

TEST_F(QuarantineResourceTest, TellsTheFieldThatIsWrongAndDecidesNothing) {
  const std::string too_many = [] {
    Json names = Json::array();
    for (std::size_t i = 0; i <= store::kQuarantineBatchMax; ++i) names.push_back("d");
    return Json{{"devices", names}}.dump();
  }();
  const std::pair<std::string, std::string> kCases[] = {
      {"[]", ""},
      {R"({"platform":"sms"})", "/platform"},
      {R"({"platform":1})", "/platform"},
      {R"({"devices":[]})", "/devices"},
      {R"({"devices":"d"})", "/devices"},
      {too_many, "/devices"},
      {R"({"devices":["d",1]})", "/devices/1"},
      {R"({"devices":[""]})", "/devices/0"},
      {R"({"device":["d"]})", "/device"},
      {R"({"devices":["d"],"platform":"fcm"})", "/platform"},
  };
  for (const auto& [body, pointer] : kCases) {
    const Reply reply = decide(QuarantineAction::kConfirm, body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(Json::parse(reply.body)["errors"][0]["pointer"], pointer) << body;
  }
  EXPECT_EQ(decide(QuarantineAction::kConfirm, "{").status, 400);
  EXPECT_EQ(list()["count"], 5);
}

}  // namespace
}  // namespace carillon::api::quarantine_resource_test
