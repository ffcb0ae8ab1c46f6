#include "relay/import/registration_csv.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

namespace carillon::import::csv_form_test {
namespace {

class RegistrationCsvTest : public testing::Test {
 protected:
  std::string header_fault(const std::string& header, const std::string& app = "") {
    return RegistrationCsv({.app = app, .known_apps = {"video"}}).read_header(header);
  }
  // With what every line needs before it.
  std::string columns(const std::string& more) {
    return csv_.read_header("device,app,platform,token" + more);
  }
  std::string fault(const std::string& more) {
    const auto device = csv_.parse("d,video,fcm,t" + more);
    return device ? "(no fault)" : device.error();
  }

  std::string line_;  // what the views of a registration point into
  RegistrationCsv csv_{{.app = "", .known_apps = {"video"}}};
};

TEST_F(RegistrationCsvTest, ReadsEveryColumnInTheHeadersOrder) {
  ASSERT_EQ(csv_.read_header("token,attributes.plan,topics,device_topics,last_seen,app_version,"
                             "timezone,locale,subscriber,platform,app,device\r"),
            "");
  line_ = "aabb,pro,a b;c,tablets,2026-01-02T03:04:05Z,3.10,Europe/Berlin,de,u-9,apns,video,d-1\r";
  const auto device = csv_.parse(line_);
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->device, "d-1");
  EXPECT_EQ(device->app, "video");
  EXPECT_EQ(device->platform, store::Platform::kApns);
  EXPECT_EQ(device->token, "aabb");
  EXPECT_EQ(device->subscriber, "u-9");
  EXPECT_EQ(device->locale, "de");
  EXPECT_EQ(device->timezone, "Europe/Berlin");
  EXPECT_EQ(device->app_version, "3.10");
  EXPECT_EQ(device->last_seen_ms, 1'767'323'045'000);
  ASSERT_EQ(device->topics.size(), 3U);
  EXPECT_EQ(device->topics[2], "c");
  ASSERT_EQ(device->device_topics.size(), 1U);
  ASSERT_EQ(device->attributes.size(), 1U);
  EXPECT_EQ(device->attributes[0].name, "plan");
}

TEST_F(RegistrationCsvTest, AnEmptyFieldIsNotGiven) {
  ASSERT_EQ(columns(",subscriber,topics,locale,last_seen,attributes.plan"), "");
  line_ = "d,video,fcm,t,,,,,";
  const auto device = csv_.parse(line_);
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->subscriber, "");
  EXPECT_TRUE(device->topics.empty());
  EXPECT_EQ(device->last_seen_ms, 0);
  EXPECT_TRUE(device->attributes.empty());
  const auto missing = csv_.parse(",video,fcm,t,,,,,");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), "device: is missing");
}

TEST_F(RegistrationCsvTest, AnAttributeIsJsonIfItLooksLikeItAndTextOtherwise) {
  ASSERT_EQ(columns(",attributes.a"), "");
  const auto value = [this](const std::string& text) {
    line_ = "d,video,fcm,t,";
    append_csv(text, line_);
    const auto device = csv_.parse(line_);
    EXPECT_TRUE(device) << device.error();
    return device->attributes[0].value;
  };
  const auto is_text = [&](const std::string& field, const std::string& text) {
    const auto read = value(field);
    EXPECT_TRUE(std::holds_alternative<std::string_view>(read)) << field;
    EXPECT_EQ(std::get<std::string_view>(read), text);
  };
  EXPECT_EQ(std::get<double>(value("18")), 18.0);
  EXPECT_EQ(std::get<double>(value("-1.5e1")), -15.0);
  EXPECT_EQ(std::get<bool>(value("true")), true);
  EXPECT_EQ(std::get<bool>(value("false")), false);
  is_text("pro", "pro");
  is_text("True", "True");
  is_text("007", "007");
  is_text("3.2.1", "3.2.1");
  is_text(" 18", " 18");
  is_text("null", "null");
  is_text("{}", "{}");
  is_text(R"("18")", "18");
  is_text(R"("")", "");
  is_text(R"("a\u00e9\"b")", "aé\"b");
  is_text(R"("a" and "b")", R"("a" and "b")");
  is_text("[draft]", "[draft]");
  is_text("[1]", "[1]");
  const auto list = value(R"(["a,b","c"])");
  const auto members = std::get<std::span<const std::string_view>>(list);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0], "a,b");
  EXPECT_TRUE(std::get<std::span<const std::string_view>>(value("[]")).empty());
}

TEST_F(RegistrationCsvTest, TellsWhatIsWrongWithAHeader) {
  EXPECT_EQ(header_fault("device,app,platform"), "header: the column \"token\" is missing");
  EXPECT_EQ(header_fault("device,platform,token"), "header: the column \"app\" is missing");
  EXPECT_EQ(header_fault("device,platform,token", "video"), "");
  EXPECT_EQ(header_fault("\xEF\xBB\xBF"
                         "device,app,platform,token"),
            "")
      << "spreadsheets write a byte order mark";
  EXPECT_EQ(header_fault("device,app,platform,token,colour"),
            "header: \"colour\" is not a known column");
  EXPECT_EQ(header_fault("device,app,platform,token,attributes"),
            "header: \"attributes\" is not a known column");
  EXPECT_EQ(header_fault("device,app,platform,token,token"),
            "header: the column \"token\" is there twice");
  EXPECT_EQ(header_fault("device,app,platform,token,attributes.a,attributes.a"),
            "header: the column \"attributes.a\" is there twice");
  EXPECT_EQ(header_fault("device,app,platform,token,attributes."),
            "header: the column \"attributes.\" names no attribute");
  EXPECT_EQ(header_fault("device;app;platform;token"),
            "header: \"device;app;platform;token\" is not a known column");
  EXPECT_EQ(header_fault("device,app,platform,\"token"),
            "line: field 4 begins with a quote and does not end with one on this line");
  EXPECT_EQ(header_fault("device,app,platform,t\xC3"), "header: is not valid UTF-8");
}

TEST_F(RegistrationCsvTest, TellsWhatIsWrongWithALine) {
  ASSERT_EQ(columns(",topics,last_seen"), "");
  EXPECT_EQ(fault(",a,"), "(no fault)");
  EXPECT_EQ(fault(",a"), "line: has 5 fields where the header has 6");
  EXPECT_EQ(fault(",a,,"), "line: has 7 fields where the header has 6");
  EXPECT_EQ(fault(",a ä,").substr(0, 24), "topics[1]: \"ä\" must be ");
  EXPECT_EQ(fault(",,now"), "last_seen: must be a time such as \"2026-01-02T03:04:05Z\"");
  EXPECT_EQ(fault(",\xC3\x28,"), "line: is not valid UTF-8");
}

}  // namespace
}  // namespace carillon::import::csv_form_test
