// Keys and certificates made for one test run, in a directory of its own that goes with it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tests/temporary_folder.h"

namespace carillon::push::test {

struct CertificateFiles {
  std::string certificate;  // PEM: the chain
  std::string key;
};

class TestCredentials {
 public:
  TestCredentials();
  TestCredentials(const TestCredentials&) = delete;
  TestCredentials& operator=(const TestCredentials&) = delete;

  // One set for the whole program: keys take a while.
  static const TestCredentials& shared();

  std::string path(std::string_view name) const { return (directory_ / name).string(); }
  std::string write(std::string_view name, std::string_view text) const;

  std::string ca_file() const { return path("ca.pem"); }
  std::string other_ca_file() const { return path("other_ca.pem"); }
  CertificateFiles localhost() const { return {path("localhost.pem"), path("localhost.key")}; }
  CertificateFiles elsewhere() const { return {path("elsewhere.pem"), path("elsewhere.key")}; }
  CertificateFiles expired() const { return {path("expired.pem"), path("expired.key")}; }

  // Apple's part: client certificates of the app com.example.bells with their keys, PEM in one
  // file. Names it and its VoIP service by the extension for topics.
  std::string push_certificate_file() const { return path("push.pem"); }
  // Names the app by the UID of its subject alone.
  std::string plain_certificate_file() const { return path("push_plain.pem"); }
  std::string other_certificate_file() const { return path("push_other.pem"); }  // another app's
  std::string expired_certificate_file() const { return path("push_expired.pem"); }
  // The first one's key is encrypted with what is in password_file().
  std::string locked_certificate_file() const { return path("push_locked.pem"); }
  // The first as PKCS#12 with the same password, and as Apple's Keychain writes it.
  std::string pkcs12_file() const { return path("push.p12"); }
  std::string keychain_file() const { return path("push_keychain.p12"); }
  std::string password_file() const { return path("push.password"); }

  std::string apns_key_file() const { return path("apns.p8"); }
  std::string apns_public_pem() const { return apns_public_pem_; }
  std::string p384_key_file() const { return path("p384.pem"); }
  std::string rsa_private_pem() const { return rsa_private_pem_; }
  std::string rsa_public_pem() const { return rsa_public_pem_; }

  // A service account's JSON that names `token_uri`.
  std::string service_account_json(std::string_view token_uri) const;

 private:
  const TemporaryFolder directory_;
  std::string apns_public_pem_;
  std::string rsa_private_pem_;
  std::string rsa_public_pem_;
};

// Verified with OpenSSL's own functions, not with the code under test. `signature` as on the wire,
// base64url-decoded.
bool verify_es256_raw(std::string_view public_pem, std::string_view text,
                      std::string_view signature);
bool verify_rs256(std::string_view public_pem, std::string_view text, std::string_view signature);
std::string base64url_decode(std::string_view text);

struct Jwt {
  std::string header;  // JSON
  std::string claims;  // JSON
  std::string signed_text;
  std::string signature;
};
Jwt split_jwt(std::string_view token);

}  // namespace carillon::push::test
