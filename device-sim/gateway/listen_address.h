#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace device_sim {

// "127.0.0.1:8443", "[::1]:8443" or "localhost:0"; port 0 lets the system choose.
struct ListenAddress {
  std::string host;  // a numeric address
  std::uint16_t port = 0;

  // The error is one sentence.
  static tl::expected<ListenAddress, std::string> parse(std::string_view text);
  std::string to_string() const;
};

}  // namespace device_sim
