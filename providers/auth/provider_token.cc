#include "providers/auth/provider_token.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "providers/auth/base64url.h"

namespace carillon::push::auth {

ProviderToken::ProviderToken(Es256Key key, std::string key_id, std::string team_id)
    : key_(std::move(key)), key_id_(std::move(key_id)), team_id_(std::move(team_id)) {}

std::shared_ptr<const std::string> ProviderToken::header(Time now) {
  const auto age = now - minted_at_;
  if (header_ == nullptr || age >= kRenewAfter || age <= -kRenewAfter) {
    header_ = std::make_shared<const std::string>("bearer " + mint(now));
    minted_at_ = now;
  }
  return header_;
}

ProviderToken::Refusal ProviderToken::on_expired(const std::string& header, Time now) {
  if (header_ == nullptr || header_.get() != &header) return Refusal::kOutdated;
  if (now - minted_at_ < kKeepAtLeast) return Refusal::kTooYoung;
  header_.reset();
  return Refusal::kRenewed;
}

ProviderToken::Refusal ProviderToken::on_invalid(const std::string& header, Time now) {
  if (header_ == nullptr || header_.get() != &header) return Refusal::kOutdated;
  if (minted_at_ - now < kAhead) return Refusal::kTooYoung;
  header_.reset();
  return Refusal::kRenewed;
}

std::string ProviderToken::mint(Time now) const {
  const auto issued = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  const nlohmann::json header = {{"alg", "ES256"}, {"kid", key_id_}};
  const nlohmann::json claims = {{"iss", team_id_}, {"iat", issued.count()}};
  const std::string text = fmt::format("{}.{}", base64url(header.dump()), base64url(claims.dump()));
  return fmt::format("{}.{}", text, base64url(key_.sign(text)));
}

}  // namespace carillon::push::auth
