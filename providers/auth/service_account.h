// A Google service account: who we are to Google, and the key that proves it.
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::push::auth {

// The JSON file that Google's console hands out. A value that shares its key.
class ServiceAccount {
 public:
  static constexpr std::string_view kDefaultTokenUri = "https://oauth2.googleapis.com/token";
  // The most that Google takes for an assertion.
  static constexpr std::chrono::seconds kAssertionLife{3600};

  // The error follows a file's name: "has no member \"private_key\"". Never quotes the text.
  static tl::expected<ServiceAccount, std::string> from_json(std::string_view text);
  // The error is a sentence that names the file.
  static tl::expected<ServiceAccount, std::string> from_file(const std::string& path);

  const std::string& project() const noexcept { return project_; }  // empty: the file names none
  const std::string& token_uri() const noexcept { return token_uri_; }

  // The JWT that is exchanged for an access token (RFC 7523), signed with RS256.
  std::string assertion(std::string_view audience, std::string_view scope,
                        std::chrono::system_clock::time_point now) const;

 private:
  ServiceAccount() = default;
  std::shared_ptr<EVP_PKEY> key_;
  std::string email_;
  std::string key_id_;  // may be empty
  std::string project_;
  std::string token_uri_;
};

}  // namespace carillon::push::auth
