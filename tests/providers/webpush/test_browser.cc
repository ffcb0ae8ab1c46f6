#include "tests/providers/webpush/test_browser.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <vector>

namespace carillon::push::test {
namespace {

unsigned char* raw(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

std::string url_base64(std::string_view bytes) {
  std::string text(4 * (bytes.size() / 3 + 1) + 1, '\0');
  const int size = EVP_EncodeBlock(raw(text), raw(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string hkdf(std::string salt, std::string ikm, std::string info, std::size_t size) {
  const std::unique_ptr<EVP_KDF, void (*)(EVP_KDF*)> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr),
                                                         &EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, void (*)(EVP_KDF_CTX*)> context(EVP_KDF_CTX_new(kdf.get()),
                                                                     &EVP_KDF_CTX_free);
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, ikm.data(), ikm.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_END};
  std::string out(size, '\0');
  must(EVP_KDF_derive(context.get(), raw(out), size, params) == 1, "HKDF");
  return out;
}

std::optional<std::string> agree(EVP_PKEY* own, std::string_view their_point) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> theirs(EVP_PKEY_new(), &EVP_PKEY_free);
  must(EVP_PKEY_copy_parameters(theirs.get(), own) == 1, "parameters");
  if (EVP_PKEY_set1_encoded_public_key(theirs.get(), raw(their_point), their_point.size()) != 1) {
    return std::nullopt;
  }
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new(own, nullptr), &EVP_PKEY_CTX_free);
  std::string shared(32, '\0');
  std::size_t size = shared.size();
  must(EVP_PKEY_derive_init(context.get()) == 1 &&
           EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
           EVP_PKEY_derive(context.get(), raw(shared), &size) == 1,
       "ECDH");
  return shared;
}

std::optional<std::string> decrypt(const std::string& key, const std::string& nonce,
                                   std::string_view record) {
  constexpr std::size_t kTag = 16;
  if (record.size() < kTag + 1) return std::nullopt;
  std::string tag(record.substr(record.size() - kTag));
  record.remove_suffix(kTag);
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(),
                                                                           &EVP_CIPHER_CTX_free);
  std::string text(record.size(), '\0');
  int size = 0;
  must(EVP_DecryptInit(context.get(), EVP_aes_128_gcm(), raw(key), raw(nonce)) == 1 &&
           EVP_DecryptUpdate(context.get(), raw(text), &size, raw(record),
                             static_cast<int>(record.size())) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1,
       "AES-GCM");
  int more = 0;
  if (EVP_DecryptFinal(context.get(), raw(text) + size, &more) != 1) return std::nullopt;
  while (text.ends_with('\0')) text.pop_back();
  if (!text.ends_with('\2')) return std::nullopt;
  text.pop_back();
  return text;
}

}  // namespace

TestBrowser::TestBrowser() : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free), auth_(16, '\0') {
  unsigned char* point = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key_.get(), &point);
  point_.assign(reinterpret_cast<char*>(point), size);
  OPENSSL_free(point);
  must(size == 65 && RAND_bytes(raw(auth_), 16) == 1, "a browser's keys");
}

std::string TestBrowser::p256dh() const {
  return url_base64(point_);
}
std::string TestBrowser::auth() const {
  return url_base64(auth_);
}
std::string TestBrowser::token(std::string_view endpoint) const {
  return std::string(endpoint) + " " + p256dh() + " " + auth();
}

std::optional<std::string> TestBrowser::open(std::string_view body) const {
  if (body.size() < 86 || body[20] != 65) return std::nullopt;
  const std::string salt(body.substr(0, 16));
  const std::string sender(body.substr(21, 65));
  const auto shared = agree(key_.get(), sender);
  if (!shared) return std::nullopt;
  const std::string ikm =
      hkdf(auth_, *shared, std::string("WebPush: info") + '\0' + point_ + sender, 32);
  return decrypt(hkdf(salt, ikm, std::string("Content-Encoding: aes128gcm") + '\0', 16),
                 hkdf(salt, ikm, std::string("Content-Encoding: nonce") + '\0', 12),
                 body.substr(86));
}

}  // namespace carillon::push::test
