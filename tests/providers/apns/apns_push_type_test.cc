// Each push type of Apple's with its topic, priority and size, and what cannot be combined.
#include "providers/apns/apns_push_type.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "providers/apns/apns_request.h"
#include "tests/providers/push_batches.h"

namespace carillon::push::apns_push_type_test {
namespace {

using nlohmann::json;
using test::hello;

const ApnsSender kByToken{.bundle_id = "com.example.bells"};
const ApnsSender kByCertificate{.bundle_id = "com.example.bells", .by_certificate = true};

// Good content for a type: what the row is about is all that may be wrong.
Notification content_for(std::string_view type) {
  Notification notification;
  notification.event_id = test::kEventId;
  notification.apns_push_type = type;
  notification.expires_at = std::chrono::sys_seconds(std::chrono::seconds(2'000'000'000));
  if (type == "alert") notification.title = "New upload";
  if (type == "mdm") notification.apns_json = R"({"mdm":"magic"})";
  return notification;
}

std::string header(const RenderedMessage& message, std::string_view name) {
  for (const auto& field : message.headers) {
    if (field.name == name) return field.value;
  }
  return "(none)";
}

RenderError refusal(const Notification& notification, const ApnsSender& sender) {
  const auto rendered = render_apns(notification, sender);
  EXPECT_FALSE(rendered.has_value()) << notification.apns_push_type;
  return rendered.has_value() ? RenderError{} : rendered.error();
}

// Written out once more, by Apple's page: the renderer's table is not what it is held against.
struct Row {
  const char* type;
  const char* topic;
  const char* priority_normal;
  const char* priority_bulk;    // empty: refused
  const char* priority_urgent;  // empty: refused
  const char* expiration;
  std::size_t bytes_max;
  bool with_token;
  bool with_certificate;
};
constexpr Row kRows[] = {
    {"alert", "com.example.bells", "10", "5", "10", "2000000000", 4096, true, true},
    {"background", "com.example.bells", "5", "5", "", "2000000000", 4096, true, true},
    {"voip", "com.example.bells.voip", "10", "5", "10", "2000000000", 5120, true, true},
    {"complication", "com.example.bells.complication", "10", "5", "10", "2000000000", 4096, true,
     true},
    {"fileprovider", "com.example.bells.pushkit.fileprovider", "10", "5", "10", "2000000000", 4096,
     true, true},
    {"mdm", "com.example.bells", "10", "5", "10", "2000000000", 4096, false, true},
    {"liveactivity", "com.example.bells.push-type.liveactivity", "10", "5", "10", "2000000000",
     4096, true, false},
    {"location", "com.example.bells.location-query", "10", "5", "10", "2000000000", 4096, true,
     false},
    {"pushtotalk", "com.example.bells.voip-ptt", "10", "", "10", "0", 4096, true, true},
    {"widgets", "com.example.bells.push-type.widgets", "10", "5", "10", "2000000000", 4096, true,
     true},
    {"controls", "com.example.bells.push-type.controls", "10", "5", "10", "2000000000", 4096, true,
     true},
};

TEST(ApnsPushType, EachHasItsTopicPriorityExpirationAndCredential) {
  ASSERT_EQ(std::size(kRows), kApnsPushTypes.size());
  for (const Row& row : kRows) {
    auto notification = content_for(row.type);
    const ApnsSender& sender = row.with_token ? kByToken : kByCertificate;
    const auto rendered = render_apns(notification, sender);
    ASSERT_TRUE(rendered.has_value()) << row.type << ": " << rendered.error().message;
    EXPECT_EQ(header(*rendered, "apns-push-type"), row.type);
    EXPECT_EQ(header(*rendered, "apns-topic"), row.topic);
    EXPECT_EQ(header(*rendered, "apns-expiration"), row.expiration) << row.type;
    EXPECT_EQ(render_apns(notification, kByToken).has_value(), row.with_token) << row.type;
    EXPECT_EQ(render_apns(notification, kByCertificate).has_value(), row.with_certificate)
        << row.type;
    const std::pair<Priority, const char*> priorities[] = {
        {Priority::kNormal, row.priority_normal},
        {Priority::kBulk, row.priority_bulk},
        {Priority::kUrgent, row.priority_urgent}};
    for (const auto& [priority, expected] : priorities) {
      notification.priority = priority;
      if (std::string_view(expected).empty()) {
        EXPECT_EQ(refusal(notification, sender).pointer, "/priority") << row.type;
      } else {
        EXPECT_EQ(header(*render_apns(notification, sender), "apns-priority"), expected)
            << row.type;
      }
    }
  }
}

TEST(ApnsPushType, EachTakesAsManyBytesAsAppleDoesAndNotOneMore) {
  for (const Row& row : kRows) {
    const ApnsSender& sender = row.with_token ? kByToken : kByCertificate;
    auto notification = content_for(row.type);
    const auto fill = [&](std::size_t bytes) {
      notification.apns_json =
          json{{row.type == std::string_view("mdm") ? "mdm" : "x", std::string(bytes, 'x')}}.dump();
    };
    fill(1);
    const std::size_t around = render_apns(notification, sender)->body.size() - 1;
    fill(row.bytes_max - around);
    const auto rendered = render_apns(notification, sender);
    ASSERT_TRUE(rendered.has_value()) << row.type << ": " << rendered.error().message;
    EXPECT_EQ(rendered->body.size(), row.bytes_max) << row.type;
    fill(row.bytes_max - around + 1);
    EXPECT_EQ(refusal(notification, sender).pointer, "/apns") << row.type;
  }
}

TEST(ApnsPushType, IsRefusedWithAPointerWhereItDoesNotFitWhatIsShown) {
  auto notification = hello();
  notification.apns_push_type = "background";
  EXPECT_EQ(refusal(notification, kByToken).pointer, "/apns_push_type");
  notification = hello();
  notification.title.clear();
  notification.body.clear();
  notification.apns_push_type = "alert";
  EXPECT_EQ(refusal(notification, kByToken).pointer, "/apns_push_type");
  notification.apns_push_type = "telegram";
  EXPECT_EQ(refusal(notification, kByToken).pointer, "/apns_push_type");
}

TEST(ApnsPushType, IsRefusedWhereACertificateDoesNotNameItsTopic) {
  const ApnsSender voip_only{.bundle_id = "com.example.bells",
                             .by_certificate = true,
                             .topics = {"com.example.bells.voip"}};
  EXPECT_TRUE(render_apns(content_for("voip"), voip_only).has_value());
  EXPECT_EQ(refusal(hello(), voip_only).pointer, "/apns_push_type");
  EXPECT_EQ(refusal(content_for("complication"), voip_only).message,
            "makes it complication, with the topic com.example.bells.complication, which the "
            "certificate does not name");
}

TEST(ApnsPushType, ThatAppleShowsByItselfSaysSoInThePayload) {
  const auto body = [](std::string_view type) {
    return json::parse(render_apns(content_for(type), kByToken)->body);
  };
  EXPECT_EQ(body("background")["aps"], json::parse(R"({"content-available":1})"));
  EXPECT_EQ(body("widgets")["aps"], json::parse(R"({"content-changed":true})"));
  EXPECT_EQ(body("voip")["aps"], json::object());
}

TEST(ApnsPushType, OfDeviceManagementIsTheMagicAlone) {
  auto notification = content_for("mdm");
  notification.title = "not for the device";
  EXPECT_EQ(render_apns(notification, kByCertificate)->body, R"({"mdm":"magic"})");
  for (const char* const words :
       {R"({})", R"({"mdm":7})", R"({"mdm":"magic","aps":{}})", R"({"mdm":"magic","x":1})"}) {
    notification.apns_json = words;
    EXPECT_EQ(refusal(notification, kByCertificate).pointer, "/apns") << words;
  }
}

}  // namespace
}  // namespace carillon::push::apns_push_type_test
