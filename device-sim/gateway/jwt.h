#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

struct evp_pkey_st;

namespace device_sim {

// Unpadded base64url (RFC 4648 §5); nothing when a character or the length is wrong.
std::optional<std::string> base64url_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);

// A JSON Web Token in its compact form (RFC 7519), taken apart but not yet believed.
struct Jwt {
  nlohmann::json header;  // both are JSON objects
  nlohmann::json claims;
  std::string_view signed_part;  // of the text that was parsed
  std::string signature;
};
std::optional<Jwt> parse_jwt(std::string_view text);

// A claim or header parameter that is a string; empty if it is absent or something else.
std::string text_member(const nlohmann::json& object, const char* name);
// A claim that is a number (RFC 7519 NumericDate), cut to whole seconds.
std::optional<std::int64_t> seconds_member(const nlohmann::json& object, const char* name);

// A public key that checks signatures. Copies share it; any thread may verify. One that was made
// without a key verifies nothing.
class PublicKey {
 public:
  enum class Kind { kEcP256, kRsa };

  PublicKey() = default;

  // The error is a sentence.
  static tl::expected<PublicKey, std::string> from_pem(std::string_view pem, Kind kind);

  // ES256 for an EC key: 64 bytes are R‖S as RFC 7518 §3.4 has it, any other length is ASN.1 DER as
  // Apple's own sample writes. RS256 for an RSA key.
  bool verifies(std::string_view signed_part, std::string_view signature) const;

  // An EC key as Web Push names it: 0x04, X and Y, 65 bytes. Empty without a key.
  std::string point() const;

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, Kind kind) : key_(std::move(key)), kind_(kind) {}
  std::shared_ptr<evp_pkey_st> key_;
  Kind kind_ = Kind::kRsa;
};

}  // namespace device_sim
