#include "providers/http2/https_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace carillon::push::http2 {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::uint16_t kDefaultPort = 443;

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == ':';
}

bool is_path_character(char c) {
  return c > ' ' && c < 0x7f && c != '#';
}

}  // namespace

std::string HttpsUrl::authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  std::string name = is_ipv6 ? fmt::format("[{}]", host) : host;
  return port == kDefaultPort ? name : fmt::format("{}:{}", name, port);
}

tl::expected<HttpsUrl, std::string> parse_https_url(std::string_view url) {
  if (!url.starts_with(kScheme)) return tl::unexpected<std::string>("must begin with https://");
  url.remove_prefix(kScheme.size());
  HttpsUrl result;
  if (const auto slash = url.find('/'); slash != std::string_view::npos) {
    result.path = url.substr(slash);
    url = url.substr(0, slash);
  }
  if (!std::all_of(result.path.begin(), result.path.end(), is_path_character)) {
    return tl::unexpected<std::string>("has a character in its path that a URL cannot have");
  }
  std::string_view port;
  if (url.starts_with('[')) {
    const auto bracket = url.find(']');
    if (bracket == std::string_view::npos)
      return tl::unexpected<std::string>("has '[' without ']'");
    result.host = url.substr(1, bracket - 1);
    port = url.substr(bracket + 1);
    if (!port.empty() && port.front() != ':')
      return tl::unexpected<std::string>("has text after ']'");
  } else {
    const auto colon = url.find(':');
    result.host = url.substr(0, colon);
    if (colon != std::string_view::npos) port = url.substr(colon);
  }
  if (result.host.empty()) return tl::unexpected<std::string>("has no host");
  if (!std::all_of(result.host.begin(), result.host.end(), is_host_character)) {
    return tl::unexpected<std::string>("has a character in its host that a host name cannot have");
  }
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
    if (error != std::errc() || end != port.data() + port.size() || result.port == 0) {
      return tl::unexpected<std::string>("has a port that is not a number from 1 to 65535");
    }
  }
  return result;
}

}  // namespace carillon::push::http2
