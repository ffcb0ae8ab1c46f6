#include "device-sim/gateway/jwt.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <cmath>

namespace device_sim {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kRawEs256Bytes = 64;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string der_of_raw(std::string_view raw) {
  const EcdsaSignature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes_of(raw), 32, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(raw) + 32, 32, nullptr);
  ECDSA_SIG_set0(signature.get(), r, s);
  std::string der(static_cast<std::size_t>(i2d_ECDSA_SIG(signature.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(signature.get(), &out);
  return der;
}

}  // namespace

std::optional<std::string> base64url_decode(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

std::string base64url_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

std::optional<Jwt> parse_jwt(std::string_view text) {
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto header = base64url_decode(text.substr(0, first));
  const auto claims = base64url_decode(text.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(text.substr(second + 1));
  if (!header || !claims || !signature) return std::nullopt;
  Jwt jwt{.header = nlohmann::json::parse(*header, nullptr, false),
          .claims = nlohmann::json::parse(*claims, nullptr, false),
          .signed_part = text.substr(0, second),
          .signature = std::move(*signature)};
  if (!jwt.header.is_object() || !jwt.claims.is_object()) return std::nullopt;
  return jwt;
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::int64_t> seconds_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const auto seconds = found->get<double>();
  if (!(std::abs(seconds) < 1e15)) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

tl::expected<PublicKey, std::string> PublicKey::from_pem(std::string_view pem, Kind kind) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<evp_pkey_st> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr),
                                   EVP_PKEY_free);
  ERR_clear_error();
  if (!key)
    return tl::unexpected(std::string("is not a public key in PEM form (BEGIN PUBLIC KEY)"));
  if (kind == Kind::kRsa) {
    if (EVP_PKEY_is_a(key.get(), "RSA") == 0) {
      return tl::unexpected(std::string("must be an RSA public key"));
    }
    return PublicKey(std::move(key), kind);
  }
  std::array<char, 64> group{};
  const bool is_p256 = EVP_PKEY_is_a(key.get(), "EC") != 0 &&
                       EVP_PKEY_get_utf8_string_param(key.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                      group.data(), group.size(), nullptr) == 1 &&
                       std::string_view(group.data()) == "prime256v1";
  ERR_clear_error();
  if (!is_p256) return tl::unexpected(std::string("must be an EC public key on the curve P-256"));
  return PublicKey(std::move(key), kind);
}

bool PublicKey::verifies(std::string_view signed_part, std::string_view signature) const {
  if (!key_) return false;
  std::string der;
  if (kind_ == Kind::kEcP256 && signature.size() == kRawEs256Bytes) {
    der = der_of_raw(signature);
    signature = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  const bool good = EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr,
                                            key_.get(), nullptr) == 1 &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                     bytes_of(signed_part), signed_part.size()) == 1;
  ERR_clear_error();  // a bad signature leaves entries that would confuse the TLS code
  return good;
}

std::string PublicKey::point() const {
  if (!key_ || kind_ != Kind::kEcP256) return {};
  std::string point(1, '\4');
  for (const char* coordinate : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
    BIGNUM* number = nullptr;
    std::array<unsigned char, 32> bytes{};
    if (EVP_PKEY_get_bn_param(key_.get(), coordinate, &number) == 1) {
      BN_bn2binpad(number, bytes.data(), static_cast<int>(bytes.size()));
    }
    BN_free(number);
    point.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return point;
}

}  // namespace device_sim
