#include "relay/api/device_form.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::api {
namespace {

TEST(DeviceForm, ReadsEveryFieldOfADevice) {
  const auto form = parse_device(
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
      {R"({"platform":"webpush","token":"ab"})", "/platform"},
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
      {R"({"platform":"fcm","token":"ab","attributes":{}})", "/attributes"},
      {"[]", ""},
  };
  for (const Row& row : table) {
    const auto form = parse_device(row.body);
    ASSERT_FALSE(form) << row.body;
    EXPECT_EQ(form.error().problem, Problem::kInvalidBody) << row.body;
    ASSERT_EQ(form.error().errors.size(), 1u) << row.body;
    EXPECT_EQ(form.error().errors[0].pointer, row.pointer) << row.body;
  }
  EXPECT_EQ(parse_device("{").error().problem, Problem::kInvalidJson);
}

TEST(DeviceForm, TakesATokenOfEachPlatformsAlphabet) {
  EXPECT_TRUE(parse_device(R"({"platform":"apns","token":"0123456789abcdefABCDEF"})"));
  EXPECT_TRUE(parse_device(R"({"platform":"fcm","token":"cX9_-:APA91b.Z"})"));
}

}  // namespace
}  // namespace carillon::api
