#include "relay/api/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>

namespace carillon::api {
namespace {

constexpr int kBacklog = 1024;  // connections that the kernel completes before they are accepted

tl::unexpected<std::string> fault(std::string text) {
  return tl::unexpected(std::move(text));
}

std::string why_not(const std::string& listen, int error) {
  switch (error) {
    case EADDRINUSE:
      return listen +
             " is in use by another program: stop it, or choose another port for `listen` in "
             "[http]";
    case EACCES:
      return listen +
             " needs privileges that this process does not have: choose a port above 1023 for "
             "`listen` in [http]";
    case EADDRNOTAVAIL:
      return listen + " is not an address of this machine: correct `listen` in [http]";
    default:
      return "cannot listen on " + listen + ": " + std::generic_category().message(error);
  }
}

std::uint16_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// The socket, or what errno said.
tl::expected<int, int> open_at(const addrinfo& at) {
  const int fd = socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return tl::unexpected(errno);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, at.ai_addr, at.ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0) {
    const int error = errno;
    close(fd);
    return tl::unexpected(error);
  }
  return fd;
}

}  // namespace

tl::expected<Listener, std::string> listen_on(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  const std::string form = "`listen` in [http] must be address:port, not \"" + listen + "\"";
  if (colon == std::string::npos || colon == 0) return fault(form);
  std::string host = listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string_view digits = std::string_view(listen).substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return fault(form);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return fault("\"" + host + "\" is not an address of this machine: correct `listen` in [http]");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  const auto socket = open_at(*found);
  if (!socket) return fault(why_not(listen, socket.error()));
  return Listener{.socket = *socket, .port = port_of(*socket)};
}

}  // namespace carillon::api
