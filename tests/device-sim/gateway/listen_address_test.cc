#include "device-sim/gateway/listen_address.h"

#include <gtest/gtest.h>

namespace device_sim {
namespace {

TEST(ListenAddress, IsReadInEachForm) {
  EXPECT_EQ(ListenAddress::parse("127.0.0.1:8443")->to_string(), "127.0.0.1:8443");
  EXPECT_EQ(ListenAddress::parse("[::1]:0")->to_string(), "[::1]:0");
  EXPECT_EQ(ListenAddress::parse("localhost:65535")->to_string(), "127.0.0.1:65535");
}

TEST(ListenAddress, IsRefusedWithAnExample) {
  for (const char* text : {"", "8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "host:80",
                           "127.0.0.1:8443x", "127.0.0.1:-1", ":8443"}) {
    const auto address = ListenAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().find("127.0.0.1:8443"), std::string::npos);
  }
}

}  // namespace
}  // namespace device_sim
