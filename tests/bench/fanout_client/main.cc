// A plain nghttp2 client: what one thread can send if it does nothing but send. The second
// yardstick of tests/bench/fanout, beside h2load, which reads its body's file for every request.
//
// Says "ready" when it is connected, begins at the end of its input, and says at last what came of
// it.

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <stdexcept>

#include "tests/bench/fanout_client/client_options.h"
#include "tests/bench/fanout_client/plain_connection.h"

namespace carillon::bench {
namespace {

struct TlsDeleter {
  void operator()(SSL_CTX* tls) const noexcept { SSL_CTX_free(tls); }
};

std::unique_ptr<SSL_CTX, TlsDeleter> make_tls(const std::string& ca_file) {
  std::unique_ptr<SSL_CTX, TlsDeleter> tls(SSL_CTX_new(TLS_client_method()));
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  if (SSL_CTX_load_verify_locations(tls.get(), ca_file.c_str(), nullptr) != 1 ||
      SSL_CTX_set_alpn_protos(tls.get(), kAlpn, sizeof kAlpn) != 0) {
    throw std::runtime_error("cannot read " + ca_file);
  }
  SSL_CTX_set_verify(tls.get(), SSL_VERIFY_PEER, nullptr);
  return tls;
}

void wait_for_end_of_input() {
  std::array<char, 64> ignored;
  while (::read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
  }
}

void watch(int epoll, PlainConnection& connection, int operation) {
  epoll_event event{};
  event.events = EPOLLIN | (connection.wants_writable() ? EPOLLOUT : 0u);
  event.data.ptr = &connection;
  ::epoll_ctl(epoll, operation, connection.socket(), &event);
}

void send_all(const ClientOptions& options, std::deque<PlainConnection>& connections,
              const Tally& tally) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (PlainConnection& connection : connections) {
    connection.pump();
    watch(epoll, connection, EPOLL_CTL_ADD);
  }
  std::array<epoll_event, 64> events;
  while (tally.succeeded + tally.failed < options.requests) {
    const int count = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<PlainConnection*>(events[i].data.ptr);
      const bool waited = connection.wants_writable();
      if ((events[i].events & ~EPOLLOUT) != 0) {
        connection.on_readable();
      } else {
        connection.pump();
      }
      if (waited != connection.wants_writable()) watch(epoll, connection, EPOLL_CTL_MOD);
    }
  }
  ::close(epoll);
}

int run(int argc, char** argv) {
  const ClientOptions options = parse_client_options(argc, argv);
  const auto tls = make_tls(options.ca_file);
  Tally tally{.left = options.requests};
  std::deque<PlainConnection> connections;
  for (std::size_t i = 0; i < options.connections; ++i) {
    connections.emplace_back(options, tls.get(), tally);
  }
  std::puts("ready");
  std::fflush(stdout);
  wait_for_end_of_input();
  const auto began = std::chrono::steady_clock::now();
  send_all(options, connections, tally);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  fmt::print("{{\"succeeded\": {}, \"failed\": {}, \"seconds\": {:.6f}}}\n", tally.succeeded,
             tally.failed, seconds.count());
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace carillon::bench

int main(int argc, char** argv) {
  try {
    return carillon::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fanout_client: {}\n", error.what());
    return 1;
  }
}
