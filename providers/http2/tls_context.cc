#include "providers/http2/tls_context.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>

#include "providers/auth/client_certificate.h"
#include "providers/openssl_error.h"

namespace carillon::push::http2 {

tl::expected<TlsContext, std::string> TlsContext::make(const std::string& ca_file) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  constexpr std::array<unsigned char, 3> kAlpn = {2, 'h', '2'};
  if (SSL_CTX_set_alpn_protos(context.get(), kAlpn.data(), kAlpn.size()) != 0) {
    throw std::bad_alloc();
  }
  if (!ca_file.empty()) {
    // OpenSSL's own word for a file that is not there is "unknown error".
    std::FILE* const file = std::fopen(ca_file.c_str(), "rb");
    const int fault = errno;
    if (file == nullptr) {
      return tl::unexpected(
          fmt::format("{} cannot be read: {}", ca_file, std::generic_category().message(fault)));
    }
    std::fclose(file);
  }
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                     : SSL_CTX_load_verify_file(context.get(), ca_file.c_str());
  if (loaded != 1) {
    const std::string reason = take_openssl_error();
    return tl::unexpected(
        ca_file.empty()
            ? fmt::format("the system's certificate store cannot be read: {}", reason)
            : fmt::format("{} cannot be read as PEM certificates: {}", ca_file, reason));
  }
  return TlsContext(std::move(context));
}

tl::expected<void, std::string> TlsContext::show(const auth::ClientCertificate& certificate) {
  SSL_CTX* const context = context_.get();
  bool taken = SSL_CTX_use_certificate(context, certificate.leaf()) == 1 &&
               SSL_CTX_use_PrivateKey(context, certificate.key()) == 1;
  for (const auto& issuer : certificate.chain()) {
    taken = taken && SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
  }
  if (!taken) return tl::unexpected(take_openssl_error());
  return {};
}

}  // namespace carillon::push::http2
