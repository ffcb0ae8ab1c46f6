#include "providers/auth/es256_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "providers/auth/base64url.h"
#include "providers/auth/private_key.h"
#include "tests/providers/test_credentials.h"

namespace carillon::push::auth {
namespace {

using test::TestCredentials;
using testing::HasSubstr;
using testing::Not;

TEST(Base64url, WritesTheVectorsOfRfc4648WithoutPadding) {
  EXPECT_EQ(base64url(""), "");
  EXPECT_EQ(base64url("f"), "Zg");
  EXPECT_EQ(base64url("fo"), "Zm8");
  EXPECT_EQ(base64url("foo"), "Zm9v");
  EXPECT_EQ(base64url("foob"), "Zm9vYg");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

TEST(Es256Key, SignsWhatOpensslVerifies) {
  const auto key = Es256Key::from_file(TestCredentials::shared().apns_key_file());
  ASSERT_TRUE(key.has_value());
  for (int i = 0; i < 50; ++i) {  // R or S is shorter than 32 bytes now and then
    const std::string text = "text " + std::to_string(i);
    const std::string signature = key->sign(text);
    ASSERT_EQ(signature.size(), 64u);
    EXPECT_TRUE(
        test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), text, signature));
    EXPECT_FALSE(
        test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), text + "!", signature));
  }
}

TEST(Es256Key, RefusesWhatIsNotAP256Key) {
  const auto other_curve = Es256Key::from_file(TestCredentials::shared().p384_key_file());
  ASSERT_FALSE(other_curve.has_value());
  EXPECT_THAT(other_curve.error(), HasSubstr("p384.pem is not an ECDSA key on the curve P-256"));
  EXPECT_FALSE(Es256Key::from_pem(TestCredentials::shared().rsa_private_pem()).has_value());
}

TEST(Es256Key, NamesTheFileAndNeverItsText) {
  const auto file = TestCredentials::shared().write("secret.p8", "-----BEGIN hunter2");
  const auto key = Es256Key::from_file(file);
  ASSERT_FALSE(key.has_value());
  EXPECT_THAT(key.error(), HasSubstr(file + " is not an unencrypted private key in PEM form"));
  EXPECT_THAT(key.error(), Not(HasSubstr("hunter2")));
}

TEST(CredentialFile, TellsWhyAFileCannotBeRead) {
  const auto& credentials = TestCredentials::shared();
  EXPECT_THAT(read_credential_file("/nowhere/x").error(),
              HasSubstr("/nowhere/x cannot be read: No such file or directory"));
  EXPECT_THAT(read_credential_file("/tmp").error(), HasSubstr("/tmp cannot be read"));
  EXPECT_THAT(read_credential_file(credentials.write("empty", "")).error(), HasSubstr("is empty"));
  const std::string most(kCredentialFileBytesMax, 'x');
  EXPECT_EQ(read_credential_file(credentials.write("most", most)).value(), most);
  EXPECT_THAT(read_credential_file(credentials.write("more", most + "x")).error(),
              HasSubstr("is larger than 65536 bytes"));
}

}  // namespace
}  // namespace carillon::push::auth
