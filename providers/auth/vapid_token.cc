#include "providers/auth/vapid_token.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "providers/auth/base64url.h"

namespace carillon::push::auth {
namespace {

constexpr std::string_view kMailto = "mailto:";
constexpr std::string_view kHttpsUrl = "https://";
constexpr std::chrono::hours kLifetimeMax{24};  // RFC 8292, 2
static_assert(VapidToken::kLifetime < kLifetimeMax &&
              VapidToken::kRenewAfter < VapidToken::kLifetime &&
              VapidToken::kKeepAtLeast <= VapidToken::kRenewAfter);

// A host that can be somewhere: it has a dot, and is not of a name that RFC 6761 keeps from being.
bool is_public_host(std::string_view host) {
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && !host.ends_with('.') &&
         !host.ends_with(".localhost") && !host.ends_with(".invalid");
}

}  // namespace

std::string_view contact_fault(std::string_view subject) noexcept {
  for (const char c : subject) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') {
      return "must be printable ASCII without spaces, quotes and backslashes";
    }
  }
  std::string_view host;
  if (subject.starts_with(kMailto)) {
    const auto at = subject.rfind('@');
    if (at == std::string_view::npos || at == kMailto.size()) {
      return "must be \"mailto:\" and an address, such as mailto:push@example.com";
    }
    host = subject.substr(at + 1);
  } else if (subject.starts_with(kHttpsUrl)) {
    host = subject.substr(kHttpsUrl.size());
    host = host.substr(0, host.find_first_of("/?#:"));
  } else {
    return "must begin with mailto: or https://";
  }
  if (!is_public_host(host)) return "must name a host that exists: Apple refuses others";
  return {};
}

VapidToken::VapidToken(Es256Key key, std::string origin, std::string subject)
    : key_(std::move(key)),
      public_key_(base64url(key_.public_point())),
      origin_(std::move(origin)),
      subject_(std::move(subject)) {}

std::shared_ptr<const std::string> VapidToken::header(Time now) {
  const auto age = now - minted_at_;
  if (header_ == nullptr || age >= kRenewAfter || age <= kLifetime - kLifetimeMax) {
    header_ = std::make_shared<const std::string>(
        fmt::format("vapid t={}, k={}", mint(now), public_key_));
    minted_at_ = now;
  }
  return header_;
}

VapidToken::Refusal VapidToken::on_refused(const std::string& header, Time now) {
  if (header_ == nullptr || header_.get() != &header) return Refusal::kOutdated;
  if (now - minted_at_ < kKeepAtLeast) return Refusal::kTooYoung;
  header_.reset();
  return Refusal::kRenewed;
}

std::string VapidToken::mint(Time now) const {
  const auto ends =
      std::chrono::duration_cast<std::chrono::seconds>((now + kLifetime).time_since_epoch());
  const nlohmann::json header = {{"alg", "ES256"}, {"typ", "JWT"}};
  const nlohmann::json claims = {{"aud", origin_}, {"exp", ends.count()}, {"sub", subject_}};
  const std::string text = fmt::format("{}.{}", base64url(header.dump()), base64url(claims.dump()));
  return fmt::format("{}.{}", text, base64url(key_.sign(text)));
}

}  // namespace carillon::push::auth
