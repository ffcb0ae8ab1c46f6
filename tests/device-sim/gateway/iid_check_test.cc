#include "device-sim/gateway/iid_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace device_sim::iid_check_test {
namespace {

using nlohmann::json;

json good() {
  return {{"to", "/topics/news"}, {"registration_tokens", {"t1", "t2"}}};
}
IidRequest check(const json& body, const char* path = "/iid/v1:batchAdd",
                 const char* method = "POST", const char* token_auth = "true") {
  Request request;
  request.add(":method", method);
  request.add(":path", path);
  if (token_auth != nullptr) request.add("access_token_auth", token_auth);
  request.append_body(body.dump());
  return check_iid_request(request);
}

TEST(IidCheck, ReadsASubscriptionAndItsEnd) {
  const IidRequest add = check(good());
  EXPECT_EQ(add.status, 200);
  EXPECT_TRUE(add.subscribes);
  EXPECT_EQ(add.topic, "news");
  EXPECT_EQ(add.tokens, (std::vector<std::string>{"t1", "t2"}));
  EXPECT_FALSE(check(good(), "/iid/v1:batchRemove?x=1").subscribes);
}

TEST(IidCheck, RefusesWhatGoogleRefuses) {
  EXPECT_EQ(check(good(), "/iid/v1:batch").status, 404);
  EXPECT_EQ(check(good(), "/iid/info/t1").status, 404);
  EXPECT_EQ(check(good(), "/iid/v1:batchAdd", "GET").status, 404);
  EXPECT_EQ(check(good(), "/iid/v1:batchAdd", "POST", "false").status, 401);
  EXPECT_EQ(check(good(), "/iid/v1:batchAdd", "POST", nullptr).status, 401);
  const auto changed = [](const char* name, const json& value) {
    json body = good();
    body[name] = value;
    return check(body).status;
  };
  EXPECT_EQ(changed("to", "news"), 400);
  EXPECT_EQ(changed("to", "/topics/"), 400);
  EXPECT_EQ(changed("to", "/topics/a b"), 400);
  EXPECT_EQ(changed("to", 1), 400);
  EXPECT_EQ(changed("registration_tokens", json::array()), 400);
  EXPECT_EQ(changed("registration_tokens", "t1"), 400);
  EXPECT_EQ(changed("registration_tokens", {1}), 400);
  EXPECT_EQ(check(json::array()).status, 400);
  EXPECT_EQ(check(json::object()).status, 400);
  EXPECT_EQ(check(json::object()).error, "INVALID_ARGUMENT");
}

TEST(IidCheck, TakesAThousandTokensAndNotOneMore) {
  json body = good();
  body["registration_tokens"] = std::vector<std::string>(kIidTokensMax, "t");
  EXPECT_EQ(check(body).status, 200);
  body["registration_tokens"].push_back("t");
  EXPECT_EQ(check(body).status, 400);
}

}  // namespace
}  // namespace device_sim::iid_check_test
