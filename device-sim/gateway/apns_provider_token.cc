#include "device-sim/gateway/apns_provider_token.h"

#include <functional>
#include <string>
#include <utility>

#include "device-sim/gateway/bearer.h"

namespace device_sim {

const ApnsProviderTokens::Verified* ApnsProviderTokens::find_verified(
    std::string_view authorization) {
  if (last_ < verified_.size() && verified_[last_].authorization == authorization) {
    return &verified_[last_];
  }
  for (std::size_t i = 0; i < verified_.size(); ++i) {
    if (verified_[i].authorization == authorization) {
      last_ = i;
      return &verified_[i];
    }
  }
  return nullptr;
}

bool ApnsProviderTokens::verify(std::string_view authorization, Verified& verified) const {
  const std::string_view text = bearer_credential(authorization);
  const auto jwt = parse_jwt(text);
  if (!jwt || text_member(jwt->header, "alg") != "ES256") return false;
  verified.key_id = text_member(jwt->header, "kid");
  const std::string team_id = text_member(jwt->claims, "iss");
  const auto issued = seconds_member(jwt->claims, "iat");
  if (!issued) return false;
  verified.issued_s = *issued;
  verified.identity =
      std::hash<std::string>{}(verified.key_id + " " + team_id + " " + std::to_string(*issued)) | 1;
  for (const ApnsKey& key : keys_) {
    if (key.key_id == verified.key_id && key.team_id == team_id) {
      return key.public_key.verifies(jwt->signed_part, jwt->signature);
    }
  }
  return false;
}

ProviderTokenVerdict ApnsProviderTokens::check(std::string_view authorization, std::int64_t now_s) {
  if (authorization.empty()) return ProviderTokenVerdict::kMissing;
  const Verified* known = find_verified(authorization);
  std::int64_t issued_s = 0;
  if (known != nullptr) {
    issued_s = known->issued_s;
  } else {
    Verified fresh{.authorization = std::string(authorization)};
    if (!verify(authorization, fresh)) return ProviderTokenVerdict::kInvalid;
    issued_s = fresh.issued_s;
    if (verified_.size() < kVerifiedMax) verified_.emplace_back();
    last_ = next_victim_;
    next_victim_ = (next_victim_ + 1) % kVerifiedMax;
    verified_[last_] = std::move(fresh);
  }
  if (issued_s > now_s + kProviderTokenAheadSecondsMax) return ProviderTokenVerdict::kInvalid;
  if (now_s - issued_s > kProviderTokenAgeSecondsMax) return ProviderTokenVerdict::kExpired;
  return ProviderTokenVerdict::kValid;
}

}  // namespace device_sim
