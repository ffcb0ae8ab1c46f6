#include "providers/auth/client_certificate.h"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <optional>
#include <utility>

#include "providers/auth/private_key.h"

namespace carillon::push::auth {
namespace {

// Apple's extensions that name the topics of a certificate for several: a SEQUENCE of each topic
// and a SEQUENCE of its kinds in turn.
constexpr const char* kTopicExtensions[] = {"1.2.840.113635.100.6.3.6", "1.2.840.113635.100.6.3.4"};

using Certificate = std::shared_ptr<X509>;
using Key = std::shared_ptr<EVP_PKEY>;

struct Contents {
  Key key;
  std::vector<Certificate> certificates;
};

std::unique_ptr<BIO, int (*)(BIO*)> memory_bio(std::string_view bytes) {
  std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), &BIO_free);
  if (bio == nullptr) throw std::bad_alloc();
  return bio;
}

tl::expected<Contents, std::string> read_pem(std::string_view pem, const std::string& password) {
  Contents contents{.key = parse_private_key(pem, password), .certificates = {}};
  const auto bio = memory_bio(pem);
  while (X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    contents.certificates.emplace_back(certificate, X509_free);
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  if (contents.certificates.empty()) {
    return tl::unexpected<std::string>("has no certificate in PEM form");
  }
  if (contents.key == nullptr) {
    return tl::unexpected<std::string>(
        "has no private key in PEM form that its password opens: certificate and key go into one "
        "file");
  }
  return contents;
}

// Apple's Keychain writes PKCS#12 with RC2 and triple DES, which OpenSSL 3 has in its legacy
// provider. In a context of its own, so that nothing else in the process may use them.
class LegacyContext {
 public:
  LegacyContext() : context_(OSSL_LIB_CTX_new()) {
    if (context_ == nullptr) throw std::bad_alloc();
    // Where there is no legacy provider, such a file cannot be opened, others can.
    legacy_ = OSSL_PROVIDER_load(context_, "legacy");
    standard_ = OSSL_PROVIDER_load(context_, "default");
    ERR_clear_error();
  }
  ~LegacyContext() {
    if (legacy_ != nullptr) OSSL_PROVIDER_unload(legacy_);
    if (standard_ != nullptr) OSSL_PROVIDER_unload(standard_);
    OSSL_LIB_CTX_free(context_);
  }
  LegacyContext(const LegacyContext&) = delete;
  LegacyContext& operator=(const LegacyContext&) = delete;

  OSSL_LIB_CTX* get() const noexcept { return context_; }

 private:
  OSSL_LIB_CTX* context_;
  OSSL_PROVIDER* legacy_ = nullptr;
  OSSL_PROVIDER* standard_ = nullptr;
};

// The same in the process's own context: what was parsed in the other one goes with it.
Certificate own_copy(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size < 0) throw std::bad_alloc();
  const unsigned char* begin = der;
  Certificate copy(d2i_X509(nullptr, &begin, size), X509_free);
  OPENSSL_free(der);
  return copy;
}

Key own_copy(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(key, &der);
  if (size < 0) return nullptr;
  const unsigned char* begin = der;
  Key copy(d2i_AutoPrivateKey(nullptr, &begin, size), EVP_PKEY_free);
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return copy;
}

tl::expected<Contents, std::string> read_pkcs12(std::string_view bytes,
                                                const std::string& password) {
  const LegacyContext context;
  PKCS12* box = PKCS12_init_ex(NID_pkcs7_data, context.get(), nullptr);
  if (box == nullptr) throw std::bad_alloc();
  const auto bio = memory_bio(bytes);
  if (d2i_PKCS12_bio(bio.get(), &box) == nullptr) {
    PKCS12_free(box);
    ERR_clear_error();
    return tl::unexpected<std::string>("is neither PEM nor PKCS#12");
  }
  const std::unique_ptr<PKCS12, void (*)(PKCS12*)> held(box, &PKCS12_free);
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool opened = PKCS12_parse(box, password.c_str(), &key, &leaf, &others) == 1;
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> held_key(key, &EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> held_leaf(leaf, &X509_free);
  const auto free_all = [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, &X509_free); };
  const std::unique_ptr<STACK_OF(X509), decltype(free_all)> held_others(others, free_all);
  if (!opened) {
    if (ERR_GET_REASON(error) == PKCS12_R_MAC_VERIFY_FAILURE) {
      return tl::unexpected<std::string>(password.empty() ? "has a password: name its file in "
                                                            "certificate_password_file"
                                                          : "is not opened by the password");
    }
    const char* const word = ERR_reason_error_string(error);
    return tl::unexpected(
        fmt::format("cannot be opened ({})", word != nullptr ? word : "unknown error"));
  }
  if (key == nullptr || leaf == nullptr) {
    return tl::unexpected<std::string>("does not hold a certificate with its private key");
  }
  Contents contents{.key = own_copy(key), .certificates = {own_copy(leaf)}};
  for (int i = 0; others != nullptr && i < sk_X509_num(others); ++i) {
    contents.certificates.push_back(own_copy(sk_X509_value(others, i)));
  }
  return contents;
}

