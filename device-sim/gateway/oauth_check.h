#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "device-sim/gateway/jwt.h"

namespace device_sim {

// The one service account that the simulated Google knows.
struct ServiceAccount {
  std::string client_email;
  std::string token_uri;  // the audience that an assertion must name
  PublicKey public_key;
};

// An assertion may live for an hour at most, and clocks may differ by this much (ours; Google gives
// no figure).
inline constexpr std::int64_t kAssertionSecondsMax = 3'600;
inline constexpr std::int64_t kAssertionSkewSecondsMax = 60;

// An error in the words of RFC 6749 §5.2; `error` is empty for a request that gets a token.
struct OauthVerdict {
  int status = 200;
  std::string_view error;
  std::string description;
};

// Checks the form of POST /token (RFC 7523 §2.1, RS256) in this order: parameters, grant type, the
// assertion's form and algorithm, issuer, signature, audience, scope, iat and exp. Pure.
OauthVerdict check_token_request(std::string_view form, const ServiceAccount& account,
                                 std::int64_t now_s);

// The value of one parameter of an application/x-www-form-urlencoded text, decoded; empty if
// absent.
std::string form_value(std::string_view form, std::string_view name);

}  // namespace device_sim
