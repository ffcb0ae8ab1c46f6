#include "device-sim/gateway/access_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>
#include <stdexcept>

#include "device-sim/gateway/jwt.h"

namespace device_sim {
namespace {

constexpr std::string_view kPrefix = "ya29.";
constexpr std::size_t kExpiryBytes = 8;
constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kMacBytes = 32;

std::string mac_of(const AccessTokenKey& key, std::string_view text) {
  std::string mac(kMacBytes, '\0');
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), &length);
  return mac;
}

void fill_random(unsigned char* out, std::size_t length) {
  if (RAND_bytes(out, static_cast<int>(length)) != 1) {
    throw std::runtime_error("the system gives no random bytes");
  }
}

}  // namespace

AccessTokenKey random_access_token_key() {
  AccessTokenKey key;
  fill_random(key.data(), key.size());
  return key;
}

std::string AccessTokens::issue(std::int64_t now_s) const {
  std::string sealed(kExpiryBytes + kNonceBytes, '\0');
  const std::int64_t expiry_s = now_s + kAccessTokenSeconds;
  std::memcpy(sealed.data(), &expiry_s, kExpiryBytes);
  fill_random(reinterpret_cast<unsigned char*>(sealed.data()) + kExpiryBytes, kNonceBytes);
  sealed += mac_of(key_, sealed);
  return std::string(kPrefix) + base64url_encode(sealed);
}

AccessTokenVerdict AccessTokens::check(std::string_view token, std::int64_t now_s) {
  if (verified_.empty() || token != verified_) {
    if (!token.starts_with(kPrefix)) return AccessTokenVerdict::kInvalid;
    const auto sealed = base64url_decode(token.substr(kPrefix.size()));
    if (!sealed || sealed->size() != kExpiryBytes + kNonceBytes + kMacBytes) {
      return AccessTokenVerdict::kInvalid;
    }
    const std::string_view text = std::string_view(*sealed).substr(0, kExpiryBytes + kNonceBytes);
    const std::string mac = mac_of(key_, text);
    if (CRYPTO_memcmp(mac.data(), sealed->data() + text.size(), kMacBytes) != 0) {
      return AccessTokenVerdict::kInvalid;
    }
    verified_ = token;
    std::memcpy(&verified_expiry_s_, text.data(), kExpiryBytes);
  }
  return now_s < verified_expiry_s_ ? AccessTokenVerdict::kValid : AccessTokenVerdict::kExpired;
}

}  // namespace device_sim
