#include "tests/providers/test_credentials.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

namespace carillon::push::test {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

Key ec_key(const char* curve) {
  return {EVP_EC_gen(curve), EVP_PKEY_free};
}
Key rsa_key() {
  return {EVP_RSA_gen(2048), EVP_PKEY_free};
}

template <typename Write>
std::string to_pem(Write write) {
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string private_pem(const Key& key, const char* password = nullptr) {
  return to_pem([&](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key.get(), password != nullptr ? EVP_aes_256_cbc() : nullptr,
                                  nullptr, 0, nullptr, const_cast<char*>(password));
  });
}
std::string public_pem(const Key& key) {
  return to_pem([&](BIO* bio) { PEM_write_bio_PUBKEY(bio, key.get()); });
}
std::string certificate_pem(const Certificate& certificate) {
  return to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
}

void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value), &X509_EXTENSION_free);
  if (extension == nullptr) throw std::runtime_error("cannot make a certificate's extension");
  X509_add_ext(certificate, extension.get(), -1);
}

struct CertificateRequest {
  const char* name;
  const char* alternative_names = nullptr;  // null: a certificate authority
  long valid_seconds = 3600;
  const char* uid = nullptr;  // of the subject
  std::vector<std::string> topics = {};
};

// ITU-T X.690: tag, length, content.
std::string der(char tag, const std::string& content) {
  std::string out(1, tag);
  if (content.size() >= 128) out += "\x82" + std::string(1, static_cast<char>(content.size() >> 8));
  out += static_cast<char>(content.size());
  return out + content;
}

// Apple's extension: each topic and a sequence of its kinds in turn.
void add_topics(X509* certificate, const std::vector<std::string>& topics) {
  constexpr char kUtf8 = 0x0c;
  constexpr char kSequence = 0x30;
  std::string content;
  for (const std::string& topic : topics) {
    content += der(kUtf8, topic) + der(kSequence, der(kUtf8, "app"));
  }
  const std::string bytes = der(kSequence, content);
  const std::unique_ptr<ASN1_OBJECT, void (*)(ASN1_OBJECT*)> id(
      OBJ_txt2obj("1.2.840.113635.100.6.3.6", 1), &ASN1_OBJECT_free);
  const std::unique_ptr<ASN1_OCTET_STRING, void (*)(ASN1_OCTET_STRING*)> value(
      ASN1_OCTET_STRING_new(), &ASN1_OCTET_STRING_free);
  ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                        static_cast<int>(bytes.size()));
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, id.get(), 0, value.get()), &X509_EXTENSION_free);
  X509_add_ext(certificate, extension.get(), -1);
}

Certificate make_certificate(const CertificateRequest& request, const Key& key,
                             const Certificate& issuer, const Key& issuer_key) {
  static long serial = 1;
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), request.valid_seconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(request.name), -1, -1, 0);
  if (request.uid != nullptr) {
    X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate.get()), NID_userId, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.uid), -1, -1, 0);
  }
  if (!request.topics.empty()) add_topics(certificate.get(), request.topics);
  X509* signer = issuer ? issuer.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (request.alternative_names == nullptr) {
    extend(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    extend(certificate.get(), signer, NID_subject_alt_name, request.alternative_names);
  }
  X509_sign(certificate.get(), issuer_key.get(), EVP_sha256());
  return certificate;
}

Key read_public(std::string_view pem) {
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                          &BIO_free);
  return {PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
}

bool verify(std::string_view pem, std::string_view text, std::string_view signature) {
  const Key key = read_public(pem);
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

}  // namespace

