#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "device-sim/gateway/jwt.h"

struct evp_pkey_st;

namespace device_sim {

// What a client certificate shall say.
struct ClientCertificateOrder {
  std::string uid;                  // of the subject; empty: none
  std::vector<std::string> topics;  // of Apple's extension; empty: none
  long valid_seconds = 3'600;
};

// A key pair that is made for the test run.
class TestKey {
 public:
  static TestKey ec_p256();
  static TestKey ec_p384();
  static TestKey rsa();

  std::string public_pem() const;
  std::string private_pem() const;
  PublicKey public_key(PublicKey::Kind kind) const;

  // ASN.1 DER for an EC key.
  std::string sign(std::string_view text) const;
  // A certificate for localhost and 127.0.0.1 that it has signed itself.
  std::string self_signed_certificate_pem() const;
  // The same of an authority for clients.
  std::string authority_certificate_pem() const;
  // A client's, of this key, signed by `issuer` as an authority.
  std::string client_certificate_pem(const ClientCertificateOrder& order,
                                     const TestKey& issuer) const;

 private:
  std::string certificate_of_itself(const char* common_name, int extension,
                                    const char* value) const;
  explicit TestKey(evp_pkey_st* key);
  std::shared_ptr<evp_pkey_st> key_;
};

// The same two keys for the whole run: making an RSA key takes a while.
const TestKey& apns_test_key();
const TestKey& fcm_test_key();

enum class SignatureForm { kRaw, kDer };

std::string make_es256_jwt(const TestKey& key, const nlohmann::json& header,
                           const nlohmann::json& claims, SignatureForm form = SignatureForm::kRaw);
std::string make_rs256_jwt(const TestKey& key, const nlohmann::json& header,
                           const nlohmann::json& claims);

inline constexpr const char* kTestKeyId = "ABCDE12345";
inline constexpr const char* kTestTeamId = "TEAM123456";
inline constexpr const char* kTestEmail = "push@carillon-demo.iam.gserviceaccount.com";
inline constexpr const char* kTestTokenUri = "https://localhost:8444/token";

// "bearer <JWT>" as the simulated Apple takes it.
std::string apns_authorization(std::int64_t issued_s);
// The form of POST /token.
std::string oauth_form(std::int64_t issued_s);
std::string form_encode(std::string_view text);

}  // namespace device_sim
