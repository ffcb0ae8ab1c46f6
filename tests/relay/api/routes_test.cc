#include "relay/api/routes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::api {
namespace {

RouteMatch match(std::string_view method, std::vector<std::string> segments) {
  return match_route(method, segments);
}

TEST(Routes, MatchesTheMostTelling) {
  const RouteMatch device = match("PUT", {"v1", "apps", "video", "devices", "a/b"});
  ASSERT_NE(device.route, nullptr);
  EXPECT_EQ(device.route->endpoint, Endpoint::kPutDevice);
  EXPECT_EQ(device.captures, (std::vector<std::string>{"video", "a/b"}));
  EXPECT_EQ(match("HEAD", {"healthz"}).route->endpoint, Endpoint::kHealth);
}

TEST(Routes, TellsAMissingPathFromAMethodThatItDoesNotTake) {
  EXPECT_EQ(match("GET", {"v1"}).allow, "");
  EXPECT_EQ(match("GET", {}).allow, "");
  EXPECT_EQ(match("GET", {"v1", "events", "x", "progress", "y"}).route, nullptr);
  const RouteMatch wrong = match("PATCH", {"v1", "events"});
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(wrong.allow, "POST, GET, HEAD");
}

TEST(Routes, AreOpenOnlyWhereNothingIsToldOfPeople) {
  for (const Route& route : routes()) {
    EXPECT_EQ(route.scope == 0, !route.pattern.starts_with("/v1/")) << route.pattern;
  }
}

}  // namespace
}  // namespace carillon::api
