#include "device-sim/gateway/vapid_check.h"

#include <algorithm>
#include <optional>

namespace device_sim {
namespace {

constexpr std::size_t kRawSignatureBytes = 64;

struct VapidParameters {
  std::string_view token;
  std::string_view key;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// RFC 8292 §3: t and k in any order, with or without a space after the comma.
std::optional<VapidParameters> parse_vapid(std::string_view authorization) {
  constexpr std::string_view kScheme = "vapid ";
  if (authorization.size() < kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kScheme[i]) return std::nullopt;
  }
  VapidParameters parameters;
  for (std::string_view rest = authorization.substr(kScheme.size()); !rest.empty();) {
    const std::string_view one = trimmed(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(rest.size(), rest.find(',')));
    if (!rest.empty()) rest.remove_prefix(1);
    if (one.starts_with("t=")) parameters.token = one.substr(2);
    if (one.starts_with("k=")) parameters.key = one.substr(2);
  }
  if (parameters.token.empty() || parameters.key.empty()) return std::nullopt;
  return parameters;
}

bool is_contact(std::string_view subject) {
  return subject.starts_with("mailto:") || subject.starts_with("https:");
}

}  // namespace

VapidVerdict VapidTokens::verify(std::string_view authorization, Verified& verified) const {
  const auto parameters = parse_vapid(authorization);
  if (!parameters) return VapidVerdict::kInvalid;
  const auto key = base64url_decode(parameters->key);
  if (!key) return VapidVerdict::kInvalid;
  if (*key != point_) return VapidVerdict::kOtherKey;
  const auto jwt = parse_jwt(parameters->token);
  if (!jwt || text_member(jwt->header, "alg") != "ES256" ||
      jwt->signature.size() != kRawSignatureBytes || !is_contact(text_member(jwt->claims, "sub")) ||
      !key_.verifies(jwt->signed_part, jwt->signature)) {
    return VapidVerdict::kInvalid;
  }
  const auto expires = seconds_member(jwt->claims, "exp");
  if (!expires) return VapidVerdict::kInvalid;
  verified = {.authorization = std::string(authorization),
              .audience = text_member(jwt->claims, "aud"),
              .expires_s = *expires};
  return VapidVerdict::kValid;
}

VapidVerdict VapidTokens::check(std::string_view authorization, std::string_view origin,
                                std::int64_t now_s) {
  if (authorization.empty()) return VapidVerdict::kMissing;
  auto known = std::ranges::find(verified_, authorization, &Verified::authorization);
  if (known == verified_.end()) {
    Verified verified;
    const VapidVerdict verdict = verify(authorization, verified);
    if (verdict != VapidVerdict::kValid) return verdict;
    if (verified_.size() < kVerifiedMax) verified_.emplace_back();
    known = verified_.begin() + static_cast<std::ptrdiff_t>(next_victim_);
    next_victim_ = (next_victim_ + 1) % kVerifiedMax;
    *known = std::move(verified);
  }
  const bool in_time =
      known->expires_s > now_s && known->expires_s <= now_s + kVapidAheadSecondsMax;
  return in_time && known->audience == origin ? VapidVerdict::kValid : VapidVerdict::kInvalid;
}

}  // namespace device_sim
