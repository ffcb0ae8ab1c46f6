#include "relay/api/device_form.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace carillon::api {
namespace {

tl::expected<DeviceForm, DeviceFault> parsed(std::string_view body) {
  static const push::OriginList kOrigins = push::OriginList::parse({"push.test"}).value();
  return parse_device(body, kOrigins);
}

TEST(DeviceForm, WritesABrowsersSubscriptionAsItsToken) {
  constexpr std::string_view kKey =
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
  const auto form = parsed(
      R"({"subscription":{"endpoint":"https://PUSH.test:443/x","expirationTime":null,
          "keys":{"auth":"BTBZMqHH6r4Tts7J_aSIgg==","p256dh":")" +
      std::string(kKey) + R"("}},"platform":"webpush","locale":"de"})");
  ASSERT_TRUE(form) << form.error().errors.front().pointer;
  EXPECT_EQ(form->platform, store::Platform::kWebPush);
  EXPECT_EQ(form->token, "https://push.test/x " + std::string(kKey) + " BTBZMqHH6r4Tts7J_aSIgg");
  EXPECT_EQ(form->locale, "de");
}

TEST(DeviceForm, ReadsEveryFieldOfADevice) {
  const auto form = parsed(
      R"({"token":"ab01","platform":"apns","subscriber":"u-9","locale":"de","timezone":"Europe/Berlin",
          "topics":["channel-42","news"]})");
  ASSERT_TRUE(form) << form.error().errors[0].detail;
  EXPECT_EQ(form->platform, store::Platform::kApns);
  EXPECT_EQ(form->token, "ab01");
  EXPECT_EQ(form->subscriber, "u-9");
  EXPECT_EQ(form->locale, "de");
  EXPECT_EQ(form->timezone, "Europe/Berlin");
  EXPECT_EQ(form->topics, (std::vector<std::string>{"channel-42", "news"}));
}

TEST(DeviceForm, NamesTheFieldThatIsWrong) {
  struct Row {
    const char* body;
    const char* pointer;
  };
  const std::vector<Row> table = {
      {R"({"platform":"apns"})", "/token"},
      {R"({"token":"ab"})", "/platform"},
      {R"({"platform":"sms","token":"ab"})", "/platform"},
      {R"({"platform":"webpush","token":"ab"})", "/token"},
      {R"({"platform":"webpush"})", "/subscription"},
      {R"({"platform":"webpush","subscription":"x"})", "/subscription"},
      {R"({"platform":"webpush","subscription":{"endpoint":3}})", "/subscription/endpoint"},
      {R"({"platform":"webpush","subscription":{"keys":[]}})", "/subscription/keys"},
      {R"({"platform":"webpush","subscription":{"keys":{"p256dh":1}}})",
       "/subscription/keys/p256dh"},
      {R"({"platform":"webpush","subscription":{"keys":{"p-256":""}}})",
       "/subscription/keys/p-256"},
      {R"({"platform":"webpush","subscription":{"url":"x"}})", "/subscription/url"},
      {R"({"platform":"webpush","subscription":{"endpoint":"https://elsewhere.test/x"}})",
       "/subscription/endpoint"},
      {R"({"platform":"webpush","subscription":{"endpoint":"https://push.test/x"}})",
       "/subscription/keys/p256dh"},
      {R"({"platform":"fcm","token":"ab","subscription":{}})", "/subscription"},
      {R"({"platform":2,"token":"ab"})", "/platform"},
      {R"({"platform":"apns","token":"xyz"})", "/token"},
      {R"({"platform":"apns","token":7})", "/token"},
      {R"({"platform":"fcm","token":"a\"b"})", "/token"},
      {R"({"platform":"fcm","token":"a/b"})", "/token"},
      {R"({"platform":"fcm","token":"ab","subscriber":""})", "/subscriber"},
      {R"({"platform":"fcm","token":"ab","subscriber":"a\nb"})", "/subscriber"},
      {R"({"platform":"fcm","token":"ab","locale":"d e"})", "/locale"},
      {R"({"platform":"fcm","token":"ab","timezone":"x y"})", "/timezone"},
      {R"({"platform":"fcm","token":"ab","topics":"t"})", "/topics"},
      {R"({"platform":"fcm","token":"ab","topics":["t","a b"]})", "/topics/1"},
      {R"({"platform":"fcm","token":"ab","topics":[1]})", "/topics/0"},
      {R"({"platform":"fcm","token":"ab","device_topics":["a b"]})", "/device_topics/0"},
      {R"({"platform":"fcm","token":"ab","app_version":3})", "/app_version"},
      {R"({"platform":"fcm","token":"ab","app_version":"v3"})", "/app_version"},
      {R"({"platform":"fcm","token":"ab","last_seen":"today"})", "/last_seen"},
      {R"({"platform":"fcm","token":"ab","last_seen":5})", "/last_seen"},
      {R"({"platform":"fcm","token":"ab","attributes":[]})", "/attributes"},
      {R"({"platform":"fcm","token":"ab","attributes":{"a":null}})", "/attributes/a"},
      {R"({"platform":"fcm","token":"ab","attributes":{"a/b":{}}})", "/attributes/a~1b"},
      {R"({"platform":"fcm","token":"ab","attributes":{"":1}})", "/attributes/"},
      {R"({"platform":"fcm","token":"ab","attributes":{"a":"x\ny"}})", "/attributes/a"},
      {R"({"platform":"fcm","token":"ab","attributes":{"a":["x",1]}})", "/attributes/a/1"},
      {"[]", ""},
  };
  for (const Row& row : table) {
    const auto form = parsed(row.body);
    ASSERT_FALSE(form) << row.body;
    EXPECT_EQ(form.error().problem, Problem::kInvalidBody) << row.body;
    ASSERT_EQ(form.error().errors.size(), 1u) << row.body;
    EXPECT_EQ(form.error().errors[0].pointer, row.pointer) << row.body;
  }
  EXPECT_EQ(parsed("{").error().problem, Problem::kInvalidJson);
}

