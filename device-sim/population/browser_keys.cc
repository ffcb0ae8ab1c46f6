#include "device-sim/population/browser_keys.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <new>

namespace device_sim {
namespace {

constexpr std::uint64_t kPrivateKeyPurpose = 200;
constexpr std::uint64_t kSecretPurpose = 201;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using Point = std::unique_ptr<EC_POINT, Freer<EC_POINT_free>>;

template <typename Pointer>
Pointer made(Pointer pointer) {
  if (!pointer) throw std::bad_alloc();
  return pointer;
}

template <std::size_t kBytes>
std::array<std::uint8_t, kBytes> bytes_from(SipKey key, std::uint64_t number) {
  std::array<std::uint8_t, kBytes> bytes;
  for (std::size_t i = 0; i < kBytes; i += 8) {
    const std::uint64_t word = siphash24(key, number * 8 + i / 8);
    for (std::size_t j = 0; j < 8; ++j) bytes[i + j] = static_cast<std::uint8_t>(word >> (8 * j));
  }
  return bytes;
}

std::array<std::uint8_t, kBrowserPointBytes> encode(const EC_GROUP* group, const EC_POINT* point) {
  std::array<std::uint8_t, kBrowserPointBytes> bytes;
  if (EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes.data(), bytes.size(),
                         nullptr) != bytes.size()) {
    throw std::bad_alloc();
  }
  return bytes;
}

}  // namespace

BrowserKeys::BrowserKeys(std::uint64_t seed)
    : private_key_purpose_(derive_key(seed, kPrivateKeyPurpose)),
      secret_purpose_(derive_key(seed, kSecretPurpose)) {
  // Made once for the program: it takes longer than a key.
  static const std::shared_ptr<const ec_group_st> kGroup(
      made(std::unique_ptr<EC_GROUP, Freer<EC_GROUP_free>>(
          EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1))));
  group_ = kGroup;
}

// From 1 to the group's order without one; how evenly does not matter here.
std::array<std::uint8_t, 32> BrowserKeys::private_key(std::uint64_t number) const {
  auto bytes = bytes_from<32>(private_key_purpose_, number);
  bytes[0] &= 0x7f;  // the order begins with 0xff
  bytes[31] |= 1;
  return bytes;
}

std::array<std::uint8_t, kBrowserPointBytes> BrowserKeys::public_key(std::uint64_t number) const {
  const auto bytes = private_key(number);
  const Number scalar = made(Number(BN_bin2bn(bytes.data(), 32, nullptr)));
  const Point point = made(Point(EC_POINT_new(group_.get())));
  if (EC_POINT_mul(group_.get(), point.get(), scalar.get(), nullptr, nullptr, nullptr) != 1) {
    throw std::bad_alloc();
  }
  return encode(group_.get(), point.get());
}

std::array<std::uint8_t, kBrowserSecretBytes> BrowserKeys::secret(std::uint64_t number) const {
  return bytes_from<kBrowserSecretBytes>(secret_purpose_, number);
}

std::optional<std::array<std::uint8_t, 32>> BrowserKeys::agree(std::uint64_t number,
                                                               std::string_view point) const {
  const Point theirs = made(Point(EC_POINT_new(group_.get())));
  if (point.size() != kBrowserPointBytes ||
      EC_POINT_oct2point(group_.get(), theirs.get(),
                         reinterpret_cast<const unsigned char*>(point.data()), point.size(),
                         nullptr) != 1) {
    ERR_clear_error();  // entries would confuse the TLS code
    return std::nullopt;
  }
  const auto bytes = private_key(number);
  const Number scalar = made(Number(BN_bin2bn(bytes.data(), 32, nullptr)));
  const Point shared = made(Point(EC_POINT_new(group_.get())));
  if (EC_POINT_mul(group_.get(), shared.get(), nullptr, theirs.get(), scalar.get(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  const auto encoded = encode(group_.get(), shared.get());
  std::array<std::uint8_t, 32> x;
  std::copy_n(encoded.begin() + 1, x.size(), x.begin());
  return x;
}

}  // namespace device_sim
