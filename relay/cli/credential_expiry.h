// What an operator should hear of credentials that end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/notification.h"

namespace carillon::cli {

// Apple gives out a certificate in minutes; who has to be asked for it may be away for weeks.
inline constexpr std::chrono::days kExpiryWarning{30};

struct ExpiryWord {
  bool expired = false;
  std::string sentence;  // "[apps.video.apns] the certificate ends on …"
};

// `expires_at` as in push::ProviderHealth. Nothing while the end is further than kExpiryWarning, or
// there is none. Pure.
std::optional<ExpiryWord> expiry_word(std::string_view app, push::Platform platform,
                                      std::chrono::sys_seconds expires_at,
                                      std::chrono::sys_seconds now);

}  // namespace carillon::cli
