// A browser's push subscription: where to send, and for whom to encrypt (W3C Push API, 8).
//
// As a device's token it is one text, the same for the same subscription:
//
//   endpoint SP p256dh SP auth
//
//   endpoint   https URL: host in lower case, no port 443, no fragment; has no space
//   p256dh     the browser's public key, base64url of 65 bytes
//   auth       the browser's secret, base64url of 16 bytes
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/webpush/origin_list.h"

namespace carillon::push {

inline constexpr std::size_t kSubscriptionPointBytes = 65;
inline constexpr std::size_t kSubscriptionAuthBytes = 16;
// Endpoints of today have 100 to 600 bytes. Leaves room for the keys in a token of 4,096 bytes.
inline constexpr std::size_t kEndpointBytesMax = 2048;

struct SubscriptionKeys {
  std::array<std::uint8_t, kSubscriptionPointBytes> p256dh{};
  std::array<std::uint8_t, kSubscriptionAuthBytes> auth{};
};

// Views into the token.
struct Subscription {
  std::string_view origin;  // "https://push.example.com", the port only if it is not 443
  std::string_view path;    // from the slash
  SubscriptionKeys keys;
};

// The parts of a token that `write_subscription` has written; nothing if it has not. That the key
// is a point of the curve is not looked at again. Pure, any thread.
std::optional<Subscription> read_subscription(std::string_view token) noexcept;

// The texts of a token, as they were registered, canonical.
struct SubscriptionTexts {
  std::string_view endpoint;
  std::string_view p256dh;
  std::string_view auth;
};
std::optional<SubscriptionTexts> split_subscription(std::string_view token) noexcept;

struct SubscriptionFault {
  std::string pointer;  // within the subscription: "/endpoint", "/keys/p256dh", "/keys/auth"
  std::string message;  // the end of a sentence about it: "must be …"
};

// The token of what a browser's PushSubscription.toJSON() says; or the first thing that is wrong
// with it. `origins`: where this relay sends to.
tl::expected<std::string, SubscriptionFault> write_subscription(const SubscriptionTexts& texts,
                                                                const OriginList& origins);

}  // namespace carillon::push
