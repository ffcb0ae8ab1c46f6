#include "providers/webpush/origin_list.h"

#include <gtest/gtest.h>

namespace carillon::push::origin_list_test {
namespace {

OriginList list(const std::vector<std::string>& entries) {
  return OriginList::parse(entries).value();
}

TEST(OriginList, KnowsTheServicesOfTheBrowsers) {
  const auto known = list(OriginList::known_services());
  for (const char* host :
       {"fcm.googleapis.com", "updates.push.services.mozilla.com", "wns2-by3p.notify.windows.com",
        "web.push.apple.com", "api.push.apple.com"}) {
    EXPECT_TRUE(known.allows(host, 443)) << host;
    EXPECT_FALSE(known.allows(host, 8443)) << host;
  }
  for (const char* host :
       {"", "googleapis.com", "evil.fcm.googleapis.com", "push.apple.com", ".push.apple.com",
        "evilpush.apple.com", "web.push.apple.com.evil.test", "127.0.0.1", "localhost"}) {
    EXPECT_FALSE(known.allows(host, 443)) << host;
  }
}

TEST(OriginList, HasPortsAndAddressesIfTheyAreNamed) {
  const auto some = list({"localhost:8446", "[::1]:8446", "*.push.test:444"});
  EXPECT_TRUE(some.allows("localhost", 8446));
  EXPECT_FALSE(some.allows("localhost", 443));
  EXPECT_TRUE(some.allows("::1", 8446));
  EXPECT_TRUE(some.allows("a.b.push.test", 444));
  EXPECT_EQ(some.text(), "localhost:8446, [::1]:8446, *.push.test:444");
}

TEST(OriginList, AllowsNothingWhenItIsEmpty) {
  EXPECT_FALSE(list({}).allows("fcm.googleapis.com", 443));
}

TEST(OriginList, RefusesEntriesThatAreNoHost) {
  for (const char* entry :
       {"", "*", "*.", "*.com", "https://a.test", "a.test/", "a.test/x", "a b", "a.test:0",
        "a.test:65536", "A.test", "a.test.", "user@a.test", "*.*.a.test"}) {
    const auto parsed = OriginList::parse({entry});
    ASSERT_FALSE(parsed.has_value()) << entry;
    EXPECT_TRUE(parsed.error().starts_with("\"" + std::string(entry) + "\" must be a host"));
  }
}

}  // namespace
}  // namespace carillon::push::origin_list_test
