#include "relay/import/registration_line.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "relay/import/importer.h"

namespace carillon::import {
namespace {

class RegistrationLineTest : public testing::Test {
 protected:
  // The parser wants readable bytes behind the line.
  tl::expected<store::DeviceRegistration, std::string> parse(const std::string& line) {
    padded_ = line + std::string(RegistrationLine::kPaddingBytes, '}');
    return parser_.parse(std::string_view(padded_).substr(0, line.size()));
  }
  std::string fault(const std::string& line) {
    const auto device = parse(line);
    return device ? "(no fault)" : device.error();
  }

  RegistrationLine parser_{{.app = "", .known_apps = {"video", "shop"}}};
  std::string padded_;
};

TEST_F(RegistrationLineTest, ReadsEveryFieldInAnyOrder) {
  const auto device = parse(
      R"({"topics":["channel-42","b"],"locale":"de","timezone":"Europe/Berlin","token":"aabb",)"
      R"("platform":"apns","subscriber":"u-9","app":"video","device":"d-1"})");
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->device, "d-1");
  EXPECT_EQ(device->app, "video");
  EXPECT_EQ(device->platform, store::Platform::kApns);
  EXPECT_EQ(device->token, "aabb");
  EXPECT_EQ(device->subscriber, "u-9");
  EXPECT_EQ(device->locale, "de");
  EXPECT_EQ(device->timezone, "Europe/Berlin");
  ASSERT_EQ(device->topics.size(), 2U);
  EXPECT_EQ(device->topics[0], "channel-42");
  EXPECT_EQ(device->topics[1], "b");
}

TEST_F(RegistrationLineTest, NeedsOnlyDeviceAppPlatformAndToken) {
  const auto device = parse(R"({"device":"d","app":"shop","platform":"fcm","token":"t:1"})");
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->subscriber, "");
  EXPECT_TRUE(device->topics.empty());
  // Nothing is left over from a line before.
  ASSERT_TRUE(parse(R"({"device":"d","app":"shop","platform":"fcm","token":"t","topics":["x"]})"));
  EXPECT_TRUE(parse(R"({"device":"d","app":"shop","platform":"fcm","token":"t"})")->topics.empty());
}

TEST_F(RegistrationLineTest, ReadsWhatConditionsAskAbout) {
  const auto device = parse(
      R"({"device":"d","app":"shop","platform":"fcm","token":"t","device_topics":["tablets"],)"
      R"("app_version":"3.10.1","last_seen":"2026-01-02T03:04:05.678Z","attributes":)"
      R"({"plan":"pro","age":18,"score":-1.5e1,"beta":true,"teams":["fcb","bvb"],"none":[]}})");
  ASSERT_TRUE(device) << device.error();
  ASSERT_EQ(device->device_topics.size(), 1U);
  EXPECT_EQ(device->device_topics[0], "tablets");
  EXPECT_EQ(device->app_version, "3.10.1");
  EXPECT_EQ(device->last_seen_ms, 1'767'323'045'678);
  ASSERT_EQ(device->attributes.size(), 6U);
  EXPECT_EQ(device->attributes[0].name, "plan");
  EXPECT_EQ(std::get<std::string_view>(device->attributes[0].value), "pro");
  EXPECT_EQ(std::get<double>(device->attributes[1].value), 18.0);
  EXPECT_EQ(std::get<double>(device->attributes[2].value), -15.0);
  EXPECT_EQ(std::get<bool>(device->attributes[3].value), true);
  const auto teams = std::get<std::span<const std::string_view>>(device->attributes[4].value);
  ASSERT_EQ(teams.size(), 2U);
  EXPECT_EQ(teams[1], "bvb");
  EXPECT_TRUE(std::get<std::span<const std::string_view>>(device->attributes[5].value).empty());
}

