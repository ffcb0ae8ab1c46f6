#include "device-sim/gateway/message_opener.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <new>

namespace device_sim {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeadBytes = kSaltBytes + 4 + 1;  // salt, record size, length of the key id
constexpr std::size_t kGcmTagBytes = 16;
constexpr std::size_t kGcmNonceBytes = 12;
constexpr std::size_t kGcmKeyBytes = 16;
constexpr std::uint32_t kRecordSizeMin = 18;  // RFC 8188 §2: smaller ones hold no text

std::uint32_t record_size(std::string_view body) {
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    size = size << 8 | static_cast<unsigned char>(body[kSaltBytes + i]);
  }
  return size;
}

std::size_t key_id_length(std::string_view body) {
  return static_cast<unsigned char>(body[kHeadBytes - 1]);
}

// RFC 8188 §2.3: the nonce of record n has n in its last bytes, by exclusive or.
std::string nonce_of(std::string nonce, std::uint64_t record) {
  for (std::size_t i = 0; i < 8; ++i) {
    char& byte = nonce[kGcmNonceBytes - 1 - i];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (record >> (8 * i) & 0xff));
  }
  return nonce;
}

const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void expect_memory(bool done) {
  if (!done) throw std::bad_alloc();
}

OSSL_PARAM octets(const char* name, std::string_view bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

template <std::size_t kBytes>
std::string_view view(const std::array<std::uint8_t, kBytes>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void MessageOpener::free_kdf(evp_kdf_ctx_st* context) {
  EVP_KDF_CTX_free(context);
}
void MessageOpener::free_cipher(evp_cipher_ctx_st* context) {
  EVP_CIPHER_CTX_free(context);
}

MessageOpener::MessageOpener() {
  EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  kdf_.reset(EVP_KDF_CTX_new(kdf));
  EVP_KDF_free(kdf);
  EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  gcm_.reset(EVP_CIPHER_CTX_new());
  expect_memory(kdf_ && gcm_ && cipher != nullptr);
  expect_memory(EVP_DecryptInit_ex2(gcm_.get(), cipher, nullptr, nullptr, nullptr) == 1);
  EVP_CIPHER_free(cipher);
}
MessageOpener::~MessageOpener() = default;

std::string MessageOpener::hkdf(std::string_view salt, std::string_view ikm, std::string_view info,
                                std::size_t bytes) {
  EVP_KDF_CTX_reset(kdf_.get());  // it would add to its info from call to call
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_KEY, ikm),
                               octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_END};
  std::string out(bytes, '\0');
  expect_memory(
      EVP_KDF_derive(kdf_.get(), reinterpret_cast<unsigned char*>(out.data()), bytes, params) == 1);
  return out;
}

bool MessageOpener::open_record(std::string_view key, std::string_view nonce,
                                std::string_view record, std::string& text) {
  std::string tag(record.substr(record.size() - kGcmTagBytes));
  record.remove_suffix(kGcmTagBytes);
  text.resize(record.size());
  auto* to = reinterpret_cast<unsigned char*>(text.data());
  int size = 0;
  expect_memory(
      EVP_DecryptInit_ex2(gcm_.get(), nullptr, raw(key), raw(nonce), nullptr) == 1 &&
      EVP_DecryptUpdate(gcm_.get(), to, &size, raw(record), static_cast<int>(record.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(gcm_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kGcmTagBytes),
                          tag.data()) == 1);
  const bool genuine = EVP_DecryptFinal_ex(gcm_.get(), to + size, &size) == 1;
  if (!genuine) ERR_clear_error();  // entries would confuse the TLS code
  return genuine;
}

std::optional<std::string> MessageOpener::open_records(std::string_view ikm,
                                                       std::string_view body) {
  if (body.size() < kHeadBytes || body.size() < kHeadBytes + key_id_length(body)) {
    return std::nullopt;
  }
  const std::uint32_t size = record_size(body);
  if (size < kRecordSizeMin) return std::nullopt;
  const std::string_view salt = body.substr(0, kSaltBytes);
  const std::string key = hkdf(salt, ikm, {"Content-Encoding: aes128gcm\0", 28}, kGcmKeyBytes);
  const std::string nonce = hkdf(salt, ikm, {"Content-Encoding: nonce\0", 24}, kGcmNonceBytes);
  std::string_view rest = body.substr(kHeadBytes + key_id_length(body));
  std::string text;
  std::string record_text;
  for (std::uint64_t record = 0; !rest.empty(); ++record) {
    const std::string_view sealed = rest.substr(0, size);
    rest.remove_prefix(sealed.size());
    if (sealed.size() <= kGcmTagBytes ||
        !open_record(key, nonce_of(nonce, record), sealed, record_text)) {
      return std::nullopt;
    }
    // Padding of zeros, and before it the delimiter: 2 in the last record, 1 in all others.
    const std::size_t end = record_text.find_last_not_of('\0');
    if (end == std::string::npos || record_text[end] != (rest.empty() ? '\2' : '\1')) {
      return std::nullopt;
    }
    text.append(record_text, 0, end);
  }
  if (body.size() == kHeadBytes + key_id_length(body)) return std::nullopt;  // no record at all
  return text;
}

std::optional<std::string> MessageOpener::open(const BrowserKeys& keys, std::uint64_t number,
                                               std::string_view body) {
  if (body.size() < kHeadBytes + kBrowserPointBytes || key_id_length(body) != kBrowserPointBytes) {
    return std::nullopt;
  }
  // RFC 8291 §4: a single record.
  if (body.size() - kHeadBytes - kBrowserPointBytes > record_size(body)) return std::nullopt;
  const std::string_view sender = body.substr(kHeadBytes, kBrowserPointBytes);
  const auto shared = keys.agree(number, sender);
  if (!shared) return std::nullopt;
  const auto own = keys.public_key(number);
  const auto secret = keys.secret(number);
  return open_records(key_material(view(*shared), view(secret), view(own), sender), body);
}

std::string MessageOpener::key_material(std::string_view shared, std::string_view secret,
                                        std::string_view own, std::string_view sender) {
  std::string info("WebPush: info\0", 14);
  info += own;
  info += sender;
  return hkdf(secret, shared, info, 32);
}

}  // namespace device_sim
