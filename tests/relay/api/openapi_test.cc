#include "relay/api/openapi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "relay/api/routes.h"

namespace carillon::api {
namespace {

using Json = nlohmann::json;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c | 0x20);
  return out;
}

TEST(OpenApi, DescribesEveryRouteAndNothingElse) {
  const Json document = Json::parse(openapi_document());
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> described;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) described.insert(method + " " + path);
  }
  std::set<std::string> routed;
  for (const Route& route : routes())
    routed.insert(lower(route.method) + " " + std::string(route.pattern));
  EXPECT_EQ(described, routed);
}

TEST(OpenApi, SaysOfEveryRouteWhatItTakesAndAnswers) {
  const Json document = Json::parse(openapi_document());
  std::set<std::string> ids;
  for (const Route& route : routes()) {
    const Json& operation = document["paths"][std::string(route.pattern)][lower(route.method)];
    EXPECT_TRUE(ids.insert(operation.at("operationId").get<std::string>()).second) << route.pattern;
    EXPECT_FALSE(operation.at("summary").get<std::string>().empty());
    EXPECT_EQ(operation.contains("requestBody"), route.body != BodyPlan::kNone) << route.pattern;
    EXPECT_EQ(operation.at("security").empty(), route.scope == 0) << route.pattern;
    EXPECT_EQ(operation.at("responses").contains("401"), route.scope != 0) << route.pattern;
    bool succeeds = false;
    for (const auto& [status, response] : operation.at("responses").items()) {
      succeeds = succeeds || status.starts_with("2");
      EXPECT_TRUE(response.contains("description")) << route.pattern << " " << status;
    }
    EXPECT_TRUE(succeeds) << route.pattern;
  }
}

void expect_refs_resolve(const Json& document, const Json& value) {
  if (value.is_object() && value.contains("$ref")) {
    const auto pointer = Json::json_pointer(value["$ref"].get<std::string>().substr(1));
    EXPECT_TRUE(document.contains(pointer)) << value["$ref"];
  }
  if (value.is_structured()) {
    for (const Json& child : value) expect_refs_resolve(document, child);
  }
}

TEST(OpenApi, ReferencesOnlyWhatItDefines) {
  const Json document = Json::parse(openapi_document());
  expect_refs_resolve(document, document);
}

TEST(OpenApi, AnEventAndACountNameTheirAudienceByTheSameFields) {
  const Json schemas = Json::parse(openapi_document())["components"]["schemas"];
  for (const char* const name : {"topic", "topics", "condition", "subscribers", "devices"}) {
    EXPECT_TRUE(schemas["Event"]["properties"].contains(name)) << name;
    EXPECT_EQ(schemas["Event"]["properties"][name], schemas["Audience"]["properties"][name]);
    const Json required{{"required", {name}}};
    EXPECT_EQ(std::ranges::count(schemas["Event"]["anyOf"], required), 1) << name;
  }
  EXPECT_FALSE(schemas["Audience"]["properties"].contains("app"));
}

}  // namespace
}  // namespace carillon::api
