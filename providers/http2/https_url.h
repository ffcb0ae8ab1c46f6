// Where a provider is: the parts of an https URL that a connection and a request need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::push::http2 {

struct HttpsUrl {
  std::string host;  // without brackets, if it is an IPv6 address
  std::uint16_t port = 443;
  std::string path = "/";

  // The host as a certificate names it is `host`; as a request names it (RFC 9113, 8.3.1), the port
  // only if it is not 443.
  std::string authority() const;

  bool operator==(const HttpsUrl&) const = default;
};

// The error is half a sentence that follows a field's name: "must begin with https://".
tl::expected<HttpsUrl, std::string> parse_https_url(std::string_view url);

}  // namespace carillon::push::http2
