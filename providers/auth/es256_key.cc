#include "providers/auth/es256_key.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>
#include <new>
#include <string>

#include "providers/auth/private_key.h"

namespace carillon::push::auth {
namespace {

constexpr int kCoordinateBytes = 32;

bool is_p256(EVP_PKEY* key) {
  char group[64] = {};
  std::size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
         std::string_view(group, length) == "prime256v1";
}

}  // namespace

tl::expected<Es256Key, std::string> Es256Key::from_pem(std::string_view pem) {
  auto key = parse_private_key(pem);
  if (key == nullptr)
    return tl::unexpected<std::string>("is not an unencrypted private key in PEM form");
  if (!is_p256(key.get()))
    return tl::unexpected<std::string>("is not an ECDSA key on the curve P-256");
  return Es256Key(std::move(key));
}

tl::expected<Es256Key, std::string> Es256Key::from_file(const std::string& path) {
  const auto pem = read_credential_file(path);
  if (!pem) return tl::unexpected(pem.error());
  auto key = from_pem(*pem);
  if (!key) return tl::unexpected(fmt::format("{} {}", path, key.error()));
  return key;
}

std::string Es256Key::sign(std::string_view text) const {
  const std::string der = sign_sha256(key_.get(), text);
  const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> signature(
      d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(der.size())), &ECDSA_SIG_free);
  if (signature == nullptr) throw std::bad_alloc();
  std::string raw(2 * kCoordinateBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kCoordinateBytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kCoordinateBytes, kCoordinateBytes);
  return raw;
}

std::array<std::uint8_t, 65> Es256Key::public_point() const {
  std::array<std::uint8_t, 65> point{0x04};  // uncompressed, however the file has it
  std::uint8_t* out = point.data() + 1;
  for (const char* coordinate : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
    BIGNUM* raw = nullptr;
    const int got = EVP_PKEY_get_bn_param(key_.get(), coordinate, &raw);
    const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number(raw, &BN_free);
    // A key that was read and checked has both; what can fail is memory.
    if (got != 1 || BN_bn2binpad(raw, out, kCoordinateBytes) != kCoordinateBytes) {
      throw std::bad_alloc();
    }
    out += kCoordinateBytes;
  }
  return point;
}

}  // namespace carillon::push::auth
