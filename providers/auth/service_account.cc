#include "providers/auth/service_account.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <nlohmann/json.hpp>

#include "providers/auth/base64url.h"
#include "providers/auth/json_text.h"
#include "providers/auth/private_key.h"

namespace carillon::push::auth {
namespace {

constexpr int kRsaBitsMin = 2048;  // RFC 7518, 3.3

}  // namespace

tl::expected<ServiceAccount, std::string> ServiceAccount::from_json(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return tl::unexpected<std::string>("is not a JSON object");
  if (const std::string type = text_member(json, "type"); type != "service_account") {
    return tl::unexpected<std::string>(
        "is not a service account's key (its \"type\" says otherwise)");
  }
  ServiceAccount account;
  account.email_ = text_member(json, "client_email");
  account.key_id_ = text_member(json, "private_key_id");
  account.project_ = text_member(json, "project_id");
  account.token_uri_ = text_member(json, "token_uri");
  if (account.token_uri_.empty()) account.token_uri_ = kDefaultTokenUri;
  if (account.email_.empty()) return tl::unexpected<std::string>("has no member \"client_email\"");
  const std::string pem = text_member(json, "private_key");
  if (pem.empty()) return tl::unexpected<std::string>("has no member \"private_key\"");
  account.key_ = parse_private_key(pem);
  if (account.key_ == nullptr || EVP_PKEY_is_a(account.key_.get(), "RSA") != 1) {
    return tl::unexpected<std::string>("has a \"private_key\" that is not an RSA key in PEM form");
  }
  if (EVP_PKEY_get_bits(account.key_.get()) < kRsaBitsMin) {
    return tl::unexpected(fmt::format("has a \"private_key\" of less than {} bits", kRsaBitsMin));
  }
  return account;
}

tl::expected<ServiceAccount, std::string> ServiceAccount::from_file(const std::string& path) {
  const auto text = read_credential_file(path);
  if (!text) return tl::unexpected(text.error());
  auto account = from_json(*text);
  if (!account) return tl::unexpected(fmt::format("{} {}", path, account.error()));
  return account;
}

std::string ServiceAccount::assertion(std::string_view audience, std::string_view scope,
                                      std::chrono::system_clock::time_point now) const {
  nlohmann::json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!key_id_.empty()) header["kid"] = key_id_;
  const auto issued = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  const nlohmann::json claims = {{"iss", email_},
                                 {"scope", scope},
                                 {"aud", audience},
                                 {"iat", issued.count()},
                                 {"exp", (issued + kAssertionLife).count()}};
  const std::string text = fmt::format("{}.{}", base64url(header.dump()), base64url(claims.dump()));
  return fmt::format("{}.{}", text, base64url(sign_sha256(key_.get(), text)));
}

}  // namespace carillon::push::auth
