#include "providers/http2/public_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace carillon::push::http2::public_address_test {
namespace {

bool is_public(const std::string& text) {
  std::array<std::uint8_t, 4> four{};
  if (inet_pton(AF_INET, text.c_str(), four.data()) == 1) return is_public_ipv4(four);
  std::array<std::uint8_t, 16> six{};
  EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), six.data()), 1) << text;
  return is_public_ipv6(six);
}

TEST(PublicAddress, IsNoneOfAPrivateOrSpecialRangeToItsEdges) {
  for (const char* text :
       {"0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255",
        "100.64.0.0",      "100.127.255.255", "127.0.0.1",       "127.255.255.255",
        "169.254.0.0",     "169.254.169.254", "172.16.0.0",      "172.31.255.255",
        "192.0.0.1",       "192.0.2.1",       "192.88.99.1",     "192.168.0.0",
        "192.168.255.255", "198.18.0.0",      "198.19.255.255",  "198.51.100.1",
        "203.0.113.255",   "224.0.0.1",       "239.255.255.255", "240.0.0.1",
        "255.255.255.255"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
  for (const char* text :
       {"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
        "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "17.57.144.1",
        "142.250.74.10", "223.255.255.255"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

TEST(PublicAddress, OfIpv6IsGlobalUnicastAlone) {
  for (const char* text :
       {"::", "::1", "::127.0.0.1", "1fff:ffff::", "4000::", "fc00::1", "fdff:ffff::1", "fe80::1",
        "febf::1", "fec0::1", "ff02::1", "100::1", "2001::1", "2001:1ff:ffff::", "2001:db8::1",
        "2002:7f00:1::1", "3fff::1", "3fff:fff:ffff::", "64:ff9b:1::808:808"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
  for (const char* text : {"2000::1", "2001:200::1", "2a00:1450:4001::200a", "2620:149::1",
                           "2001:db9::1", "2003::1", "3fff:1000::1", "3ffe::1"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

TEST(PublicAddress, IsJudgedByTheIpv4AddressInside) {
  for (const char* text : {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
                           "64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
  EXPECT_TRUE(is_public("::ffff:17.57.144.1"));
  EXPECT_TRUE(is_public("64:ff9b::17.57.144.1")) << "how a network without IPv4 reaches it";
}

}  // namespace
}  // namespace carillon::push::http2::public_address_test
