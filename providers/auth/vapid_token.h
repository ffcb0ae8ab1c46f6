// The JSON Web Token that says to a Web Push service who sends (RFC 8292, "VAPID").
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/auth/es256_key.h"

namespace carillon::push::auth {

// What is wrong with a contact for a token's `sub`, as the end of a sentence ("must be …"); empty:
// nothing. RFC 8292, 2.1 asks for mailto: or https:; Apple refuses hosts that cannot exist.
std::string_view contact_fault(std::string_view subject) noexcept;

// One token per (origin of a push service, key, contact), shared by all who have them (TokenShelf).
// Not thread-safe.
//
// RFC 8292, 2 allows 24 hours to `exp`; Apple asks not to make tokens more often than hourly. So a
// token is made when the first request needs it, ends kLifetime later, is used for kRenewAfter, and
// is never replaced before kKeepAtLeast, not even if it is refused.
class VapidToken {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::chrono::hours kLifetime{12};
  static constexpr std::chrono::hours kRenewAfter{6};
  static constexpr std::chrono::hours kKeepAtLeast{1};

  // `origin` is the token's `aud`: "https://push.example.com", the port only if it is not 443.
  VapidToken(Es256Key key, std::string origin, std::string subject);

  // The header's value, "vapid t=…, k=…". The pointer is the same as long as the token is. A clock
  // that was set back makes the token's age negative: it is kept until its `exp` would be more than
  // a day ahead.
  std::shared_ptr<const std::string> header(Time now);

  enum class Refusal {
    kOutdated,  // a newer token is in use already
    kRenewed,   // this one is given up, `header` returns a new one
    kTooYoung,  // a newer one may not be had yet
  };
  // A service refused the token `header`.
  Refusal on_refused(const std::string& header, Time now);

 private:
  std::string mint(Time now) const;

  const Es256Key key_;
  const std::string public_key_;  // base64url of the point
  const std::string origin_;
  const std::string subject_;
  std::shared_ptr<const std::string> header_;
  Time minted_at_{};
};

}  // namespace carillon::push::auth
