#include "device-sim/gateway/tls_connection.h"

#include <sys/socket.h>

#include <cerrno>

#include "device-sim/gateway/http1_session.h"

namespace device_sim {
namespace {

constexpr auto kHandshakeTimeout = std::chrono::seconds(10);
constexpr auto kLingerTimeout = std::chrono::seconds(2);
// Pieces that one connection may read before the others of its loop have their turn.
constexpr int kPiecesPerTurn = 4;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n";

}  // namespace

TlsConnection::TlsConnection(asio::ip::tcp::socket socket, const ConnectionParts& parts)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      parts_(parts),
      channel_(parts.tls) {
  parts_.gateway.counters().connections_opened.add();
  parts_.gateway.counters().connections_open.add();
}

TlsConnection::~TlsConnection() {
  parts_.gateway.counters().connections_open.subtract(1);
}

void TlsConnection::start() {
  std::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) return close();
  wait_until(std::chrono::steady_clock::now() + kHandshakeTimeout);
  wait_readable();
}

void TlsConnection::close() {
  std::error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
}

void TlsConnection::reset() {
  std::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void TlsConnection::wait_readable() {
  if (is_waiting_readable_) return;
  is_waiting_readable_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](std::error_code error) {
                       self->is_waiting_readable_ = false;
                       if (!error) self->on_readable();
                     });
}

void TlsConnection::wait_writable() {
  if (is_waiting_writable_) return;
  is_waiting_writable_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](std::error_code error) {
                       self->is_waiting_writable_ = false;
                       if (!error) self->flush();
                     });
}

void TlsConnection::wait_until(Time time) {
  if (timer_at_ == time) return;
  timer_at_ = time;
  timer_.expires_at(time);
  // An earlier wait ends with an error; it must not keep a lingering connection alive, hence weak.
  timer_.async_wait([weak = weak_from_this()](std::error_code error) {
    const auto self = weak.lock();
    if (!error && self && self->socket_.is_open()) self->on_time();
  });
}

void TlsConnection::on_time() {
  timer_at_.reset();
  if (is_lingering_ || !channel_.is_established()) return close();
  if (!session_) return;
  const Moment now = parts_.clock();
  parts_.gateway.context().begin_batch(now);
  session_->release_due(now.steady);
  flush();
}

void TlsConnection::on_readable() {
  if (read_socket()) flush();
}

bool TlsConnection::read_socket() {
  for (int piece = 0; piece < kPiecesPerTurn; ++piece) {
    const ssize_t length =
        ::recv(socket_.native_handle(), parts_.scratch.wire.get(), ReadScratch::kWireBytes, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (length <= 0) {
      close();
      return false;
    }
    parts_.gateway.counters().bytes_in.add(static_cast<std::uint64_t>(length));
    // Now that the bytes are here: what was set before they were sent holds for them.
    parts_.gateway.context().begin_batch(parts_.clock());
    if (!is_lingering_ &&
        !take_wire({parts_.scratch.wire.get(), static_cast<std::size_t>(length)})) {
      return false;
    }
    if (static_cast<std::size_t>(length) < ReadScratch::kWireBytes) return true;
  }
  return true;
}

bool TlsConnection::take_wire(std::string_view wire) {
  channel_.feed(wire);
  for (;;) {
    std::size_t length = 0;
    const auto result = channel_.read(parts_.scratch.plain.get(), ReadScratch::kPlainBytes, length);
    if (result != TlsChannel::Result::kMore) {
      if (!channel_.is_established()) parts_.gateway.counters().handshakes_failed.add();
      write_socket();  // the alert that says why, if the socket takes it
      close();
      return false;
    }
    if (length == 0) return true;
    if (!take_plain({parts_.scratch.plain.get(), length})) return false;
  }
}

bool TlsConnection::take_plain(std::string_view plain) {
  if (!session_) {
    timer_at_.reset();
    timer_.cancel();  // the handshake is done
    std::string_view alpn = channel_.alpn();
    if (alpn.empty() && parts_.protocols == PortProtocols::kHttp2AndHttp1) {
      first_bytes_.append(plain);
      const std::string_view start = std::string_view(first_bytes_).substr(0, kHttp2Preface.size());
      if (!kHttp2Preface.starts_with(start)) {
        alpn = "http/1.1";
      } else if (start.size() < kHttp2Preface.size()) {
        return true;
      }
      plain = first_bytes_;
    }
    if (alpn == "http/1.1") {
      session_ = std::make_unique<Http1Session>(parts_.gateway);
    } else {
      session_ = std::make_unique<Http2Session>(parts_.gateway, parts_.limits, channel_.client());
    }
  }
  session_->receive(plain);
  if (session_->state() != ProtocolSession::State::kCut) return true;
  reset();
  return false;
}

void TlsConnection::flush() {
  if (session_ && !is_lingering_ && sent_ == 0) {
    std::string& answers = parts_.scratch.answers;
    answers.clear();
    session_->produce(answers);
    if (session_->state() == ProtocolSession::State::kCut) return reset();
    channel_.write(answers);
  }
  if (!write_socket()) return;
  if (sent_ != 0) return wait_writable();
  if (session_ && !is_lingering_) {
    if (session_->state() == ProtocolSession::State::kFinished) return finish();
    if (const auto due = session_->next_due()) wait_until(*due);
  }
  wait_readable();
}

bool TlsConnection::write_socket() {
  std::string& wire = channel_.wire_out();
  while (sent_ < wire.size()) {
    const ssize_t length =
        ::send(socket_.native_handle(), wire.data() + sent_, wire.size() - sent_, MSG_NOSIGNAL);
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return true;
      close();
      return false;
    }
    sent_ += static_cast<std::size_t>(length);
    parts_.gateway.counters().bytes_out.add(static_cast<std::uint64_t>(length));
  }
  wire.clear();
  sent_ = 0;
  return true;
}

void TlsConnection::finish() {
  is_lingering_ = true;
  channel_.say_goodbye();
  if (!write_socket()) return;
  std::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  wait_until(std::chrono::steady_clock::now() + kLingerTimeout);
  wait_readable();
}

}  // namespace device_sim
