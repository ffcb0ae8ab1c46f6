// Reading PEM private keys and signing with them: what ES256 and RS256 keys share.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::push::auth {

// Larger files are refused unread: no key or service account comes near it.
inline constexpr std::size_t kCredentialFileBytesMax = 64 * 1024;

// The file's bytes. The error is a sentence that names the file and says what to do.
tl::expected<std::string, std::string> read_credential_file(const std::string& path);

// Null if the text has no private key in PEM form, or one that `password` does not open. Without a
// password only an unencrypted one is read.
std::shared_ptr<EVP_PKEY> parse_private_key(std::string_view pem, std::string_view password = {});

// With SHA-256, in OpenSSL's form: DER for ECDSA, PKCS#1 v1.5 for RSA.
std::string sign_sha256(EVP_PKEY* key, std::string_view text);

}  // namespace carillon::push::auth
