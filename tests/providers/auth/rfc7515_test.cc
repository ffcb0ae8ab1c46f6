// What we sign, by the examples of RFC 7515.
#include "tests/rfc7515.h"

#include <gtest/gtest.h>

#include "providers/auth/base64url.h"
#include "providers/auth/es256_key.h"
#include "providers/auth/private_key.h"
#include "tests/providers/test_credentials.h"

namespace carillon::push::auth::rfc7515_test {
namespace {

TEST(Rfc7515, A2IsSignedByteForByte) {
  const auto key = parse_private_key(rfc7515::kRs256PrivatePem);
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(base64url(sign_sha256(key.get(), rfc7515::kRs256Signed)), rfc7515::kRs256Signature);
}

TEST(Rfc7515, A3sKeySignsWhatItsPublicHalfVerifies) {
  const auto key = Es256Key::from_pem(rfc7515::kEs256PrivatePem);
  ASSERT_TRUE(key.has_value()) << key.error();
  const auto point = key->public_point();
  const std::string_view bytes(reinterpret_cast<const char*>(point.data()), point.size());
  EXPECT_EQ(bytes[0], 4);
  EXPECT_EQ(base64url(bytes.substr(1, 32)), rfc7515::kEs256X);
  EXPECT_EQ(base64url(bytes.substr(33)), rfc7515::kEs256Y);
  const std::string pem(rfc7515::kEs256PublicPem);
  EXPECT_TRUE(test::verify_es256_raw(pem, std::string(rfc7515::kEs256Signed),
                                     key->sign(rfc7515::kEs256Signed)));
}

}  // namespace
}  // namespace carillon::push::auth::rfc7515_test
