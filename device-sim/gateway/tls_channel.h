#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "device-sim/gateway/client_connection.h"

struct ssl_st;
struct ssl_ctx_st;
struct bio_st;

namespace device_sim {

// Which protocols a port speaks. A client that sends no ALPN gets HTTP/2 on kHttp2; on
// kHttp2AndHttp1 its first bytes tell.
enum class PortProtocols { kHttp2, kHttp2AndHttp1 };

// A server's certificate chain and key, TLS 1.2 and 1.3. The error is a sentence. Shared by all
// connections of a port, by any thread. With `client_ca_pem` clients are asked for a certificate;
// none, or one that it does not trust, is the gateway's to judge.
tl::expected<std::shared_ptr<ssl_ctx_st>, std::string> make_tls_context(
    std::string_view certificate_pem, std::string_view key_pem, PortProtocols protocols,
    std::string_view client_ca_pem = {});

// The server's side of one TLS connection, without I/O: wire bytes in, wire bytes out. One thread.
class TlsChannel {
 public:
  enum class Result {
    kMore,    // everything was read; more bytes may follow
    kClosed,  // the peer has said goodbye
    kFailed,  // a handshake or a record that is wrong; the alert for it is in wire_out()
  };

  explicit TlsChannel(ssl_ctx_st* context);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // Gives the channel what the socket has read. Its plaintext is then taken with read() until
  // kMore.
  void feed(std::string_view wire) { wire_in_ = wire; }

  // Plaintext of at most `room` bytes; `length` is 0 unless the result is kMore. Call until
  // `length` is 0. Does the handshake on its way.
  Result read(char* buffer, std::size_t room, std::size_t& length);

  // Encrypts, once the handshake is done. What comes of it waits in wire_out().
  void write(std::string_view plain);
  void say_goodbye();

  bool is_established() const { return is_established_; }
  // "h2", "http/1.1" or empty.
  std::string_view alpn() const;

  // Once it is established.
  ClientConnection client() const { return read_client_certificate(ssl_); }

  std::string& wire_out() { return wire_out_; }

 private:
  friend struct WireBio;

  ssl_st* ssl_;
  std::string_view wire_in_;
  std::string wire_out_;
  bool is_established_ = false;
};

}  // namespace device_sim
