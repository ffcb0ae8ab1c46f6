// One TLS connection that carries HTTP/2 requests. Only for the sources of providers/http2 (it
// includes Asio).
#pragma once

// A standard header before any of Asio's: its configuration looks at libstdc++'s macros without
// including one (1.22), and two answers in one program free with delete what came from
// aligned_alloc.
#include <cstddef>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/http2/request_source.h"
#include "providers/http2/session.h"
#include "providers/http2/tls_context.h"
#include "providers/http2/tls_socket.h"

namespace carillon::push::http2 {

class Connection;

// Whom a connection tells. Loop thread.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual LoopTime now() const = 0;
  // What the connection is to take now.
  virtual Share share_of(const Connection& connection) const = 0;
  // It has started requests, a write's worth at most.
  virtual void on_started(Connection& connection) = 0;
  // Something about the connection has changed: it opened, began to drain, has room again.
  virtual void on_changed(Connection& connection) = 0;
  // The last call for this connection; all its requests are settled, the source is yet to be told
  // that the turn has ended. `error` is empty if it left in peace.
  virtual void on_ended(Connection& connection, const std::string& error) = 0;
};

struct ConnectionTimes {
  LoopTime connect_max;  // from the first SYN to the peer's SETTINGS
  LoopTime request_max;  // from the start of a request to its answer
  LoopTime
      stuck_after;  // silence with requests open, after which a PING asks whether anyone is there
  LoopTime idle_after;  // silence with no request open, after which a PING keeps the path alive
  LoopTime ping_max;    // from a PING to any byte
};

// Loop thread only. Begins to connect when started; ends itself, once, by telling its owner.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum class State : std::uint8_t {
    kConnecting,  // TCP, TLS, waiting for SETTINGS
    kOpen,
    kDraining,  // no new requests; ends when the open ones have
    kEnded,
  };

  Connection(asio::io_context& io, const TlsContext& tls, std::string host,
             asio::ip::tcp::endpoint address, std::size_t streams_max, const ConnectionTimes& times,
             ConnectionOwner& owner, RequestSource& source);
  ~Connection();

  void start();

  // Settles what has ended, starts what it has room for, sends.
  void service();

  // No new requests. Ends at once if none is open.
  void drain();

  // Ends now: what is open is settled as kNotSent or kUnanswered with `word`.
  void end(const std::string& error, const char* word = "ConnectionLost");

  void on_tick(LoopTime now);

  State state() const noexcept { return state_; }
  const asio::ip::tcp::endpoint& address() const noexcept { return address_; }
  std::size_t stream_limit() const noexcept {
    return state_ == State::kOpen ? session_.stream_limit() : 0;
  }
  std::size_t room() const noexcept { return state_ == State::kOpen ? session_.room() : 0; }
  std::size_t open_count() const noexcept { return session_.open_count(); }
  // Whether any request has been answered here: only then is the peer known to serve us.
  bool has_answered() const noexcept { return has_answered_; }

  // What its requests have been authorized with, and since when by the calendar. Null: none began.
  void bring(const std::shared_ptr<const std::string>& credential,
             std::chrono::system_clock::time_point now) {
    if (credential == credential_) return;
    credential_ = credential;
    brought_since_ = now;
  }
  const std::shared_ptr<const std::string>& credential() const noexcept { return credential_; }
  std::chrono::system_clock::time_point brought_since() const noexcept { return brought_since_; }

 private:
  void on_tcp_connected(const asio::error_code& error);
  void wait_readable();
  void wait_writable();
  void on_readable();
  void read_on_later();
  void service_later();
  bool read_some();
  void on_frames();
  bool settle_ended();
  bool end_if_due();
  std::size_t start_some();
  bool write_some();
  void ask_for_life(LoopTime now);

  ConnectionOwner* owner_;  // null once ended
  RequestSource& source_;
  const TlsContext tls_;
  const std::string host_;
  const asio::ip::tcp::endpoint address_;
  const ConnectionTimes times_;

  asio::ip::tcp::socket tcp_;
  std::optional<TlsSocket> tls_socket_;
  Session session_;
  std::vector<std::uint8_t> plain_;

  State state_ = State::kConnecting;
  bool handshaken_ = false;
  bool waiting_writable_ = false;
  bool servicing_ = false;
  bool service_posted_ = false;
  bool has_answered_ = false;
  std::shared_ptr<const std::string> credential_;
  std::chrono::system_clock::time_point brought_since_{};
  std::string fatal_;  // the session cannot go on
  LoopTime began_{};
  LoopTime heard_at_{};  // the last byte from the peer
  std::uint64_t heard_bytes_ = 0;
  std::optional<LoopTime> pinged_at_;
};

}  // namespace carillon::push::http2
