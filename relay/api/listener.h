// The listening socket.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

namespace carillon::api {

struct Listener {
  int socket = -1;  // non-blocking, listening; the caller closes it
  std::uint16_t port = 0;
};

// `listen` is "address:port", "[address]:port" or "name:port"; port 0 lets the system choose. The
// error is one sentence for the operator.
tl::expected<Listener, std::string> listen_on(const std::string& listen);

}  // namespace carillon::api