TEST_F(RegistrationLineTest, TellsWhatIsWrongWithAttributes) {
  const auto with = [this](const std::string& field) {
    return fault(R"({"device":"d","app":"shop","platform":"fcm","token":"t",)" + field + "}");
  };
  EXPECT_EQ(with(R"("attributes":[])"), "attributes: must be an object");
  EXPECT_EQ(with(R"("attributes":{"a":null})"),
            "attributes.\"a\": must be a string, a number, a boolean or an array of strings");
  EXPECT_EQ(with(R"("attributes":{"a":["x",1]})"), "attributes.a: must be an array of strings");
  EXPECT_EQ(with(R"("attributes":{"a":1,"a":2})"), "attributes.a: is given twice");
  EXPECT_EQ(with(R"("attributes":{"":1})"), "attributes: the name \"\" must be 1 to 64 bytes long");
  EXPECT_EQ(with(R"("attributes":{"a":"x\ty"})"),
            "attributes.a: must not contain control characters");
  EXPECT_EQ(with(R"("app_version":3)"), "app_version: must be a string");
  EXPECT_EQ(with(R"("app_version":"v3")").substr(0, 30), "app_version: must be a version");
  EXPECT_EQ(with(R"("last_seen":"yesterday")"),
            "last_seen: must be a time such as \"2026-01-02T03:04:05Z\"");
  EXPECT_EQ(with(R"("device_topics":["a b"])").substr(0, 29), "device_topics[0]: \"a b\" must ");
}

TEST_F(RegistrationLineTest, BoundsAttributesAndTopicsOfADevice) {
  const auto with = [this](const std::string& field) {
    return fault(R"({"device":"d","app":"shop","platform":"fcm","token":"t",)" + field + "}");
  };
  const auto list = [](std::size_t count) {
    std::string texts;
    for (std::size_t i = 0; i < count; ++i) texts += (i > 0 ? "," : "") + std::string("\"x\"");
    return "[" + texts + "]";
  };
  const auto attributes = [](std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
      all += fmt::format("{}\"a{}\":1", i > 0 ? "," : "", i);
    }
    return "\"attributes\":{" + all + "}";
  };
  EXPECT_EQ(with(attributes(store::kAttributesPerDeviceMax)), "(no fault)");
  EXPECT_EQ(with(attributes(store::kAttributesPerDeviceMax + 1)), "attributes: must be at most 64");
  EXPECT_EQ(with("\"attributes\":{\"l\":" + list(store::kAttributeTextsMax) + "}"), "(no fault)");
  EXPECT_EQ(with("\"attributes\":{\"l\":" + list(store::kAttributeTextsMax + 1) + "}"),
            "attributes.l: must be at most 64 texts");
  EXPECT_EQ(with("\"device_topics\":" + list(store::kTopicsPerDeviceMax)), "(no fault)");
  EXPECT_EQ(with("\"device_topics\":" + list(store::kTopicsPerDeviceMax + 1)),
            "device_topics: must be at most 256 topics");
}

TEST_F(RegistrationLineTest, UnescapesNames) {
  const auto device = parse(R"({"device":"d\u00e9\"1","app":"shop","platform":"fcm","token":"t"})");
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->device, "d\u00e9\"1");
}

TEST_F(RegistrationLineTest, NamesTheFieldThatIsWrong) {
  const struct {
    const char* line;
    const char* fault;
  } kCases[] = {
      {R"({"app":"video","platform":"fcm","token":"t"})", "device: is missing"},
      {R"({"device":"d","platform":"fcm","token":"t"})", "app: is missing"},
      {R"({"device":"d","app":"video","token":"t"})", "platform: is missing"},
      {R"({"device":"d","app":"video","platform":"fcm"})", "token: is missing"},
      {R"({"device":7,"app":"video","platform":"fcm","token":"t"})", "device: must be a string"},
      {R"({"device":"d","app":null,"platform":"fcm","token":"t"})", "app: must be a string"},
      {R"({"device":"","app":"video","platform":"fcm","token":"t"})",
       "device: must be 1 to 128 bytes long"},
      {R"({"device":"a\u0000b","app":"video","platform":"fcm","token":"t"})",
       "device: must not contain control characters"},
      {R"({"device":"d","app":"vidoe","platform":"fcm","token":"t"})",
       "app: \"vidoe\" is not in the config"},
      {R"({"device":"d","app":"video","platform":"sms","token":"t"})",
       "platform: \"sms\" is not one of \"apns\", \"fcm\", \"webpush\""},
      {R"({"device":"d","app":"video","platform":"fcm","token":"a\"b"})",
       "token: must be an FCM token: 1 to 4096 of A-Z a-z 0-9 _ : . -"},
      {R"({"token":"xyz","device":"d","app":"video","platform":"apns"})",
       "token: must be an APNs token: an even number of hex digits, 2 to 200"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","subscriber":""})",
       "subscriber: must be 1 to 128 bytes long"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","topics":"x"})",
       "topics: must be an array of strings"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","topics":["a",1]})",
       "topics[1]: must be a string"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","topics":["a","b c"]})",
       "topics[1]: \"b c\" must be 1 to 128 of A-Z a-z 0-9 . _ ~ % -"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","locale":"d e"})",
       "locale: must be a language tag such as \"de\" or \"pt-BR\", at most 35 bytes"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","timezone":"?"})",
       "timezone: must be a zone such as \"Europe/Berlin\", at most 64 bytes"},
      {R"({"device":"d","app":"video","platform":"fcm","token":"t","topic":"x"})",
       "\"topic\": is not a known field"},
      {R"({"device":"d","device":"e","app":"video","platform":"fcm","token":"t"})",
       "device: is given twice"},
      {R"(["device"])", "line: must be a JSON object"},
      {"{\"device\":\"\xff\"}", "line: is not valid UTF-8"},
  };
  for (const auto& [line, expected] : kCases) EXPECT_EQ(fault(line), expected) << line;
}

