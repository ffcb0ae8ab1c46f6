#include "providers/http2/tls_socket.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/address.hpp>
#include <cassert>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "providers/openssl_error.h"

namespace carillon::push::http2 {

// The BIO under OpenSSL: reads from `in_`, appends to `out_`, never touches the socket.
struct TlsSocketBio {
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept {
    auto& self = *static_cast<TlsSocket*>(BIO_get_data(bio));
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
    self.out_.insert(self.out_.end(), bytes, bytes + size);
    self.out_total_ += size;
    *written = size;
    return 1;
  }

  static int read(BIO* bio, char* data, std::size_t size, std::size_t* got) noexcept {
    auto& self = *static_cast<TlsSocket*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::size_t available = self.in_end_ - self.in_begin_;
    if (available == 0) {
      *got = 0;
      if (!self.ended_) BIO_set_retry_read(bio);
      return 0;
    }
    *got = std::min(size, available);
    std::memcpy(data, self.in_.data() + self.in_begin_, *got);
    self.in_begin_ += *got;
    return 1;
  }

  static long control(BIO*, int command, long, void*) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "batch");
      if (made == nullptr) throw std::bad_alloc();
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return kMethod;
  }
};

void TlsSocket::SslDeleter::operator()(SSL* ssl) const noexcept {
  SSL_free(ssl);
}

TlsSocket::TlsSocket(asio::ip::tcp::socket socket, SSL_CTX* context, const std::string& host)
    : socket_(std::move(socket)),
      ssl_(SSL_new(context)),
      host_(host),
      in_(kReadAheadBytes),
      plain_(kRecordBytesMax) {
  if (ssl_ == nullptr) throw std::bad_alloc();
  BIO* bio = BIO_new(TlsSocketBio::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_connect_state(ssl_.get());

  asio::error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_.get());
  int accepted = 1;
  if (not_an_address) {
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    accepted = X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size());
    if (accepted == 1) {
      accepted = static_cast<int>(SSL_set_tlsext_host_name(ssl_.get(), host.c_str()));
    }
  } else {
    accepted = X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str());
  }
  if (accepted != 1) fail(fmt::format("\"{}\" cannot be verified as a host name", host));
  asio::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

TlsSocket::~TlsSocket() = default;

void TlsSocket::fail(std::string error) {
  if (ended_) return;
  ended_ = true;
  error_ = std::move(error);
}

TlsSocket::Handshake TlsSocket::handshake() {
  while (!ended_) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int reason = SSL_get_error(ssl_.get(), done);
    if (done != 1 && reason != SSL_ERROR_WANT_READ) {
      flush();  // the alert that tells the peer why
      const long verified = SSL_get_verify_result(ssl_.get());
      std::string error = take_openssl_error();
      if (verified != X509_V_OK) {
        error = fmt::format("its certificate is not accepted: {}",
                            X509_verify_cert_error_string(verified));
      }
      fail(fmt::format("TLS handshake failed: {}", error));
      break;
    }
    flush();
    if (done == 1) {
      const unsigned char* protocol = nullptr;
      unsigned length = 0;
      SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
      if (length == 2 && std::memcmp(protocol, "h2", 2) == 0) return Handshake::kDone;
      fail("the server does not speak HTTP/2 (it did not choose h2 by ALPN)");
      break;
    }
    if (!fill()) {
      if (ended_) {
        if (error_.empty()) error_ = "the server closed the connection during the TLS handshake";
        break;
      }
      return Handshake::kWaiting;
    }
  }
  return Handshake::kFailed;
}

// Takes what the kernel has. False: nothing, for now or for ever (`ended_`).
bool TlsSocket::fill() {
  assert(in_begin_ == in_end_);
  if (drained_ && write_error_.empty()) {
    drained_ = false;
    return false;
  }
  in_begin_ = in_end_ = 0;
  asio::error_code error;
  const std::size_t size = socket_.read_some(asio::buffer(in_), error);
  if (error) {
    if (error == asio::error::would_block || error == asio::error::try_again) {
      if (!write_error_.empty()) fail(write_error_);
      return false;
    }
    fail(error == asio::error::eof ? "" : error.message());
    return false;
  }
  in_end_ = size;
  received_bytes_ += size;
  drained_ = size < in_.size();
  return true;
}

std::span<const std::uint8_t> TlsSocket::read() {
  for (;;) {
    std::size_t size = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), plain_.data(), plain_.size(), &size) == 1) {
      return {plain_.data(), size};
    }
    switch (SSL_get_error(ssl_.get(), 0)) {
      case SSL_ERROR_WANT_READ:
        if (!ended_ && fill()) continue;
        return {};
      case SSL_ERROR_ZERO_RETURN:
        fail("");
        return {};
      default:
        fail(fmt::format("TLS error: {}", take_openssl_error()));
        return {};
    }
  }
}

bool TlsSocket::has_unread() const noexcept {
  return in_begin_ != in_end_ || SSL_has_pending(ssl_.get()) == 1;
}

void TlsSocket::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty() && !ended_) {
    const auto record = bytes.first(std::min(bytes.size(), kRecordBytesMax));
    const std::uint64_t begin = out_total_;
    std::size_t written = 0;
    ERR_clear_error();
    // The BIO takes all it is given, so a write is never left half done.
    if (SSL_write_ex(ssl_.get(), record.data(), record.size(), &written) != 1) {
      fail(fmt::format("TLS error: {}", take_openssl_error()));
      return;
    }
    plain_total_ += written;
    records_.push_back({.begin = begin, .plain_end = plain_total_});
    bytes = bytes.subspan(written);
  }
}

bool TlsSocket::flush() {
  if (!write_error_.empty()) return false;
  while (!flushed()) {
    asio::error_code error;
    const std::size_t size =
        socket_.write_some(asio::buffer(out_.data() + out_begin_, out_.size() - out_begin_), error);
    if (error == asio::error::would_block || error == asio::error::try_again) return false;
    if (error) {
      // What the peer said before it left (a GOAWAY, an alert) may still wait to be read: the end
      // is declared by `fill` once that is taken, mostly with a better reason than "broken pipe".
      write_error_ = error.message();
      out_begin_ = out_.size();
      return false;
    }
    out_begin_ += size;
    kernel_total_ += size;
    while (!records_.empty() && records_.front().begin < kernel_total_) {
      handed_bytes_ = records_.front().plain_end;
      records_.pop_front();
    }
  }
  out_.clear();
  out_begin_ = 0;
  return true;
}

void TlsSocket::close() {
  if (!ended_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    flush();
  }
  ended_ = true;
  ERR_clear_error();
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace carillon::push::http2
