// Browsers in imports and exports: an object in NDJSON, the same as JSON in a column of CSV.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "relay/export/device_lines.h"
#include "relay/import/registration_csv.h"
#include "relay/import/registration_line.h"

namespace carillon::import::subscription_import_test {
namespace {

constexpr const char* kKey =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
constexpr const char* kSecret = "BTBZMqHH6r4Tts7J_aSIgg";
const std::string kToken = "https://push.test/x " + std::string(kKey) + " " + kSecret;

class SubscriptionImport : public testing::Test {
 protected:
  static LineRules rules() {
    return {.app = "",
            .known_apps = {"video", "shop"},
            .push_origins = {{"video", push::OriginList::parse({"push.test"}).value()}}};
  }
  static nlohmann::json subscription() {
    return {{"endpoint", "https://push.test/x"},
            {"expirationTime", nullptr},
            {"keys", {{"p256dh", kKey}, {"auth", kSecret}}}};
  }
  static nlohmann::json line() {
    return {{"device", "d"},
            {"app", "video"},
            {"platform", "webpush"},
            {"subscription", subscription()}};
  }

  tl::expected<store::DeviceRegistration, std::string> parse(const std::string& text) {
    padded_ = text + std::string(RegistrationLine::kPaddingBytes, '}');
    return json_.parse(std::string_view(padded_).substr(0, text.size()));
  }
  std::string fault(const nlohmann::json& line) {
    const auto device = parse(line.dump());
    return device ? "(no fault)" : device.error();
  }

  RegistrationLine json_{rules()};
  RegistrationCsv csv_{rules()};
  std::string padded_;
};

TEST_F(SubscriptionImport, BecomesATokenInNdjsonAndInCsv) {
  const auto device = parse(line().dump());
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->platform, store::Platform::kWebPush);
  EXPECT_EQ(device->token, kToken);
  ASSERT_EQ(csv_.read_header("device,app,platform,subscription"), "");
  std::string quoted = subscription().dump();
  for (std::size_t at = 0; (at = quoted.find('"', at)) != std::string::npos; at += 2) {
    quoted.insert(at, "\"");
  }
  const auto row = csv_.parse("d,video,webpush,\"" + quoted + "\"");
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->token, kToken);
}

TEST_F(SubscriptionImport, NamesTheFieldThatIsWrong) {
  const auto with = [](const char* pointer, nlohmann::json value) {
    nlohmann::json changed = line();
    changed[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return changed;
  };
  const auto without = [](const char* field) {
    nlohmann::json changed = line();
    changed.erase(field);
    return changed;
  };
  EXPECT_EQ(fault(line()), "(no fault)");
  EXPECT_EQ(fault(without("subscription")), "subscription: is missing");
  EXPECT_EQ(fault(with("/token", "t")),
            "token: is not for this platform, which has a subscription");
  EXPECT_EQ(fault(with("/platform", "fcm")),
            "subscription: is not for this platform, which has a token");
  EXPECT_EQ(fault(with("/subscription", 3)), "subscription: must be an object");
  EXPECT_EQ(fault(with("/subscription/endpoint", 3)), "subscription.endpoint: must be a string");
  EXPECT_EQ(fault(with("/subscription/keys", 3)), "subscription.keys: must be an object");
  EXPECT_EQ(fault(with("/subscription/keys/auth", 3)), "subscription.keys.auth: must be a string");
  EXPECT_EQ(fault(with("/subscription/keys/more", "")),
            "subscription.keys.\"more\": is not a known field");
  EXPECT_EQ(fault(with("/subscription/url", "")), "subscription.\"url\": is not a known field");
  EXPECT_EQ(fault(with("/subscription/endpoint", "https://elsewhere.test/x")),
            "subscription.endpoint: must be of a push service that this relay sends to: push.test");
  EXPECT_EQ(fault(with("/subscription/keys/p256dh", kSecret)),
            "subscription.keys.p256dh: must be a point of the curve P-256: base64url of 65 bytes");
  EXPECT_EQ(fault(with("/subscription/keys/auth", "")),
            "subscription.keys.auth: must be base64url of 16 bytes");
}

TEST_F(SubscriptionImport, LeavesNothingToTheNextLine) {
  ASSERT_TRUE(parse(line().dump()));
  nlohmann::json next = line();
  next["subscription"].erase("keys");
  EXPECT_EQ(fault(next),
            "subscription.keys.p256dh: must be a point of the curve P-256: base64url of 65 bytes");
  next.erase("subscription");
  EXPECT_EQ(fault(next), "subscription: is missing");
}

TEST_F(SubscriptionImport, OfAnAppWithoutAListMayBeOfTheServicesThatThereAre) {
  nlohmann::json shop = line();
  shop["app"] = "shop";
  EXPECT_NE(fault(shop), "(no fault)");
  shop["subscription"]["endpoint"] = "https://fcm.googleapis.com/fcm/send/x";
  EXPECT_EQ(fault(shop), "(no fault)");
}

TEST_F(SubscriptionImport, IsReadAsItWasExported) {
  const store::DeviceRegistration device{.app = "video",
                                         .device = "d",
                                         .platform = store::Platform::kWebPush,
                                         .token = kToken,
                                         .last_seen_ms = 1'728'000'000'000};
  std::string out;
  exporting::make_device_lines(Format::kNdjson, {}).value()->append(device, out);
  out.pop_back();
  EXPECT_EQ(nlohmann::json::parse(out)["subscription"],
            nlohmann::json({{"endpoint", "https://push.test/x"},
                            {"keys", {{"p256dh", kKey}, {"auth", kSecret}}}}));
  auto read = parse(out);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->token, kToken);

  out.clear();
  const auto csv = exporting::make_device_lines(Format::kCsv, {}).value();
  csv->append_header(out);
  const std::size_t header = out.size();
  csv->append(device, out);
  ASSERT_EQ(csv_.read_header(out.substr(0, header - 1)), "");
  out.pop_back();
  const auto row = csv_.parse(std::string_view(out).substr(header));
  ASSERT_TRUE(row) << row.error();
  EXPECT_EQ(row->token, kToken);
}

}  // namespace
}  // namespace carillon::import::subscription_import_test
