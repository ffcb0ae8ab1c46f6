#include "providers/http2/https_url.h"

#include <gtest/gtest.h>

namespace carillon::push::http2 {
namespace {

TEST(HttpsUrl, FindsHostPortAndPath) {
  EXPECT_EQ(parse_https_url("https://api.push.apple.com").value(),
            (HttpsUrl{.host = "api.push.apple.com", .port = 443, .path = "/"}));
  EXPECT_EQ(parse_https_url("https://localhost:2197").value(),
            (HttpsUrl{.host = "localhost", .port = 2197, .path = "/"}));
  EXPECT_EQ(parse_https_url("https://oauth.test/a/token?x=1").value(),
            (HttpsUrl{.host = "oauth.test", .port = 443, .path = "/a/token?x=1"}));
  EXPECT_EQ(parse_https_url("https://[::1]:65535/").value(),
            (HttpsUrl{.host = "::1", .port = 65535, .path = "/"}));
}

TEST(HttpsUrl, WritesAnAuthorityWithThePortOnlyIfItIsNotTheUsualOne) {
  EXPECT_EQ(parse_https_url("https://a.test")->authority(), "a.test");
  EXPECT_EQ(parse_https_url("https://a.test:443")->authority(), "a.test");
  EXPECT_EQ(parse_https_url("https://a.test:444")->authority(), "a.test:444");
  EXPECT_EQ(parse_https_url("https://[::1]:444")->authority(), "[::1]:444");
}

TEST(HttpsUrl, RefusesWhatIsNone) {
  for (const char* url :
       {"", "http://a.test", "a.test", "https://", "https://:443",
        "https://a.test:", "https://a.test:0", "https://a.test:65536", "https://a.test:x",
        "https://[::1", "https://[::1]x", "https://user@a.test", "https://a b",
        "https://a.test/x y", "https://a.test/\r\nx"}) {
    EXPECT_FALSE(parse_https_url(url).has_value()) << url;
  }
}

}  // namespace
}  // namespace carillon::push::http2
