// TLS over a connected, non-blocking TCP socket: plain bytes in, plain bytes out, and how far they
// got. Only for the sources of providers/http2 (it includes Asio).
#pragma once

// A standard header before any of Asio's: its configuration looks at libstdc++'s macros without
// including one (1.22), and two answers in one program free with delete what came from
// aligned_alloc.
#include <cstddef>

#include <openssl/types.h>

#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace carillon::push::http2 {

// Never waits: whoever owns it waits for the socket to be readable or writable and calls again.
// Encrypts into a buffer of its own and gives the kernel a whole batch of records at once; reads
// from the kernel up to 64 KiB ahead. (asio::ssl::stream writes record by record, which costs a
// system call each.) One thread.
class TlsSocket {
 public:
  static constexpr std::size_t kReadAheadBytes = 64 * 1024;
  static constexpr std::size_t kRecordBytesMax = 16 * 1024;  // RFC 8446, 5.1

  // `host` is what the certificate must name, and what is sent as SNI unless it is an address.
  TlsSocket(asio::ip::tcp::socket socket, SSL_CTX* context, const std::string& host);
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  enum class Handshake { kDone, kWaiting, kFailed };
  // To be called until it is done, whenever the socket is readable.
  Handshake handshake();

  // The next plain bytes, at most one record; empty when the kernel has no more, or at the end. The
  // span is valid until the next call.
  std::span<const std::uint8_t> read();

  // Whether `read` has something that the socket's readability does not tell.
  bool has_unread() const noexcept;

  // Encrypts all of `bytes`; nothing reaches the kernel before `flush`.
  void write(std::span<const std::uint8_t> bytes);
  // Hands over what is encrypted. False: some of it has to wait until the socket is writable.
  bool flush();
  bool flushed() const noexcept { return out_begin_ == out_.size(); }
  // The kernel takes no more: read until the end, which is near.
  bool write_failed() const noexcept { return !write_error_.empty(); }

  // How many of the bytes given to `write` the kernel may have sent in a form that the peer can
  // read: whole records are counted from the first byte the kernel took of them.
  std::uint64_t handed_bytes() const noexcept { return handed_bytes_; }
  // How many encrypted bytes have come from the peer.
  std::uint64_t received_bytes() const noexcept { return received_bytes_; }

  bool ended() const noexcept { return ended_; }
  const std::string& error() const noexcept { return error_; }  // empty: the peer closed properly

  // Says goodbye as far as the socket takes it without waiting, then closes.
  void close();

  asio::ip::tcp::socket& socket() noexcept { return socket_; }

 private:
  friend struct TlsSocketBio;
  struct SslDeleter {
    void operator()(SSL* ssl) const noexcept;
  };
  // A record in `out_`: it begins at `begin`, and with it the plain bytes up to `plain_end` are
  // out.
  struct Record {
    std::uint64_t begin;
    std::uint64_t plain_end;
  };

  bool fill();
  void fail(std::string error);

  asio::ip::tcp::socket socket_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  std::string host_;

  std::vector<std::uint8_t> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  bool drained_ = false;  // the kernel had less than was asked for: nothing more just now
  std::vector<std::uint8_t> out_;
  std::size_t out_begin_ = 0;
  std::vector<std::uint8_t> plain_;

  std::deque<Record> records_;
  std::uint64_t out_total_ = 0;     // bytes ever put into out_
  std::uint64_t kernel_total_ = 0;  // bytes ever taken by the kernel
  std::uint64_t plain_total_ = 0;
  std::uint64_t handed_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;

  bool ended_ = false;
  std::string error_;
  std::string write_error_;
};

}  // namespace carillon::push::http2
