#include "tests/providers/test_server.h"

#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/ssl.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace carillon::push::test {
namespace {

using asio::ip::tcp;

int choose_h2(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
              unsigned int in_length, void*) {
  static const unsigned char kH2[] = {2, 'h', '2'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kH2, sizeof kH2, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

class TestServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  struct Peer : std::enable_shared_from_this<Peer> {
    Peer(Impl& owner, tcp::socket socket, int number)
        : server(owner),
          stream(std::move(socket), owner.context_),
          session({.streams_max = owner.options_.streams_max,
                   .window_bytes = owner.options_.window_bytes,
                   .handler = owner.options_.handler,
                   .connection = number}) {}

    void start() {
      stream.async_handshake(asio::ssl::stream_base::server,
                             [self = shared_from_this()](const asio::error_code& error) {
                               if (error) return self->close();
                               self->handshaken = true;
                               self->server.note_client(self->stream.native_handle());
                               self->flush();
                               self->read();
                             });
    }

    void read() {
      stream.async_read_some(
          asio::buffer(buffer),
          [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
            if (self->deaf) return;
            if (error) return self->close();
            const bool alive = self->session.receive({self->buffer.data(), size});
            self->server.note(self->session);
            if (!alive && self->session.cut) return self->close();
            self->flush();
            if (!alive) return self->close();
            self->read();
          });
    }

    void flush() {
      if (!handshaken || writing || deaf || closed) return;
      out = session.produce();
      if (out.empty()) return;
      writing = true;
      asio::async_write(stream, asio::buffer(out),
                        [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                          self->writing = false;
                          if (error) return self->close();
                          self->flush();
                        });
    }

    void close() {
      if (std::exchange(closed, true)) return;
      asio::error_code ignored;
      stream.lowest_layer().close(ignored);
      server.forget(shared_from_this());
    }

    Impl& server;
    asio::ssl::stream<tcp::socket> stream;
    ServerSession session;
    std::array<std::uint8_t, 32 * 1024> buffer{};
    std::vector<std::uint8_t> out;
    bool handshaken = false;
    bool writing = false;
    bool deaf = false;
    bool closed = false;
  };

  explicit Impl(Options options)
      : options_(std::move(options)),
        context_(asio::ssl::context::tls_server),
        acceptor_(io_, tcp::endpoint(asio::ip::make_address(options_.address), options_.port)) {
    context_.use_certificate_chain_file(options_.certificate.certificate);
    context_.use_private_key_file(options_.certificate.key, asio::ssl::context::pem);
    if (!options_.client_ca.empty()) {
      context_.load_verify_file(options_.client_ca);
      context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    if (options_.speaks_h2) {
      SSL_CTX_set_alpn_select_cb(context_.native_handle(), choose_h2, nullptr);
    }
    port_ = acceptor_.local_endpoint().port();
  }

  void start() {
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }

  void stop() {
    run([this] {
      asio::error_code ignored;
      acceptor_.close(ignored);
      for (const auto& peer : std::set(peers_)) peer->close();
      muted_.clear();
    });
    io_.stop();
    thread_.join();
  }

  // On the server's thread, waiting for it.
  void run(const std::function<void()>& act) {
    std::promise<void> done;
    asio::post(io_, [&] {
      act();
      done.set_value();
    });
    done.get_future().wait();
  }

  void accept() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
      if (error) return;
      const int number = accepted_++;
      if (options_.mute) {
        muted_.push_back(std::move(socket));
      } else {
        auto peer = std::make_shared<Peer>(*this, std::move(socket), number);
        peers_.insert(peer);
        alive_ = static_cast<int>(peers_.size());
        peer->start();
      }
      accept();
    });
  }

  void note(ServerSession& session) {
    const std::lock_guard lock(mutex_);
    for (auto& request : session.complete) requests_.push_back(std::move(request));
    session.complete.clear();
    pings_ += std::exchange(session.pings, 0);
    resets_ += static_cast<int>(std::exchange(session.reset_by_client, {}).size());
    if (session.goaway_by_client) saw_goaway_ = true;
  }

  void note_client(SSL* ssl) {
    const X509* const certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) return;
    std::array<char, 256> uid{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_userId, uid.data(),
                              static_cast<int>(uid.size()));
    const std::lock_guard lock(mutex_);
    client_uids_.emplace_back(uid.data());
  }

  void forget(const std::shared_ptr<Peer>& peer) {
    peers_.erase(peer);
    alive_ = static_cast<int>(peers_.size());
  }

  Options options_;
  asio::io_context io_{1};
  asio::ssl::context context_;
  tcp::acceptor acceptor_;
  std::set<std::shared_ptr<Peer>> peers_;
  std::vector<tcp::socket> muted_;
  std::uint16_t port_ = 0;
  std::thread thread_;
  std::atomic<int> accepted_{0};
  std::atomic<int> alive_{0};
  std::atomic<int> pings_{0};
  std::atomic<int> resets_{0};
  std::atomic<bool> saw_goaway_{false};
  mutable std::mutex mutex_;
  std::vector<ServerRequest> requests_;
  std::vector<std::string> client_uids_;
};

TestServer::TestServer(Options options) : impl_(std::make_shared<Impl>(std::move(options))) {
  impl_->start();
}
TestServer::~TestServer() {
  impl_->stop();
}

std::uint16_t TestServer::port() const {
  return impl_->port_;
}
std::string TestServer::url(const std::string& host) const {
  return "https://" + host + ":" + std::to_string(impl_->port_);
}
std::vector<std::string> TestServer::client_uids() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->client_uids_;
}
int TestServer::accepted() const {
  return impl_->accepted_;
}
int TestServer::alive() const {
  return impl_->alive_;
}
int TestServer::pings() const {
  return impl_->pings_;
}
int TestServer::resets() const {
  return impl_->resets_;
}
bool TestServer::saw_goaway() const {
  return impl_->saw_goaway_;
}
std::vector<ServerRequest> TestServer::requests() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->requests_;
}

void TestServer::each_session(const std::function<void(ServerSession&)>& act) {
  impl_->run([&] {
    for (const auto& peer : std::set(impl_->peers_)) {
      act(peer->session);
      peer->flush();
    }
  });
}

void TestServer::cut_all() {
  impl_->run([&] {
    for (const auto& peer : std::set(impl_->peers_)) peer->close();
  });
}

void TestServer::go_deaf() {
  impl_->run([&] {
    for (const auto& peer : impl_->peers_) peer->deaf = true;
  });
}

}  // namespace carillon::push::test
