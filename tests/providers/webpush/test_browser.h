// A browser that has subscribed: its keys, and what it reads. Written from RFC 8291 and RFC 8188
// with OpenSSL's high-level functions; shares nothing with the code under test.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace carillon::push::test {

class TestBrowser {
 public:
  TestBrowser();

  std::string p256dh() const;  // base64url
  std::string auth() const;
  // As a device's token.
  std::string token(std::string_view endpoint) const;

  // The plaintext of a message; nothing if it is not for this browser.
  std::optional<std::string> open(std::string_view body) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::string point_;
  std::string auth_;
};

}  // namespace carillon::push::test
