#include "tests/bench/fanout_client/plain_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace carillon::bench {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kFlushBytes = 64 * 1024;
constexpr std::size_t kFrameBytesMax = 9 + 16'384;
constexpr std::int32_t kWindowBytes = 16 << 20;

nghttp2_nv plain_header(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                                    flags)};
}

// The number as a UUID: what matters is that it is another one and of the right length.
void write_id(std::uint64_t number, std::array<char, 36>& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  constexpr std::string_view kForm = "00000000-0000-4000-8000-000000000000";
  std::memcpy(out.data(), kForm.data(), kForm.size());
  number *= 0x9e3779b97f4a7c15;  // odd, so still one to one; digits of all sorts, as an id has them
  for (int i = 0; i < 8; ++i) out[i] = kDigits[number >> (60 - 4 * i) & 15];
  for (int i = 0; i < 8; ++i) out[28 + i] = kDigits[number >> (28 - 4 * i) & 15];
}

}  // namespace

struct PlainCallbacks {
  using Slot = PlainConnection::Slot;

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_length, const std::uint8_t* value,
                       std::size_t value_length, std::uint8_t, void*) noexcept {
    if (name_length != 7 || std::memcmp(name, ":status", 7) != 0 || value_length != 3) return 0;
    auto* slot =
        static_cast<Slot*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (slot == nullptr) return 0;
    slot->status = static_cast<std::uint16_t>((value[0] - '0') * 100 + (value[1] - '0') * 10 +
                                              (value[2] - '0'));
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame,
                      void* user_data) noexcept {
    if (frame->hd.type != NGHTTP2_SETTINGS || (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) return 0;
    auto& self = *static_cast<PlainConnection*>(user_data);
    self.streams_ = std::min<std::size_t>(
        self.options_.streams,
        nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
    return 0;
  }

  static int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t,
                      void* user_data) noexcept {
    auto& self = *static_cast<PlainConnection*>(user_data);
    auto* slot = static_cast<Slot*>(nghttp2_session_get_stream_user_data(session, id));
    if (slot == nullptr) return 0;
    ++(slot->status == 200 ? self.tally_.succeeded : self.tally_.failed);
    --self.open_;
    self.free_.push_back(slot);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) noexcept {
    auto& slot = *static_cast<Slot*>(source->ptr);
    const std::size_t size = std::min(room, slot.body->size() - slot.body_sent);
    std::memcpy(buffer, slot.body->data() + slot.body_sent, size);
    slot.body_sent += size;
    if (slot.body_sent == slot.body->size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
};

PlainConnection::PlainConnection(const ClientOptions& options, SSL_CTX* tls, Tally& tally)
    : options_(options), tally_(tally), received_(kReadBytes) {
  plain_.reserve(kFlushBytes + kFrameBytesMax);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1 ||
      ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to " + options.authority);
  }
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  tls_ = SSL_new(tls);
  from_peer_ = BIO_new(BIO_s_mem());
  to_peer_ = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(from_peer_, -1);
  SSL_set_bio(tls_, from_peer_, to_peer_);
  SSL_set_connect_state(tls_);
  shake_hands();
  make_session();
}

PlainConnection::~PlainConnection() {
  nghttp2_session_del(session_);
  SSL_free(tls_);
  ::close(socket_);
}

// The socket still blocks here.
void PlainConnection::shake_hands() {
  for (int done = 0; done != 1;) {
    done = SSL_do_handshake(tls_);
    const int reason = SSL_get_error(tls_, done);
    if (!send_wire()) throw std::runtime_error("the handshake could not be sent");
    if (done == 1) break;
    if (reason != SSL_ERROR_WANT_READ) throw std::runtime_error("the TLS handshake failed");
    const ssize_t size = ::recv(socket_, received_.data(), received_.size(), 0);
    if (size <= 0) throw std::runtime_error("the peer left during the handshake");
    BIO_write(from_peer_, received_.data(), static_cast<int>(size));
  }
  ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
}

void PlainConnection::make_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, PlainCallbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, PlainCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, PlainCallbacks::on_close);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);

  headers_ = {plain_header(":method", "POST"), plain_header(":scheme", "https"),
              plain_header(":authority", options_.authority), plain_header(":path", options_.path)};
  for (const auto& [name, value] : options_.headers) headers_.push_back(plain_header(name, value));
  if (options_.with_apns_id) {
    headers_.push_back(plain_header("apns-id", {}, NGHTTP2_NV_FLAG_NO_INDEX));
  }
}

