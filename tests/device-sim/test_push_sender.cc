#include "tests/device-sim/test_push_sender.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/device-sim/test_keys.h"

namespace device_sim {
namespace {

using PushKey = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
void expect_done(bool done) {
  if (!done) throw std::runtime_error("OpenSSL refused");
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string out(32, '\0');
  unsigned size = 0;
  expect_done(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(),
                   bytes(out), &size) != nullptr);
  return out;
}

std::string point_of(EVP_PKEY* key) {
  unsigned char* point = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key, &point);
  std::string text(reinterpret_cast<char*>(point), size);
  OPENSSL_free(point);
  return text;
}

std::string agree(EVP_PKEY* own, std::string_view their_point) {
  const PushKey theirs(EVP_PKEY_new(), &EVP_PKEY_free);
  expect_done(
      EVP_PKEY_copy_parameters(theirs.get(), own) == 1 &&
      EVP_PKEY_set1_encoded_public_key(theirs.get(), bytes(their_point), their_point.size()) == 1);
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new(own, nullptr), &EVP_PKEY_CTX_free);
  std::string shared(32, '\0');
  std::size_t size = shared.size();
  expect_done(EVP_PKEY_derive_init(context.get()) == 1 &&
              EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
              EVP_PKEY_derive(context.get(), bytes(shared), &size) == 1);
  return shared;
}

std::string encrypt(std::string_view key, std::string_view nonce, const std::string& text) {
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(),
                                                                           &EVP_CIPHER_CTX_free);
  std::string out(text.size() + 16, '\0');
  int size = 0;
  expect_done(EVP_EncryptInit(context.get(), EVP_aes_128_gcm(), bytes(key), bytes(nonce)) == 1 &&
              EVP_EncryptUpdate(context.get(), bytes(out), &size, bytes(text),
                                static_cast<int>(text.size())) == 1);
  int more = 0;
  expect_done(
      EVP_EncryptFinal(context.get(), bytes(out) + size, &more) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, bytes(out) + text.size()) == 1);
  return out;
}

}  // namespace

std::string seal_push(std::string_view public_key, std::string_view secret, std::string_view text) {
  const PushKey own(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::string sender = point_of(own.get());
  std::string salt(16, '\0');
  expect_done(RAND_bytes(bytes(salt), 16) == 1);
  const std::string info = std::string("WebPush: info") + '\0' + std::string(public_key) + sender;
  const std::string ikm = hmac(hmac(secret, agree(own.get(), public_key)), info + '\1');
  const std::string prk = hmac(salt, ikm);
  const std::string key = hmac(prk, std::string("Content-Encoding: aes128gcm") + '\0' + '\1');
  const std::string nonce = hmac(prk, std::string("Content-Encoding: nonce") + '\0' + '\1');
  return salt + std::string("\0\0\x10\0\x41", 5) + sender +
         encrypt(key.substr(0, 16), nonce.substr(0, 12), std::string(text) + '\2');
}

std::string seal_push_for(const Population& population, std::uint64_t number,
                          std::string_view text) {
  const auto view = [](const auto& array) {
    return std::string(reinterpret_cast<const char*>(array.data()), array.size());
  };
  return seal_push(view(population.browser_keys().public_key(number)),
                   view(population.browser_keys().secret(number)), text);
}

std::string vapid_authorization(std::string_view origin, std::int64_t now_s) {
  const std::string jwt =
      make_es256_jwt(apns_test_key(), {{"alg", "ES256"}, {"typ", "JWT"}},
                     {{"aud", origin}, {"exp", now_s + 3'600}, {"sub", "mailto:push@example.com"}});
  const std::string point = apns_test_key().public_key(PublicKey::Kind::kEcP256).point();
  return "vapid t=" + jwt + ", k=" + base64url_encode(point);
}

std::string webpush_text(const std::string& event) {
  return nlohmann::json{
      {"event", event},
      {"notification", {{"title", "New upload"}, {"body", "Bells"}, {"tag", event}}}}
      .dump();
}

}  // namespace device_sim
