#include "device-sim/gateway/oauth_check.h"

namespace device_sim {
namespace {

constexpr std::string_view kGrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view kMessagingScope = "https://www.googleapis.com/auth/firebase.messaging";
constexpr std::string_view kPlatformScope = "https://www.googleapis.com/auth/cloud-platform";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string form_decode(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
               hex_digit(text[i + 2]) >= 0) {
      plain += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool grants_messaging(std::string_view scopes) {
  while (!scopes.empty()) {
    const std::size_t space = scopes.find(' ');
    const std::string_view scope = scopes.substr(0, space);
    if (scope == kMessagingScope || scope == kPlatformScope) return true;
    scopes = space == std::string_view::npos ? std::string_view{} : scopes.substr(space + 1);
  }
  return false;
}

OauthVerdict refuse(std::string_view error, std::string description) {
  return {.status = 400, .error = error, .description = std::move(description)};
}

OauthVerdict check_times(const nlohmann::json& claims, std::int64_t now_s) {
  const auto issued_s = seconds_member(claims, "iat");
  const auto expires_s = seconds_member(claims, "exp");
  if (!issued_s || !expires_s) return refuse("invalid_grant", "The JWT needs iat and exp.");
  if (*issued_s > now_s + kAssertionSkewSecondsMax) {
    return refuse("invalid_grant", "The JWT's iat lies in the future.");
  }
  if (*expires_s < now_s - kAssertionSkewSecondsMax) {
    return refuse("invalid_grant", "The JWT has expired.");
  }
  if (*expires_s <= *issued_s || *expires_s - *issued_s > kAssertionSecondsMax) {
    return refuse("invalid_grant", "The JWT's exp must be at most one hour after its iat.");
  }
  return {};
}

}  // namespace

std::string form_value(std::string_view form, std::string_view name) {
  while (!form.empty()) {
    const std::size_t end = form.find('&');
    const std::string_view pair = form.substr(0, end);
    form = end == std::string_view::npos ? std::string_view{} : form.substr(end + 1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && form_decode(pair.substr(0, equals)) == name) {
      return form_decode(pair.substr(equals + 1));
    }
  }
  return {};
}

OauthVerdict check_token_request(std::string_view form, const ServiceAccount& account,
                                 std::int64_t now_s) {
  const std::string grant_type = form_value(form, "grant_type");
  if (grant_type.empty()) return refuse("invalid_request", "grant_type is missing.");
  if (grant_type != kGrantType) {
    return refuse("unsupported_grant_type", "Only the JWT bearer grant is known here.");
  }
  const std::string assertion = form_value(form, "assertion");
  if (assertion.empty()) return refuse("invalid_request", "assertion is missing.");
  const auto jwt = parse_jwt(assertion);
  if (!jwt) return refuse("invalid_grant", "The assertion is not a JWT.");
  if (text_member(jwt->header, "alg") != "RS256") {
    return refuse("invalid_grant", "The JWT must be signed with RS256.");
  }
  if (text_member(jwt->claims, "iss") != account.client_email) {
    return refuse("invalid_grant", "The JWT's iss is not a known service account.");
  }
  if (!account.public_key.verifies(jwt->signed_part, jwt->signature)) {
    return refuse("invalid_grant", "The JWT's signature is wrong.");
  }
  if (text_member(jwt->claims, "aud") != account.token_uri) {
    return refuse("invalid_grant", "The JWT's aud must be " + account.token_uri + ".");
  }
  if (!grants_messaging(text_member(jwt->claims, "scope"))) {
    return refuse("invalid_scope", "The JWT's scope does not include firebase.messaging.");
  }
  return check_times(jwt->claims, now_s);
}

}  // namespace device_sim
