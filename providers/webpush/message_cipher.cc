#include "providers/webpush/message_cipher.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cassert>
#include <cstring>
#include <new>

#include "providers/webpush/p256.h"

namespace carillon::push {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* made) const {
    Free(made);
  }
};

using Hash = std::array<std::uint8_t, 32>;
using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t kRecordSize = 4096;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kNonceBytes = 12;
constexpr char kLastRecord = 0x02;  // RFC 8188, 2: the delimiter of the last record

// With the zero byte at their ends and, for HKDF's only block, its number.
constexpr std::string_view kInfoStart{"WebPush: info\0", 14};
constexpr std::string_view kKeyInfo{"Content-Encoding: aes128gcm\0\1", 29};
constexpr std::string_view kNonceInfo{"Content-Encoding: nonce\0\1", 25};
constexpr std::uint8_t kFirstBlock = 1;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What OpenSSL can still refuse here is memory.
void expect(bool done) {
  if (!done) throw std::bad_alloc();
}

}  // namespace

struct MessageCipher::Contexts {
  Contexts() {
    const std::unique_ptr<EVP_MAC, Deleter<EVP_MAC_free>> mac(
        EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    cipher.reset(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr));
    expect(mac != nullptr && cipher != nullptr);
    hmac.reset(EVP_MAC_CTX_new(mac.get()));
    gcm.reset(EVP_CIPHER_CTX_new());
    numbers.reset(BN_CTX_new());
    scalar.reset(BN_secure_new());
    own_point.reset(EC_POINT_new(p256_group()));
    their_point.reset(EC_POINT_new(p256_group()));
    shared_point.reset(EC_POINT_new(p256_group()));
    expect(hmac != nullptr && gcm != nullptr && numbers != nullptr && scalar != nullptr &&
           own_point != nullptr && their_point != nullptr && shared_point != nullptr);
    BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_END};
    expect(EVP_MAC_CTX_set_params(hmac.get(), params) == 1);
    expect(EVP_EncryptInit_ex2(gcm.get(), cipher.get(), nullptr, nullptr, nullptr) == 1);
  }

  Hash mac(Bytes key, std::initializer_list<Bytes> parts) {
    Hash out;
    std::size_t size = 0;
    expect(EVP_MAC_init(hmac.get(), key.data(), key.size(), nullptr) == 1);
    for (const Bytes part : parts) {
      expect(EVP_MAC_update(hmac.get(), part.data(), part.size()) == 1);
    }
    expect(EVP_MAC_final(hmac.get(), out.data(), &size, out.size()) == 1 && size == out.size());
    return out;
  }

  // The X coordinate of the shared point (SEC 1, 3.3.1). False: theirs is no point of the curve.
  // `own` becomes the public key of `scalar`.
  bool agree(std::span<const std::uint8_t, kSubscriptionPointBytes> theirs,
             std::array<std::uint8_t, kSubscriptionPointBytes>& own, Hash& shared) {
    const EC_GROUP* group = p256_group();
    if (theirs[0] != POINT_CONVERSION_UNCOMPRESSED ||
        EC_POINT_oct2point(group, their_point.get(), theirs.data(), theirs.size(), numbers.get()) !=
            1) {
      ERR_clear_error();
      return false;
    }
    std::array<std::uint8_t, kSubscriptionPointBytes> both;
    expect(EC_POINT_mul(group, own_point.get(), scalar.get(), nullptr, nullptr, numbers.get()) ==
               1 &&
           EC_POINT_mul(group, shared_point.get(), nullptr, their_point.get(), scalar.get(),
                        numbers.get()) == 1 &&
           EC_POINT_point2oct(group, own_point.get(), POINT_CONVERSION_UNCOMPRESSED, own.data(),
                              own.size(), numbers.get()) == own.size() &&
           EC_POINT_point2oct(group, shared_point.get(), POINT_CONVERSION_UNCOMPRESSED, both.data(),
                              both.size(), numbers.get()) == both.size());
    std::memcpy(shared.data(), both.data() + 1, shared.size());
    return true;
  }

  std::unique_ptr<EVP_CIPHER, Deleter<EVP_CIPHER_free>> cipher;
  std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>> hmac;
  std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>> gcm;
  std::unique_ptr<BN_CTX, Deleter<BN_CTX_free>> numbers;
  std::unique_ptr<BIGNUM, Deleter<BN_clear_free>> scalar;
  std::unique_ptr<EC_POINT, Deleter<EC_POINT_free>> own_point, their_point;
  std::unique_ptr<EC_POINT, Deleter<EC_POINT_clear_free>> shared_point;
};

