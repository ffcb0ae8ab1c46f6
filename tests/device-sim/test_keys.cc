#include "tests/device-sim/test_keys.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cctype>
#include <stdexcept>

namespace device_sim {
namespace {

constexpr const char* kAuthorityName = "Test authority";

void must(bool good) {
  if (!good) throw std::runtime_error("OpenSSL failed in a test fixture");
}

template <typename Write>
std::string pem_of(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  must(write(bio) == 1);
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(length));
  BIO_free(bio);
  return pem;
}

std::string raw_of_der(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
  must(signature != nullptr);
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
  ECDSA_SIG_free(signature);
  return raw;
}

}  // namespace

TestKey::TestKey(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {
  must(key != nullptr);
}

TestKey TestKey::ec_p256() {
  return TestKey(EVP_EC_gen("P-256"));
}
TestKey TestKey::ec_p384() {
  return TestKey(EVP_EC_gen("P-384"));
}
TestKey TestKey::rsa() {
  return TestKey(EVP_RSA_gen(2048));
}

std::string TestKey::public_pem() const {
  return pem_of([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key_.get()); });
}

std::string TestKey::private_pem() const {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

PublicKey TestKey::public_key(PublicKey::Kind kind) const {
  return PublicKey::from_pem(public_pem(), kind).value();
}

std::string TestKey::sign(std::string_view text) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  must(EVP_DigestSignInit_ex(context, nullptr, "SHA256", nullptr, nullptr, key_.get(), nullptr) ==
       1);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t length = 0;
  must(EVP_DigestSign(context, nullptr, &length, bytes, text.size()) == 1);
  std::string signature(length, '\0');
  must(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &length, bytes,
                      text.size()) == 1);
  signature.resize(length);
  EVP_MD_CTX_free(context);
  return signature;
}

std::string TestKey::self_signed_certificate_pem() const {
  return certificate_of_itself("localhost", NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
}

std::string TestKey::authority_certificate_pem() const {
  return certificate_of_itself(kAuthorityName, NID_basic_constraints, "critical,CA:TRUE");
}

std::string TestKey::certificate_of_itself(const char* common_name, int extension,
                                           const char* value) const {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, key_.get());
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, extension, value);
  must(names != nullptr);
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  must(X509_sign(certificate, key_.get(), EVP_sha256()) != 0);
  std::string pem = pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
  X509_free(certificate);
  return pem;
}

std::string TestKey::client_certificate_pem(const ClientCertificateOrder& order,
                                            const TestKey& issuer) const {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), order.valid_seconds);
  X509_set_pubkey(certificate, key_.get());
  const auto add = [](X509_NAME* name, int nid, const std::string& text) {
    must(X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                                    0) == 1);
  };
  add(X509_get_subject_name(certificate), NID_commonName, "Apple Push Services");
  if (!order.uid.empty()) add(X509_get_subject_name(certificate), NID_userId, order.uid);
  X509_NAME* by = X509_NAME_new();
  add(by, NID_commonName, kAuthorityName);
  X509_set_issuer_name(certificate, by);
  X509_NAME_free(by);
  if (!order.topics.empty()) {
    // OpenSSL's own way to write ASN.1, as `openssl asn1parse -genconf` reads it.
    std::string section = "[topics]\n";
    for (std::size_t i = 0; i < order.topics.size(); ++i) {
      section += fmt::format("t{0}=UTF8:{1}\nk{0}=SEQUENCE:kind\n", i, order.topics[i]);
    }
    section += "[kind]\nk=UTF8:app\n";
    BIO* text = BIO_new_mem_buf(section.data(), static_cast<int>(section.size()));
    CONF* conf = NCONF_new(nullptr);
    must(NCONF_load_bio(conf, text, nullptr) == 1);
    X509V3_CTX context;
    X509V3_set_ctx(&context, nullptr, certificate, nullptr, nullptr, 0);
    X509V3_set_nconf(&context, conf);
    X509_EXTENSION* extension =
        X509V3_EXT_nconf(conf, &context, "1.2.840.113635.100.6.3.6", "ASN1:SEQUENCE:topics");
    must(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    NCONF_free(conf);
    BIO_free(text);
  }
  must(X509_sign(certificate, issuer.key_.get(), EVP_sha256()) != 0);
  std::string pem = pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
  X509_free(certificate);
  return pem;
}

const TestKey& apns_test_key() {
  static const TestKey kKey = TestKey::ec_p256();
  return kKey;
}

const TestKey& fcm_test_key() {
  static const TestKey kKey = TestKey::rsa();
  return kKey;
}

std::string make_es256_jwt(const TestKey& key, const nlohmann::json& header,
                           const nlohmann::json& claims, SignatureForm form) {
  const std::string text = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  const std::string der = key.sign(text);
  return text + "." + base64url_encode(form == SignatureForm::kDer ? der : raw_of_der(der));
}

std::string make_rs256_jwt(const TestKey& key, const nlohmann::json& header,
                           const nlohmann::json& claims) {
  const std::string text = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  return text + "." + base64url_encode(key.sign(text));
}

std::string apns_authorization(std::int64_t issued_s) {
  return "bearer " + make_es256_jwt(apns_test_key(), {{"alg", "ES256"}, {"kid", kTestKeyId}},
                                    {{"iss", kTestTeamId}, {"iat", issued_s}});
}

std::string form_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string oauth_form(std::int64_t issued_s) {
  const std::string assertion =
      make_rs256_jwt(fcm_test_key(), {{"alg", "RS256"}},
                     {{"iss", kTestEmail},
                      {"scope", "https://www.googleapis.com/auth/firebase.messaging"},
                      {"aud", kTestTokenUri},
                      {"iat", issued_s},
                      {"exp", issued_s + 3'600}});
  return "grant_type=" + form_encode("urn:ietf:params:oauth:grant-type:jwt-bearer") +
         "&assertion=" + assertion;
}

}  // namespace device_sim
