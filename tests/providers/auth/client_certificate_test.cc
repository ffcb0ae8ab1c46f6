#include "providers/auth/client_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/providers/test_credentials.h"

namespace carillon::push::auth::client_certificate_test {
namespace {

using test::TestCredentials;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const TestCredentials& files() {
  return TestCredentials::shared();
}

std::string problem(const std::string& path, const std::string& password_file = "") {
  const auto read = ClientCertificate::from_file(path, password_file);
  EXPECT_FALSE(read.has_value());
  return read.has_value() ? "" : read.error();
}

TEST(ClientCertificate, NamesTheTopicsOfItsExtension) {
  const auto read = ClientCertificate::from_file(files().push_certificate_file(), "");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_THAT(read->topics(), ElementsAre("com.example.bells", "com.example.bells.voip"));
  EXPECT_TRUE(read->may_send_to("com.example.bells.voip"));
  EXPECT_FALSE(read->may_send_to("com.example.bells.complication"));
  EXPECT_THAT(read->chain(), IsEmpty());
}

TEST(ClientCertificate, WithoutTheExtensionIsForTheUidOfItsSubject) {
  const auto read = ClientCertificate::from_file(files().plain_certificate_file(), "");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_THAT(read->topics(), ElementsAre("com.example.bells"));
}

TEST(ClientCertificate, ThatNamesNothingMaySendToWhateverAppleSays) {
  // Of a server, so with neither of both.
  const std::string both = files().write("nameless.pem", [] {
    std::string text;
    for (const std::string& path : {files().localhost().certificate, files().localhost().key}) {
      std::ifstream file(path);
      text.append(std::istreambuf_iterator<char>(file), {});
    }
    return text;
  }());
  const auto read = ClientCertificate::from_file(both, "");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_THAT(read->topics(), IsEmpty());
  EXPECT_TRUE(read->may_send_to("com.example.anything"));
}

TEST(ClientCertificate, KnowsWhenItEnds) {
  const auto good = ClientCertificate::from_file(files().push_certificate_file(), "");
  // After the certificates were made.
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  ASSERT_TRUE(good.has_value()) << good.error();
  EXPECT_GT(good->expires_at(), now);
  EXPECT_LE(good->expires_at(), now + std::chrono::hours(1));
  const auto ended = ClientCertificate::from_file(files().expired_certificate_file(), "");
  ASSERT_TRUE(ended.has_value()) << ended.error();
  EXPECT_LT(ended->expires_at(), now);
}

TEST(ClientCertificate, FindsTheOneOfItsKeyAmongOthersAndOpensALockedKey) {
  const auto read =
      ClientCertificate::from_file(files().locked_certificate_file(), files().password_file());
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_THAT(read->topics(), SizeIs(2));
  EXPECT_THAT(read->chain(), SizeIs(1)) << "the issuer that stands before it";
}

TEST(ClientCertificate, IsReadFromPkcs12AlsoAsAppleKeychainWritesIt) {
  for (const std::string& file : {files().pkcs12_file(), files().keychain_file()}) {
    const auto read = ClientCertificate::from_file(file, files().password_file());
    ASSERT_TRUE(read.has_value()) << read.error();
    EXPECT_THAT(read->topics(), SizeIs(2)) << file;
  }
}

TEST(ClientCertificate, SaysWhatIsWrongWithItsFiles) {
  const std::string wrong = files().write("wrong.password", "no idea\n");
  EXPECT_THAT(problem("/nowhere/push.pem"), HasSubstr("/nowhere/push.pem cannot be read"));
  EXPECT_THAT(problem(files().pkcs12_file(), "/nowhere/password"),
              HasSubstr("/nowhere/password cannot be read"));
  EXPECT_THAT(problem(files().pkcs12_file(), wrong), HasSubstr("is not opened by the password"));
  EXPECT_THAT(problem(files().pkcs12_file()), HasSubstr("certificate_password_file"));
  EXPECT_THAT(problem(files().locked_certificate_file()), HasSubstr("has no private key"));
  EXPECT_THAT(problem(files().locked_certificate_file(), wrong), HasSubstr("has no private key"));
  EXPECT_THAT(problem(files().ca_file()), HasSubstr("has no private key"));
  EXPECT_THAT(problem(files().apns_key_file()), HasSubstr("has no certificate in PEM form"));
  EXPECT_THAT(problem(files().write("noise.p12", "neither")),
              HasSubstr("is neither PEM nor PKCS#12"));
  for (const std::string& password : {std::string("open sesame"), std::string("no idea")}) {
    EXPECT_THAT(problem(files().pkcs12_file(), wrong), testing::Not(HasSubstr(password)));
  }
}

TEST(ClientCertificate, MustBelongToTheKeyBesideIt) {
  std::ifstream certificate(files().ca_file());
  std::ifstream key(files().apns_key_file());
  std::string text(std::istreambuf_iterator<char>(certificate), {});
  text.append(std::istreambuf_iterator<char>(key), {});
  EXPECT_THAT(problem(files().write("strangers.pem", text)),
              HasSubstr("has no certificate that belongs to its key"));
}

}  // namespace
}  // namespace carillon::push::auth::client_certificate_test
