#include "device-sim/gateway/listen_address.h"

#include <fmt/format.h>

#include <asio/ip/address.hpp>
#include <charconv>

namespace device_sim {

tl::expected<ListenAddress, std::string> ListenAddress::parse(std::string_view text) {
  const auto refuse = [&] {
    return tl::unexpected(
        fmt::format("'{}' is not an address to listen on; write it as 127.0.0.1:8443", text));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  ListenAddress address{.host = host == "localhost" ? "127.0.0.1" : std::string(host)};
  std::error_code error;
  asio::ip::make_address(address.host, error);
  const std::string_view digits = text.substr(colon + 1);
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, address.port);
  if (error || digits.empty() || parsed.ptr != end || parsed.ec != std::errc{}) return refuse();
  return address;
}

std::string ListenAddress::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

}  // namespace device_sim
