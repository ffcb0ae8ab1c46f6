#include "providers/http2/connection.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <cassert>
#include <utility>

namespace carillon::push::http2 {
namespace {

constexpr std::size_t kFlushBytes = 64 * 1024;
// About what fills kFlushBytes: a notification takes some 500 bytes. Requests are taken from the
// queue only as fast as they are written, so that what cannot be written stays free to go
// elsewhere.
constexpr std::size_t kStartsPerFlush = 120;
// Requests that a connection starts in a turn; the answers of a TLS record are what it reads in
// one. Then others of the loop have theirs: the connection that is kept for urgent requests, and
// what was posted, which is how those come. A turn thus takes some half a millisecond, where a
// thousand answers and as many requests in their place would take two or three, on each connection.
constexpr std::size_t kStartsPerTurn = 2 * kStartsPerFlush;
constexpr std::size_t kReadBytesPerTurn = TlsSocket::kRecordBytesMax;  // some 400 answers

std::string goaway_text(const Goaway& goaway) {
  return fmt::format("the server closed the connection: {} (GOAWAY, {})",
                     goaway.reason.empty() ? "no reason given" : goaway.reason,
                     nghttp2_http2_strerror(goaway.error_code));
}

}  // namespace

Connection::Connection(asio::io_context& io, const TlsContext& tls, std::string host,
                       asio::ip::tcp::endpoint address, std::size_t streams_max,
                       const ConnectionTimes& times, ConnectionOwner& owner, RequestSource& source)
    : owner_(&owner),
      source_(source),
      tls_(tls),
      host_(std::move(host)),
      address_(std::move(address)),
      times_(times),
      tcp_(io),
      session_(streams_max) {
  plain_.reserve(kFlushBytes + Session::kFrameBytesMax);
}

Connection::~Connection() {
  assert(state_ == State::kEnded);
}

void Connection::start() {
  began_ = heard_at_ = owner_->now();
  tcp_.async_connect(address_, [self = shared_from_this()](const asio::error_code& error) {
    self->on_tcp_connected(error);
  });
}

void Connection::on_tcp_connected(const asio::error_code& error) {
  if (state_ == State::kEnded) return;
  if (error) return end(error.message());
  tls_socket_.emplace(std::move(tcp_), tls_.get(), host_);
  on_readable();
}

void Connection::wait_readable() {
  tls_socket_->socket().async_wait(asio::ip::tcp::socket::wait_read,
                                   [self = shared_from_this()](const asio::error_code&) {
                                     if (self->state_ != State::kEnded) self->on_readable();
                                   });
}

void Connection::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  tls_socket_->socket().async_wait(asio::ip::tcp::socket::wait_write,
                                   [self = shared_from_this()](const asio::error_code&) {
                                     self->waiting_writable_ = false;
                                     if (self->state_ != State::kEnded) self->service();
                                   });
}

void Connection::on_readable() {
  if (!handshaken_) {
    switch (tls_socket_->handshake()) {
      case TlsSocket::Handshake::kFailed:
        return end(tls_socket_->error());
      case TlsSocket::Handshake::kWaiting:
        if (!tls_socket_->flushed()) wait_writable();
        return wait_readable();
      case TlsSocket::Handshake::kDone:
        handshaken_ = true;
    }
  }
  const bool alive = read_some();
  if (state_ == State::kEnded) return;
  on_frames();
  service();
  if (state_ == State::kEnded) return;
  if (!alive) {
    const auto& goaway = session_.goaway();
    std::string error = tls_socket_->error();
    if (goaway) error = goaway_text(*goaway);
    if (error.empty()) error = "the server closed the connection";
    const bool in_peace = state_ == State::kDraining && session_.open_count() == 0 &&
                          (!goaway || goaway->error_code == NGHTTP2_NO_ERROR);
    return end(in_peace ? "" : error);
  }
  if (tls_socket_->has_unread()) return read_on_later();
  wait_readable();
}

// What was taken from the kernel wakes nobody.
void Connection::read_on_later() {
  asio::post(tls_socket_->socket().get_executor(), [self = shared_from_this()] {
    if (self->state_ != State::kEnded) self->on_readable();
  });
}

void Connection::service_later() {
  if (std::exchange(service_posted_, true)) return;
  asio::post(tls_socket_->socket().get_executor(), [self = shared_from_this()] {
    self->service_posted_ = false;
    self->service();
  });
}

// Feeds the session, for a turn at most. False: there will be nothing more to read.
bool Connection::read_some() {
  for (std::size_t taken = 0; taken < kReadBytesPerTurn;) {
    const auto bytes = tls_socket_->read();
    if (bytes.empty()) break;
    taken += bytes.size();
    if (auto received = session_.receive(bytes); !received) {
      write_some();  // nghttp2's GOAWAY says what was wrong
      end(received.error());
      return false;
    }
  }
  if (tls_socket_->received_bytes() != heard_bytes_) {
    heard_bytes_ = tls_socket_->received_bytes();
    heard_at_ = owner_->now();
    pinged_at_.reset();
  }
  return !tls_socket_->ended();
}

void Connection::on_frames() {
  if (state_ == State::kConnecting && session_.has_settings()) {
    state_ = State::kOpen;
    owner_->on_changed(*this);
  }
  if (state_ == State::kOpen && !session_.accepting()) drain();
}

