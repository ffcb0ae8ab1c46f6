// The JSON Web Token that authenticates a team to APNs (Apple, "Establishing a token-based
// connection to APNs").
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "providers/auth/es256_key.h"

namespace carillon::push::auth {

// One token per (team, key), shared by all who have that key (TokenShelf). Not thread-safe.
//
// Apple takes a token for an hour after its `iat` and takes a new one at most every 20 minutes,
// counted on each connection from when it first saw the old one there. So a token is minted when
// the first request needs it, used for kRenewAfter, and never replaced before kKeepAtLeast, not
// even if it is refused; and a connection that has had it for less than kKeptOnConnection does not
// get to see the next (http2::Pool::bring).
class ProviderToken {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::chrono::minutes kRenewAfter{50};
  static constexpr std::chrono::minutes kKeepAtLeast{20};
  // Of a connection, from the first request that brings a token to the first that brings the next:
  // a minute more, as the one may take longer to Apple than the other.
  static constexpr std::chrono::minutes kKeptOnConnection = kKeepAtLeast + std::chrono::minutes(1);

  ProviderToken(Es256Key key, std::string key_id, std::string team_id);

  // The header's value, "bearer " and the token. The pointer is the same as long as the token is.
  // A clock that was set back makes the token's age negative: it is kept until it is old enough by
  // the new clock, but for a token from beyond kRenewAfter in the future, which Apple would refuse.
  std::shared_ptr<const std::string> header(Time now);

  enum class Refusal {
    kOutdated,  // a newer token is in use already
    kRenewed,   // this one is given up, `header` returns a new one
    kTooYoung,  // a newer one may not be had yet: not the token's age is wrong but a clock
  };
  // APNs said that the token `header` is too old.
  Refusal on_expired(const std::string& header, Time now);
  // APNs said that the token `header` is not valid. One that was made by a clock that was set back
  // since, by kAhead at least, is given up: Apple's clock has not come to its `iat` either.
  Refusal on_invalid(const std::string& header, Time now);
  static constexpr std::chrono::minutes kAhead{1};

 private:
  std::string mint(Time now) const;

  const Es256Key key_;
  const std::string key_id_;
  const std::string team_id_;
  std::shared_ptr<const std::string> header_;
  Time minted_at_{};
};

}  // namespace carillon::push::auth
