#include "relay/config/scopes.h"

#include <gtest/gtest.h>

namespace carillon::config {
namespace {

TEST(Scopes, AreReadInAnyOrderAndPrintedInOne) {
  EXPECT_EQ(parse_scopes("publish"), kScopePublish);
  EXPECT_EQ(parse_scopes("admin,publish"), kScopePublish | kScopeAdmin);
  EXPECT_EQ(parse_scopes("publish,subscribe,admin"), kScopesAll);
  EXPECT_EQ(scopes_text(kScopesAll), "publish,subscribe,admin");
  EXPECT_EQ(scopes_text(kScopeSubscribe), "subscribe");
  EXPECT_EQ(scopes_text(0), "");
}

TEST(Scopes, AreRefusedWithTheOneThatIsWrong) {
  for (const char* const list : {"", "publish,", ",publish", "Publish", "publish, admin", "root"}) {
    EXPECT_FALSE(parse_scopes(list)) << list;
  }
  EXPECT_NE(parse_scopes("publish,root").error().find("\"root\""), std::string::npos);
  EXPECT_NE(parse_scopes("admin,admin").error().find("twice"), std::string::npos);
}

}  // namespace
}  // namespace carillon::config