void Connection::service() {
  if (servicing_ || state_ == State::kEnded) return;  // a settled request may ask for more service
  servicing_ = true;
  bool busy = false;
  for (std::size_t started_in_turn = 0;;) {
    busy |= settle_ended();
    if (!handshaken_ || tls_socket_->ended() || tls_socket_->write_failed()) break;
    if (!tls_socket_->flush()) {
      if (!tls_socket_->write_failed()) wait_writable();
      break;
    }
    const std::size_t started = start_some();
    busy |= started > 0;
    if (!write_some()) break;
    if (started == 0 && plain_.empty()) break;
    started_in_turn += started;
    if (started_in_turn >= kStartsPerTurn) {
      service_later();
      break;
    }
  }
  servicing_ = false;
  // An end says why before the source hears that the turn has: who has a verdict finds the reason.
  if (state_ != State::kEnded && end_if_due()) return;
  if (busy) source_.on_turn_end();
  if (busy && state_ != State::kEnded) owner_->on_changed(*this);
}

// What a turn left behind may be the end. True: it was, and the owner has been told.
bool Connection::end_if_due() {
  if (!fatal_.empty()) {
    end(fatal_);
    return true;
  }
  if (state_ == State::kOpen && !session_.accepting()) drain();
  const auto& goaway = session_.goaway();
  if (state_ == State::kDraining && session_.open_count() == 0 && tls_socket_->flushed()) {
    const bool in_peace = !goaway || (goaway->error_code == NGHTTP2_NO_ERROR && has_answered_);
    end(in_peace ? "" : goaway_text(*goaway));
    return true;
  }
  if (handshaken_ && session_.finished()) {
    end(goaway                         ? goaway_text(*goaway)
        : session_.complaint().empty() ? "the server broke the HTTP/2 protocol"
                                       : session_.complaint());
    return true;
  }
  return state_ == State::kEnded;
}

bool Connection::settle_ended() {
  bool any = false;
  for (auto ended = session_.take_ended(); !ended.empty(); ended = session_.take_ended()) {
    any = true;
    for (Stream* stream : ended) {
      if (stream->ending == Ending::kAnswered) has_answered_ = true;
      source_.settle(*stream);
      session_.release(*stream);
    }
  }
  return any;
}

std::size_t Connection::start_some() {
  if (state_ != State::kOpen) return 0;
  const LoopTime now = owner_->now();
  const Share share = owner_->share_of(*this);
  std::size_t started = 0;
  while (started < kStartsPerFlush && session_.room() > 0 && source_.ready(share) > 0) {
    Stream& stream = session_.acquire();
    stream.connection = this;
    stream.started_at = now;
    if (!source_.prepare(stream, share)) {
      session_.release(stream);
      break;
    }
    if (!session_.start(stream)) {
      stream.ending = Ending::kNotSent;
      stream.word = "StreamIdsUsedUp";
      source_.settle(stream);
      session_.release(stream);
      break;
    }
    ++started;
  }
  if (started > 0) owner_->on_started(*this);
  return started;
}

// Encrypts and sends one batch. False: the socket takes no more for now, or the connection is lost.
bool Connection::write_some() {
  plain_.clear();
  if (auto produced = session_.produce(plain_, kFlushBytes); !produced) {
    fatal_ = produced.error();
    return false;
  }
  if (plain_.empty()) return true;
  tls_socket_->write(plain_);
  if (tls_socket_->flush()) return true;
  if (!tls_socket_->write_failed()) wait_writable();
  return false;
}

void Connection::drain() {
  if (state_ == State::kEnded || state_ == State::kDraining) return;
  const bool was_open = state_ == State::kOpen;
  state_ = State::kDraining;
  if (servicing_) return;  // `service` goes on from here
  if (was_open) owner_->on_changed(*this);
  if (session_.open_count() > 0) return;
  if (was_open && !session_.goaway()) session_.submit_goaway();
  if (was_open) return service();
  end("");
}

void Connection::end(const std::string& error, const char* word) {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  session_.abandon(tls_socket_ ? tls_socket_->handed_bytes() : 0, word);
  settle_ended();
  if (tls_socket_) {
    tls_socket_->close();
  } else {
    asio::error_code ignored;
    tcp_.close(ignored);
  }
  std::exchange(owner_, nullptr)->on_ended(*this, error);
}

void Connection::on_tick(LoopTime now) {
  if (state_ == State::kEnded) return;
  if (state_ == State::kConnecting) {
    if (now - began_ >= times_.connect_max) end("the connection was not ready in time");
    return;
  }
  bool cancelled = false;
  for (Stream* stream = session_.oldest(); stream != nullptr; stream = stream->next) {
    if (now - stream->started_at < times_.request_max) break;
    if (stream->timed_out) continue;
    stream->timed_out = true;
    session_.cancel(*stream);
    cancelled = true;
  }
  if (cancelled) {
    if (!tls_socket_->flushed() && !tls_socket_->flush()) {
      return end("requests timed out and nothing can be written");
    }
    service();
  }
  if (state_ != State::kEnded) ask_for_life(now);
}

void Connection::ask_for_life(LoopTime now) {
  if (pinged_at_) {
    if (now - *pinged_at_ >= times_.ping_max) end("the server did not answer a PING");
    return;
  }
  const LoopTime limit = session_.open_count() > 0 ? times_.stuck_after : times_.idle_after;
  if (now - heard_at_ < limit) return;
  pinged_at_ = now;
  session_.submit_ping();
  service();
}

}  // namespace carillon::push::http2