std::string text_of(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return result;
}

std::string uid_of(X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_userId, -1);
  if (at < 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

// The texts of the outermost SEQUENCE; those in sequences inside are the topics' kinds.
void read_topics(const ASN1_OCTET_STRING* extension, std::vector<std::string>& topics) {
  const unsigned char* at = ASN1_STRING_get0_data(extension);
  const unsigned char* const end = at + ASN1_STRING_length(extension);
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  // 0x80: not DER. The function checks the length against what is left.
  if ((ASN1_get_object(&at, &length, &tag, &tag_class, end - at) & 0x80) != 0) return;
  if (tag != V_ASN1_SEQUENCE) return;
  const unsigned char* const inner_end = at + length;
  while (at < inner_end) {
    if ((ASN1_get_object(&at, &length, &tag, &tag_class, inner_end - at) & 0x80) != 0) return;
    const bool is_text = tag == V_ASN1_UTF8STRING || tag == V_ASN1_IA5STRING;
    if (is_text && tag_class == V_ASN1_UNIVERSAL && length > 0) {
      topics.emplace_back(reinterpret_cast<const char*>(at), static_cast<std::size_t>(length));
    }
    at += length;
  }
}

std::vector<std::string> topics_of(X509* certificate) {
  std::vector<std::string> topics;
  for (const char* const id : kTopicExtensions) {
    const std::unique_ptr<ASN1_OBJECT, void (*)(ASN1_OBJECT*)> object(OBJ_txt2obj(id, 1),
                                                                      &ASN1_OBJECT_free);
    const int at = X509_get_ext_by_OBJ(certificate, object.get(), -1);
    if (at >= 0) {
      read_topics(X509_EXTENSION_get_data(X509_get_ext(certificate, at)), topics);
    }
  }
  if (topics.empty()) {
    if (std::string uid = uid_of(certificate); !uid.empty()) topics.push_back(std::move(uid));
  }
  ERR_clear_error();
  return topics;
}

std::chrono::sys_seconds end_of(X509* certificate) {
  std::tm time{};
  // Only of a time that no certificate parser takes; then it has ended at the epoch.
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&time)));
}

tl::expected<std::string, std::string> read_password(const std::string& path) {
  if (path.empty()) return std::string();
  auto password = read_credential_file(path);
  if (!password) return password;
  if (password->ends_with('\n')) password->pop_back();
  if (password->ends_with('\r')) password->pop_back();
  return password;
}

}  // namespace

auto ClientCertificate::from_file(const std::string& path, const std::string& password_file)
    -> tl::expected<ClientCertificate, std::string> {
  const auto bytes = read_credential_file(path);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto password = read_password(password_file);
  if (!password) return tl::unexpected(password.error());
  const bool is_pem = bytes->find("-----BEGIN ") != std::string::npos;
  auto contents = is_pem ? read_pem(*bytes, *password) : read_pkcs12(*bytes, *password);
  if (!contents) return tl::unexpected(fmt::format("{} {}", path, contents.error()));

  // Whichever belongs to the key is the leaf: tools write the issuers before or behind it.
  auto& certificates = contents->certificates;
  const auto leaf = std::ranges::find_if(certificates, [&](const Certificate& certificate) {
    return certificate != nullptr && contents->key != nullptr &&
           X509_check_private_key(certificate.get(), contents->key.get()) == 1;
  });
  ERR_clear_error();
  if (leaf == certificates.end()) {
    return tl::unexpected(fmt::format("{} has no certificate that belongs to its key", path));
  }
  ClientCertificate certificate;
  certificate.key_ = std::move(contents->key);
  certificate.leaf_ = *leaf;
  certificates.erase(leaf);
  certificate.chain_ = std::move(certificates);
  certificate.topics_ = topics_of(certificate.leaf_.get());
  certificate.expires_at_ = end_of(certificate.leaf_.get());
  return certificate;
}

bool ClientCertificate::may_send_to(std::string_view topic) const {
  return topics_.empty() || std::ranges::find(topics_, topic) != topics_.end();
}

}  // namespace carillon::push::auth
