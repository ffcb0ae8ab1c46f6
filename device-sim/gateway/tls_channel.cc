#include "device-sim/gateway/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace device_sim {

// A BIO that reads from the bytes that were fed and appends to wire_out(): one write to the socket
// for everything that a batch has produced.
struct WireBio {
  static TlsChannel& channel(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, std::size_t room, std::size_t* length) noexcept {
    BIO_clear_retry_flags(bio);
    std::string_view& in = channel(bio).wire_in_;
    *length = std::min(room, in.size());
    if (*length == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(out, in.data(), *length);
    in.remove_prefix(*length);
    return 1;
  }

  static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* length) noexcept {
    BIO_clear_retry_flags(bio);
    channel(bio).wire_out_.append(bytes, size);
    *length = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) noexcept {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
      BIO_meth_set_read_ex(made, read);
      BIO_meth_set_write_ex(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return kMethod;
  }
};

namespace {

// The wire form of ALPN lists: a length before each name.
constexpr unsigned char kH2Only[] = "\x02h2";
constexpr unsigned char kH2AndHttp1[] = "\x02h2\x08http/1.1";

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_length,
                const unsigned char* offered, unsigned int offered_length,
                void* argument) noexcept {
  const auto protocols = *static_cast<const PortProtocols*>(argument);
  const bool both = protocols == PortProtocols::kHttp2AndHttp1;
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_length, both ? kH2AndHttp1 : kH2Only,
                                          both ? sizeof kH2AndHttp1 - 1 : sizeof kH2Only - 1,
                                          offered, offered_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

PortProtocols* alpn_argument(PortProtocols protocols) {
  static PortProtocols http2 = PortProtocols::kHttp2;
  static PortProtocols both = PortProtocols::kHttp2AndHttp1;
  return protocols == PortProtocols::kHttp2 ? &http2 : &both;
}

std::unique_ptr<BIO, decltype(&BIO_free)> memory_bio(std::string_view text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

bool use_chain(SSL_CTX* context, std::string_view pem) {
  const auto bio = memory_bio(pem);
  X509* leaf = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
  if (leaf == nullptr) return false;
  const bool taken = SSL_CTX_use_certificate(context, leaf) == 1;
  X509_free(leaf);
  if (!taken) return false;
  while (X509* issuer = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add0_chain_cert(context, issuer);
  }
  ERR_clear_error();  // the end of the PEM text is an error to OpenSSL
  return true;
}

// The handshake goes on whatever the client shows: Apple's word for a bad certificate is an answer.
bool ask_for_certificate(SSL_CTX* context, std::string_view ca_pem) {
  const auto bio = memory_bio(ca_pem);
  int taken = 0;
  while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) == 1 &&
        SSL_CTX_add_client_CA(context, ca) == 1) {
      ++taken;
    }
    X509_free(ca);
  }
  ERR_clear_error();                             // the end of the PEM text is an error to OpenSSL
  constexpr unsigned char kSessions[] = "apns";  // OpenSSL wants a name for those that come again
  SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) {
    ERR_clear_error();  // or the handshake would be taken for failed
    return 1;
  });
  return taken > 0;
}

bool use_key(SSL_CTX* context, std::string_view pem) {
  const auto bio = memory_bio(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) return false;
  const bool taken = SSL_CTX_use_PrivateKey(context, key) == 1;
  EVP_PKEY_free(key);
  return taken;
}

}  // namespace

tl::expected<std::shared_ptr<SSL_CTX>, std::string> make_tls_context(
    std::string_view certificate_pem, std::string_view key_pem, PortProtocols protocols,
    std::string_view client_ca_pem) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) throw std::runtime_error("OpenSSL has no TLS server method");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  const bool good_certificate = use_chain(context.get(), certificate_pem);
  const bool good_key = good_certificate && use_key(context.get(), key_pem);
  const bool match = good_key && SSL_CTX_check_private_key(context.get()) == 1;
  ERR_clear_error();
  if (!good_certificate) {
    return tl::unexpected(std::string("the TLS certificate is not a PEM certificate chain"));
  }
  if (!good_key) return tl::unexpected(std::string("the TLS key is not a PEM private key"));
  if (!match) return tl::unexpected(std::string("the TLS key does not belong to the certificate"));
  if (!client_ca_pem.empty() && !ask_for_certificate(context.get(), client_ca_pem)) {
    return tl::unexpected(std::string("apns.client_ca is not a PEM certificate"));
  }
  SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, alpn_argument(protocols));
  return context;
}

TlsChannel::TlsChannel(SSL_CTX* context) : ssl_(SSL_new(context)) {
  if (ssl_ == nullptr) throw std::runtime_error("OpenSSL is out of memory");
  BIO* bio = BIO_new(WireBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsChannel::~TlsChannel() {
  SSL_free(ssl_);
}

TlsChannel::Result TlsChannel::read(char* buffer, std::size_t room, std::size_t& length) {
  length = 0;
  const int read = SSL_read_ex(ssl_, buffer, room, &length);
  is_established_ = is_established_ || SSL_is_init_finished(ssl_) != 0;
  if (read == 1) return Result::kMore;
  length = 0;
  const int error = SSL_get_error(ssl_, read);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Result::kMore;
  ERR_clear_error();
  return error == SSL_ERROR_ZERO_RETURN ? Result::kClosed : Result::kFailed;
}

void TlsChannel::write(std::string_view plain) {
  std::size_t written = 0;
  // The BIO always takes everything, so this never comes back with a part.
  if (!plain.empty() && SSL_write_ex(ssl_, plain.data(), plain.size(), &written) != 1) {
    ERR_clear_error();
  }
}

void TlsChannel::say_goodbye() {
  if (is_established_) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string_view TlsChannel::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

}  // namespace device_sim