TEST(DeviceForm, ReadsWhatConditionsAskAbout) {
  const auto form = parsed(
      R"({"platform":"fcm","token":"ab","device_topics":["tablets"],"app_version":"3.10",
          "last_seen":"2026-01-02T03:04:05Z",
          "attributes":{"plan":"pro","age":18,"beta":true,"teams":["fcb","bvb"]}})");
  ASSERT_TRUE(form) << form.error().errors[0].detail;
  EXPECT_EQ(form->device_topics, (std::vector<std::string>{"tablets"}));
  EXPECT_EQ(form->app_version, "3.10");
  EXPECT_EQ(form->last_seen_ms, 1'767'323'045'000);
  EXPECT_EQ(form->attributes,
            (std::vector<store::Attribute>{{"age", 18.0},
                                           {"beta", true},
                                           {"plan", std::string("pro")},
                                           {"teams", std::vector<std::string>{"fcb", "bvb"}}}));
}

TEST(DeviceForm, BoundsWhatConditionsAskAbout) {
  const auto with = [](const std::string& name, const nlohmann::json& value) {
    nlohmann::json body{{"platform", "fcm"}, {"token", "ab"}};
    body[name] = value;
    return parsed(body.dump()).has_value();
  };
  const auto attributes = [](std::size_t count) {
    nlohmann::json all = nlohmann::json::object();
    for (std::size_t i = 0; i < count; ++i) all["a" + std::to_string(i)] = i;
    return all;
  };
  const auto texts = [](std::size_t count) { return std::vector<std::string>(count, "x"); };
  EXPECT_TRUE(with("attributes", attributes(store::kAttributesPerDeviceMax)));
  EXPECT_FALSE(with("attributes", attributes(store::kAttributesPerDeviceMax + 1)));
  EXPECT_TRUE(with("attributes", {{"a", texts(store::kAttributeTextsMax)}}));
  EXPECT_FALSE(with("attributes", {{"a", texts(store::kAttributeTextsMax + 1)}}));
  EXPECT_TRUE(with("device_topics", texts(store::kTopicsPerDeviceMax)));
  EXPECT_FALSE(with("device_topics", texts(store::kTopicsPerDeviceMax + 1)));
}

TEST(DeviceForm, TakesATokenOfEachPlatformsAlphabet) {
  EXPECT_TRUE(parsed(R"({"platform":"apns","token":"0123456789abcdefABCDEF"})"));
  EXPECT_TRUE(parsed(R"({"platform":"fcm","token":"cX9_-:APA91b.Z"})"));
}

}  // namespace
}  // namespace carillon::api