void PlainConnection::on_readable() {
  for (;;) {
    const ssize_t size = ::recv(socket_, received_.data(), received_.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (size <= 0) throw std::runtime_error("the peer closed the connection");
    BIO_write(from_peer_, received_.data(), static_cast<int>(size));
    read_tls();
    if (static_cast<std::size_t>(size) < received_.size()) break;
  }
  pump();
}

void PlainConnection::read_tls() {
  std::array<std::uint8_t, 16'384> record;
  std::size_t size = 0;
  while (SSL_read_ex(tls_, record.data(), record.size(), &size) == 1) {
    if (nghttp2_session_mem_recv(session_, record.data(), size) < 0) {
      throw std::runtime_error("the peer broke the HTTP/2 protocol");
    }
  }
  if (SSL_get_error(tls_, 0) != SSL_ERROR_WANT_READ) throw std::runtime_error("TLS failed");
}

void PlainConnection::pump() {
  for (;;) {
    if (!send_wire()) return;
    start_requests();
    plain_.clear();
    while (plain_.size() < kFlushBytes) {
      const std::uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) throw std::runtime_error("nghttp2 cannot send");
      if (size == 0) break;
      plain_.insert(plain_.end(), data, data + size);
    }
    if (plain_.empty()) return;
    std::size_t written = 0;
    if (SSL_write_ex(tls_, plain_.data(), plain_.size(), &written) != 1) {
      throw std::runtime_error("TLS failed");
    }
  }
}

void PlainConnection::start_requests() {
  // About what fills one flush: the peer works on the first while the next are made.
  constexpr int kStartsPerFlush = 120;
  for (int i = 0; i < kStartsPerFlush && open_ < streams_ && tally_.left > 0; ++i) {
    if (!start_request()) return;
  }
}

bool PlainConnection::start_request() {
  if (free_.empty()) free_.push_back(&slots_.emplace_back());
  Slot& slot = *free_.back();
  if (options_.token_bytes > 0) {
    const std::size_t at = tally_.started % options_.token_count() * options_.token_bytes;
    slot.path.assign(options_.path).append(options_.tokens, at, options_.token_bytes);
    headers_[3] = plain_header(":path", slot.path);
  }
  if (options_.with_apns_id) {
    write_id(tally_.started, slot.id);
    headers_.back() =
        plain_header("apns-id", {slot.id.data(), slot.id.size()}, NGHTTP2_NV_FLAG_NO_INDEX);
  }
  slot.body_sent = 0;
  slot.body = &options_.body;
  slot.status = 0;
  nghttp2_data_provider body{};
  body.source.ptr = &slot;
  body.read_callback = PlainCallbacks::read_body;
  if (nghttp2_submit_request(session_, nullptr, headers_.data(), headers_.size(), &body, &slot) <
      0) {
    throw std::runtime_error("nghttp2 takes no more requests");
  }
  free_.pop_back();
  ++open_;
  ++tally_.started;
  --tally_.left;
  return true;
}

// False: the socket is full.
bool PlainConnection::send_wire() {
  for (;;) {
    wire_size_ = static_cast<std::size_t>(BIO_get_mem_data(to_peer_, &wire_));
    if (sent_ == wire_size_) {
      BIO_reset(to_peer_);
      sent_ = wire_size_ = 0;
      return true;
    }
    const ssize_t size = ::send(socket_, wire_ + sent_, wire_size_ - sent_, MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw std::runtime_error("the peer takes no more");
    sent_ += static_cast<std::size_t>(size);
  }
}

}  // namespace carillon::bench
