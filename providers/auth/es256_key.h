// An ECDSA P-256 private key that signs JSON Web Signatures (RFC 7518, 3.4).
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::push::auth {

// A value that shares its key. Signing is thread-safe.
class Es256Key {
 public:
  // PEM text, PKCS#8 (Apple's .p8) or SEC1. The error follows a file's name: "is not a private key
  // in PEM form"; it never quotes the text.
  static tl::expected<Es256Key, std::string> from_pem(std::string_view pem);
  // The error is a sentence that names the file.
  static tl::expected<Es256Key, std::string> from_file(const std::string& path);

  // R and S one after the other, 32 bytes each, as JOSE wants it (OpenSSL's own form is DER).
  std::string sign(std::string_view text) const;

  // The public key as Web Push names it: 0x04, X and Y, 65 bytes (SEC 1, 2.3.3).
  std::array<std::uint8_t, 65> public_point() const;

 private:
  explicit Es256Key(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {}
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace carillon::push::auth