TestCredentials::TestCredentials() {
  const Key ca_key = ec_key("P-256");
  const Certificate ca = make_certificate({.name = "Test CA"}, ca_key, nullptr, ca_key);
  write("ca.pem", certificate_pem(ca));
  const Key other_key = ec_key("P-256");
  write("other_ca.pem",
        certificate_pem(make_certificate({.name = "Other CA"}, other_key, nullptr, other_key)));
  const auto leaf = [&](const std::string& name, const CertificateRequest& request) {
    const Key key = ec_key("P-256");
    write(name + ".pem", certificate_pem(make_certificate(request, key, ca, ca_key)));
    write(name + ".key", private_pem(key));
  };
  leaf("localhost",
       {.name = "localhost", .alternative_names = "DNS:localhost,IP:127.0.0.1,IP:::1"});
  leaf("elsewhere", {.name = "elsewhere", .alternative_names = "DNS:elsewhere.test"});
  leaf("expired", {.name = "localhost",
                   .alternative_names = "DNS:localhost,IP:127.0.0.1",
                   .valid_seconds = -3600});

  const auto push = [&](const std::string& name, const CertificateRequest& request) {
    const Key key = ec_key("P-256");
    const Certificate certificate = make_certificate(request, key, ca, ca_key);
    write(name, certificate_pem(certificate) + private_pem(key));
    return std::pair(certificate, key);
  };
  constexpr const char* kClient = "DNS:push.test";  // a leaf
  const auto pushed = push("push.pem", {.name = "Apple Push Services",
                                        .alternative_names = kClient,
                                        .uid = "com.example.bells",
                                        .topics = {"com.example.bells", "com.example.bells.voip"}});
  // Clang 14 captures no structured bindings.
  const auto& certificate = pushed.first;
  const auto& key = pushed.second;
  push("push_plain.pem",
       {.name = "Apple Push", .alternative_names = kClient, .uid = "com.example.bells"});
  push("push_other.pem",
       {.name = "Apple Push", .alternative_names = kClient, .uid = "com.example.other"});
  push("push_expired.pem", {.name = "Apple Push",
                            .alternative_names = kClient,
                            .valid_seconds = -3600,
                            .uid = "com.example.bells"});
  constexpr const char* kPassword = "open sesame";
  write("push.password", std::string(kPassword) + "\n");
  // The issuer first, as some tools write it.
  write("push_locked.pem",
        certificate_pem(ca) + private_pem(key, kPassword) + certificate_pem(certificate));
  const auto pack = [&](const std::string& name, OSSL_LIB_CTX* context, int key_cipher,
                        int certificate_cipher) {
    const std::unique_ptr<PKCS12, void (*)(PKCS12*)> box(
        PKCS12_create_ex(kPassword, "push", key.get(), certificate.get(), nullptr, key_cipher,
                         certificate_cipher, 0, 0, 0, context, nullptr),
        &PKCS12_free);
    if (box == nullptr) throw std::runtime_error("cannot make a PKCS#12 file");
    write(name, to_pem([&](BIO* bio) { i2d_PKCS12_bio(bio, box.get()); }));
  };
  pack("push.p12", nullptr, 0, 0);
  {
    const std::unique_ptr<OSSL_LIB_CTX, void (*)(OSSL_LIB_CTX*)> context(OSSL_LIB_CTX_new(),
                                                                         &OSSL_LIB_CTX_free);
    OSSL_PROVIDER* const standard = OSSL_PROVIDER_load(context.get(), "default");
    OSSL_PROVIDER* const legacy = OSSL_PROVIDER_load(context.get(), "legacy");
    pack("push_keychain.p12", context.get(), NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
         NID_pbe_WithSHA1And40BitRC2_CBC);
    OSSL_PROVIDER_unload(legacy);
    OSSL_PROVIDER_unload(standard);
  }

  const Key apns = ec_key("P-256");
  write("apns.p8", private_pem(apns));
  apns_public_pem_ = public_pem(apns);
  write("p384.pem", private_pem(ec_key("P-384")));
  const Key rsa = rsa_key();
  rsa_private_pem_ = private_pem(rsa);
  rsa_public_pem_ = public_pem(rsa);
}

const TestCredentials& TestCredentials::shared() {
  static const TestCredentials credentials;
  return credentials;
}

std::string TestCredentials::write(std::string_view name, std::string_view text) const {
  const std::string file = path(name);
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

std::string TestCredentials::service_account_json(std::string_view token_uri) const {
  return nlohmann::json{{"type", "service_account"},
                        {"project_id", "bell-tower"},
                        {"private_key_id", "key-1"},
                        {"private_key", rsa_private_pem_},
                        {"client_email", "relay@bell-tower.iam.gserviceaccount.com"},
                        {"token_uri", token_uri}}
      .dump();
}

bool verify_es256_raw(std::string_view pem, std::string_view text, std::string_view signature) {
  if (signature.size() != 64) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
  std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  const std::string der_text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return verify(pem, text, der_text);
}

bool verify_rs256(std::string_view pem, std::string_view text, std::string_view signature) {
  return verify(pem, text, signature);
}

std::string base64url_decode(std::string_view text) {
  std::string padded(text);
  for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
  const std::size_t padding = (4 - padded.size() % 4) % 4;
  padded.append(padding, '=');
  std::string bytes(padded.size(), '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(padded.data()),
                                   static_cast<int>(padded.size()));
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - padding);
  return bytes;
}

Jwt split_jwt(std::string_view token) {
  const auto first = token.find('.');
  const auto second = token.find('.', first + 1);
  return {.header = base64url_decode(token.substr(0, first)),
          .claims = base64url_decode(token.substr(first + 1, second - first - 1)),
          .signed_text = std::string(token.substr(0, second)),
          .signature = base64url_decode(token.substr(second + 1))};
}

}  // namespace carillon::push::test
