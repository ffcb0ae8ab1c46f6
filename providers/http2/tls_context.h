// What every TLS connection to one endpoint has in common: whom to trust, what to speak.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <tl/expected.hpp>

namespace carillon::push::auth {
class ClientCertificate;
}

namespace carillon::push::http2 {

// A client's context: TLS 1.2 or newer, the peer's chain verified against `ca_file` (PEM; empty:
// the system's store), h2 offered by ALPN. The host name is verified per connection (TlsSocket).
class TlsContext {
 public:
  // The error is a sentence that names the file.
  static tl::expected<TlsContext, std::string> make(const std::string& ca_file);

  // Before the first connection: what this side shows if it is asked who it is. The error is
  // OpenSSL's, as for a key that is too short.
  tl::expected<void, std::string> show(const auth::ClientCertificate& certificate);

  SSL_CTX* get() const noexcept { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<SSL_CTX> context) : context_(std::move(context)) {}
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace carillon::push::http2
