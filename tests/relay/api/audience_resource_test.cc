#include "relay/api/audience_resource.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "relay/audience/condition_parser.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::api::audience_test {
namespace {

using Json = nlohmann::json;

class AudienceResourceTest : public testing::Test {
 protected:
  Reply count(std::string_view body) {
    return resource_.count({.match = {.captures = {"video"}}}, body);
  }

  import::MemoryStore store_;
  std::chrono::steady_clock::time_point now_{};
  fanout::Clocks clocks_{.calendar = [] { return std::chrono::system_clock::time_point(); },
                         .monotonic =
                             [this] {
                               now_ += std::chrono::microseconds(12'340);
                               return now_;
                             }};
  import::PushOrigins push_origins_;
  CountPlaces counts_;
  AudienceResource resource_{store_, clocks_, push_origins_, counts_};
};

TEST_F(AudienceResourceTest, CountsWhatIsNamed) {
  store_.count_audience = [](std::string_view app, const store::Audience& audience) {
    EXPECT_EQ(app, "video");
    EXPECT_EQ(audience.topics, (std::vector<std::string>{"t"}));
    EXPECT_EQ(audience.devices, (std::vector<std::string>{"d"}));
    EXPECT_EQ(audience.condition, audience::parse_condition("locale == 'de'").value());
    return store::AudienceCount{.subscribers = 5, .devices = {4, 2, 1}};
  };
  const Reply reply = count(R"({"topic":"t","devices":["d"],"condition":"locale == 'de'"})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(Json::parse(reply.body),
            (Json{{"subscribers", 5},
                  {"devices", 7},
                  {"by_platform", {{"apns", 4}, {"fcm", 2}, {"webpush", 1}}},
                  {"took_ms", 12.3}}));
}

TEST_F(AudienceResourceTest, TellsTheCharacterWhereAConditionIsWrong) {
  const Reply reply = count(R"({"condition":"app_version > 3"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(Json::parse(reply.body)["errors"],
            (Json::array({{{"pointer", "/condition"},
                           {"detail", "what begins at character 15 must be a text in quotes"},
                           {"character", 15}}})));
}

TEST_F(AudienceResourceTest, TellsWhatIsNoAudience) {
  const auto pointer = [this](std::string_view body) {
    const Reply reply = count(body);
    EXPECT_EQ(reply.status, 400) << body;
    return Json::parse(reply.body)["errors"][0]["pointer"];
  };
  EXPECT_EQ(pointer("{}"), "");
  EXPECT_EQ(pointer("[]"), "");
  EXPECT_EQ(pointer("{"), "");
  EXPECT_EQ(pointer(R"({"topic":"a b"})"), "/topic");
  EXPECT_EQ(pointer(R"({"topics":["a",1]})"), "/topics/1");
  EXPECT_EQ(pointer(R"({"topic":"t","app":"video"})"), "/app");
  EXPECT_EQ(pointer(R"({"condition":["x"]})"), "/condition");
}

TEST_F(AudienceResourceTest, WhatTheStoreDoesNotTakeIsToldInItsWords) {
  store_.count_audience = [](std::string_view, const store::Audience&) {
    return tl::unexpected(
        store::Error{.kind = store::Error::Kind::kInvalid, .message = "too much of it"});
  };
  const Reply reply = count(R"({"topic":"t"})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(Json::parse(reply.body)["detail"], "too much of it");
}

}  // namespace
}  // namespace carillon::api::audience_test