TEST_F(RegistrationLineTest, RefusesWhatIsNotOneJsonObject) {
  for (const char* const line :
       {"{", "}", "{}}", R"({"device":"d")", R"({"device":"d",})", R"({"device":"\ud800"})",
        R"({"device":"d","app":"video","platform":"fcm","token":"t"} {})",
        R"({"device":"d","app":"video","platform":"fcm","token":"t"}x)", "nonsense"}) {
    EXPECT_EQ(fault(line).substr(0, 5), "line:") << line;
  }
}

TEST_F(RegistrationLineTest, DoesNotQuoteMoreOfALineThanATerminalBears) {
  const std::string reason = fault(R"({")" + std::string(10'000, 'x') + R"(":1})");
  EXPECT_LT(reason.size(), 100U);
  const std::string cut = fault(fmt::format(
      R"({{"device":"d","app":"{}","platform":"fcm","token":"t"}})", std::string(39, 'a') + "üü"));
  EXPECT_NE(cut.find(std::string(39, 'a') + "…"), std::string::npos) << cut;
}

TEST_F(RegistrationLineTest, TakesAsManyTopicsAsASubscriberMayHave) {
  std::string topics;
  for (std::size_t i = 0; i < store::kTopicsPerSubscriberMax; ++i) {
    topics += fmt::format("\"t{}\",", i);
  }
  const auto line = [](const std::string& list) {
    return R"({"device":"d","app":"video","platform":"fcm","token":"t","topics":[)" + list + "]}";
  };
  const auto all = parse(line(topics.substr(0, topics.size() - 1)));
  ASSERT_TRUE(all) << all.error();
  EXPECT_EQ(all->topics.size(), store::kTopicsPerSubscriberMax);
  EXPECT_EQ(fault(line(topics + "\"more\"")), "topics: must be at most 4096 topics");
}

TEST(RegistrationLine, WithAnAppSetTheLinesMayLeaveItOutButNotContradictIt) {
  RegistrationLine parser({.app = "video", .known_apps = {"video", "shop"}});
  auto parse = [&parser, padded = std::string()](std::string line) mutable {
    const std::size_t size = line.size();
    padded = std::move(line) + std::string(RegistrationLine::kPaddingBytes, ' ');
    return parser.parse(std::string_view(padded).substr(0, size));
  };
  const auto without = parse(R"({"device":"d","platform":"fcm","token":"t"})");
  ASSERT_TRUE(without) << without.error();
  EXPECT_EQ(without->app, "video");
  EXPECT_TRUE(parse(R"({"device":"d","app":"video","platform":"fcm","token":"t"})"));
  const auto other = parse(R"({"device":"d","app":"shop","platform":"fcm","token":"t"})");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error(), "app: is \"shop\" in an import for \"video\"");
}

}  // namespace
}  // namespace carillon::import
