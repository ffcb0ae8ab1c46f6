// One HTTP/2 connection of the plain client. One thread.
#pragma once

#include <nghttp2/nghttp2.h>
#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/fanout_client/client_options.h"

namespace carillon::bench {

// What is left to send and what came back, of all connections together.
struct Tally {
  std::uint64_t left = 0;
  std::uint64_t started = 0;
  std::uint64_t succeeded = 0;  // answered with 200
  std::uint64_t failed = 0;     // answered otherwise, or reset
};

class PlainConnection {
 public:
  // Connects and shakes hands before it returns. Throws std::runtime_error if either fails, as do
  // all functions when the connection is lost.
  PlainConnection(const ClientOptions& options, SSL_CTX* tls, Tally& tally);
  ~PlainConnection();
  PlainConnection(const PlainConnection&) = delete;
  PlainConnection& operator=(const PlainConnection&) = delete;

  int socket() const noexcept { return socket_; }
  bool wants_writable() const noexcept { return sent_ < wire_size_; }

  void on_readable();
  // Starts what the peer allows and sends until there is nothing more or the socket is full.
  void pump();

 private:
  struct Slot {
    std::string path;
    std::array<char, 36> id;
    std::size_t body_sent = 0;
    const std::string* body = nullptr;
    std::uint16_t status = 0;
  };
  friend struct PlainCallbacks;

  void shake_hands();
  void make_session();
  void start_requests();
  bool start_request();
  void read_tls();
  bool send_wire();

  const ClientOptions& options_;
  Tally& tally_;
  int socket_ = -1;
  SSL* tls_ = nullptr;
  BIO* from_peer_ = nullptr;  // owned by tls_
  BIO* to_peer_ = nullptr;    // owned by tls_
  nghttp2_session* session_ = nullptr;
  std::vector<nghttp2_nv> headers_;
  std::size_t streams_ = 0;  // at once, as the peer's SETTINGS have it; 0: not known yet
  std::size_t open_ = 0;
  std::deque<Slot> slots_;  // addresses stay
  std::vector<Slot*> free_;
  std::vector<std::uint8_t> plain_;
  std::vector<std::uint8_t> received_;
  char* wire_ = nullptr;  // into to_peer_
  std::size_t wire_size_ = 0;
  std::size_t sent_ = 0;
};

}  // namespace carillon::bench
