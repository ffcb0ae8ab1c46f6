// A client certificate with its private key, as Apple gives it out for push (Apple, "Establishing a
// certificate-based connection to APNs").
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace carillon::push::auth {

// A value that shares its key. Read-only, so any thread.
class ClientCertificate {
 public:
  // PEM with certificate and key in one file, or PKCS#12 (.p12), also with the algorithms that
  // Apple's Keychain uses and OpenSSL 3 calls legacy. `password_file` holds the password of either,
  // a newline after it does not count; empty: there is none. The error is a sentence that names the
  // file; it never quotes the password or the key.
  static tl::expected<ClientCertificate, std::string> from_file(const std::string& path,
                                                                const std::string& password_file);

  X509* leaf() const noexcept { return leaf_.get(); }
  EVP_PKEY* key() const noexcept { return key_.get(); }
  // What stands between the leaf and a root, in the file's order.
  const std::vector<std::shared_ptr<X509>>& chain() const noexcept { return chain_; }

  // The end of the leaf's validity (notAfter).
  std::chrono::sys_seconds expires_at() const noexcept { return expires_at_; }

  // What it may send to: the topics of Apple's extensions 1.2.840.113635.100.6.3.6 and .6.3.4, or
  // without them the UID of its subject. Empty: it names nothing, so Apple has to say.
  const std::vector<std::string>& topics() const noexcept { return topics_; }
  // Whether it names this topic, or names none.
  bool may_send_to(std::string_view topic) const;

 private:
  ClientCertificate() = default;

  std::shared_ptr<X509> leaf_;
  std::shared_ptr<EVP_PKEY> key_;
  std::vector<std::shared_ptr<X509>> chain_;
  std::vector<std::string> topics_;
  std::chrono::sys_seconds expires_at_{};
};

}  // namespace carillon::push::auth
