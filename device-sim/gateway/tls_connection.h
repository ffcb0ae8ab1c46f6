#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "device-sim/gateway/gateway.h"
#include "device-sim/gateway/http2_session.h"
#include "device-sim/gateway/protocol_session.h"
#include "device-sim/gateway/tls_channel.h"

namespace device_sim {

// Buffers that the connections of a loop use in turn.
struct ReadScratch {
  static constexpr std::size_t kWireBytes = 64 * 1024;
  static constexpr std::size_t kPlainBytes = 64 * 1024;
  std::unique_ptr<char[]> wire = std::make_unique<char[]>(kWireBytes);
  std::unique_ptr<char[]> plain = std::make_unique<char[]>(kPlainBytes);
  std::string answers;
};

// What a connection needs of its loop. The references outlive it.
struct ConnectionParts {
  Gateway& gateway;
  ReadScratch& scratch;
  ssl_ctx_st* tls;
  PortProtocols protocols;
  Http2Limits limits;
  std::function<Moment()> clock;
};

// A socket with TLS and a protocol session on it. Reads in large pieces, answers a piece with one
// write, and reads no further while the peer does not take the answers. Lives as long as it waits
// for something; on the loop's thread only.
class TlsConnection : public std::enable_shared_from_this<TlsConnection> {
 public:
  TlsConnection(asio::ip::tcp::socket socket, const ConnectionParts& parts);
  ~TlsConnection();

  void start();
  // Ends it at once, without a word.
  void close();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void wait_readable();
  void wait_writable();
  void wait_until(Time time);
  void on_readable();
  void on_time();

  // False when the connection has been closed.
  bool read_socket();
  bool take_wire(std::string_view wire);
  bool take_plain(std::string_view plain);
  void flush();
  bool write_socket();
  void finish();
  void reset();

  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  ConnectionParts parts_;
  TlsChannel channel_;
  std::unique_ptr<ProtocolSession> session_;
  std::string first_bytes_;  // until they tell the protocol, without ALPN
  std::size_t sent_ = 0;     // of channel_.wire_out()
  std::optional<Time> timer_at_;
  bool is_waiting_readable_ = false;
  bool is_waiting_writable_ = false;
  // After the last answer the socket is read on until the peer closes: closing at once would let
  // the kernel answer its next bytes with a reset, which can overtake the answers.
  bool is_lingering_ = false;
};

}  // namespace device_sim