MessageCipher::MessageCipher() : contexts_(std::make_unique<Contexts>()) {}
MessageCipher::~MessageCipher() = default;

bool MessageCipher::seal(const SubscriptionKeys& to, std::string_view plaintext, std::string& out) {
  MessageSecrets secrets;
  expect(RAND_bytes(secrets.salt.data(), static_cast<int>(secrets.salt.size())) == 1);
  BIGNUM* scalar = contexts_->scalar.get();
  do {
    expect(BN_priv_rand_range(scalar, EC_GROUP_get0_order(p256_group())) == 1);
  } while (BN_is_zero(scalar) == 1);
  expect(BN_bn2binpad(scalar, secrets.private_key.data(),
                      static_cast<int>(secrets.private_key.size())) > 0);
  const bool sealed = seal(to, plaintext, secrets, out);
  OPENSSL_cleanse(secrets.private_key.data(), secrets.private_key.size());
  return sealed;
}

bool MessageCipher::seal(const SubscriptionKeys& to, std::string_view plaintext,
                         const MessageSecrets& secrets, std::string& out) {
  expect(BN_bin2bn(secrets.private_key.data(), static_cast<int>(secrets.private_key.size()),
                   contexts_->scalar.get()) != nullptr);
  std::array<std::uint8_t, kSubscriptionPointBytes> own;
  Hash shared;
  if (!contexts_->agree(to.p256dh, own, shared)) return false;
  // RFC 8291, 3.4: the agreed secret and the browser's make the key material.
  const Hash prk = contexts_->mac(to.auth, {shared});
  const Hash ikm =
      contexts_->mac(prk, {bytes_of(kInfoStart), to.p256dh, own, Bytes(&kFirstBlock, 1)});
  seal_record(ikm, secrets.salt, own, plaintext, out);
  return true;
}

void MessageCipher::seal_record(std::span<const std::uint8_t> ikm,
                                std::span<const std::uint8_t, 16> salt,
                                std::span<const std::uint8_t> keyid, std::string_view plaintext,
                                std::string& out) {
  assert(plaintext.size() + 1 + kTagBytes <= kRecordSize && keyid.size() <= 255);
  const Hash prk = contexts_->mac(salt, {ikm});
  const Hash key = contexts_->mac(prk, {bytes_of(kKeyInfo)});
  const Hash nonce = contexts_->mac(prk, {bytes_of(kNonceInfo)});
  static_assert(kKeyBytes <= Hash().size() && kNonceBytes <= Hash().size());

  out.append(reinterpret_cast<const char*>(salt.data()), salt.size());
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(kRecordSize >> shift));
  out.push_back(static_cast<char>(keyid.size()));
  out.append(reinterpret_cast<const char*>(keyid.data()), keyid.size());
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + 1 + kTagBytes);
  auto* to = reinterpret_cast<std::uint8_t*>(out.data() + start);
  EVP_CIPHER_CTX* gcm = contexts_->gcm.get();
  const Bytes text = bytes_of(plaintext);
  int written = 0;
  int more = 0;
  expect(EVP_EncryptInit_ex2(gcm, nullptr, key.data(), nonce.data(), nullptr) == 1 &&
         EVP_EncryptUpdate(gcm, to, &written, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_EncryptUpdate(gcm, to + written, &more,
                           reinterpret_cast<const std::uint8_t*>(&kLastRecord), 1) == 1);
  written += more;
  expect(EVP_EncryptFinal_ex(gcm, to + written, &more) == 1 &&
         EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes),
                             to + written + more) == 1);
}

}  // namespace carillon::push
