#include "providers/webpush/subscription.h"

#include <fmt/format.h>

#include <utility>

#include "providers/auth/base64url.h"
#include "providers/http2/https_url.h"
#include "providers/webpush/p256.h"

namespace carillon::push {
namespace {

constexpr std::string_view kScheme = "https://";

tl::unexpected<SubscriptionFault> fault(std::string_view pointer, std::string message) {
  return tl::unexpected(
      SubscriptionFault{.pointer = std::string(pointer), .message = std::move(message)});
}

}  // namespace

std::optional<SubscriptionTexts> split_subscription(std::string_view token) noexcept {
  const auto first = token.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return SubscriptionTexts{.endpoint = token.substr(0, first),
                           .p256dh = token.substr(first + 1, second - first - 1),
                           .auth = token.substr(second + 1)};
}

std::optional<Subscription> read_subscription(std::string_view token) noexcept {
  const auto texts = split_subscription(token);
  if (!texts || !texts->endpoint.starts_with(kScheme)) return std::nullopt;
  const auto slash = texts->endpoint.find('/', kScheme.size());
  if (slash == std::string_view::npos || slash == kScheme.size()) return std::nullopt;
  // What goes into a header as it is.
  for (const char c : texts->endpoint) {
    if (c <= ' ' || c >= 0x7f) return std::nullopt;
  }
  Subscription subscription{.origin = texts->endpoint.substr(0, slash),
                            .path = texts->endpoint.substr(slash),
                            .keys = {}};
  if (!auth::decode_base64url(texts->p256dh, subscription.keys.p256dh) ||
      !auth::decode_base64url(texts->auth, subscription.keys.auth)) {
    return std::nullopt;
  }
  return subscription;
}

tl::expected<std::string, SubscriptionFault> write_subscription(const SubscriptionTexts& texts,
                                                                const OriginList& origins) {
  if (texts.endpoint.size() > kEndpointBytesMax) {
    return fault("/endpoint", fmt::format("must be at most {} bytes long", kEndpointBytesMax));
  }
  auto url = http2::parse_https_url(texts.endpoint);
  if (!url) return fault("/endpoint", std::move(url.error()));
  for (char& c : url->host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!origins.allows(url->host, url->port)) {
    return fault("/endpoint", fmt::format("must be of a push service that this relay sends to: {}",
                                          origins.text()));
  }
  SubscriptionKeys keys;
  if (!auth::decode_base64url(texts.p256dh, keys.p256dh) || !is_p256_point(keys.p256dh)) {
    return fault("/keys/p256dh", "must be a point of the curve P-256: base64url of 65 bytes");
  }
  if (!auth::decode_base64url(texts.auth, keys.auth)) {
    return fault("/keys/auth", "must be base64url of 16 bytes");
  }
  return fmt::format("{}{}{} {} {}", kScheme, url->authority(), url->path,
                     auth::base64url(keys.p256dh), auth::base64url(keys.auth));
}

}  // namespace carillon::push
