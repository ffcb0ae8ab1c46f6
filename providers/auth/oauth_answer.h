// What a token endpoint answered (RFC 6749, 5.1 and 5.2).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace carillon::push::auth {

// RFC 6749 recommends to tell the lifetime but does not demand it; Google's is an hour. What is
// told beyond is not believed.
inline constexpr std::chrono::seconds kOauthLifeMax{3'600};
// A token that is said to live less serves for a minute all the same: asked for a new one for each
// request, the endpoint would be asked without end.
inline constexpr std::chrono::seconds kOauthLifeMin{60};

struct OauthAnswer {
  std::string token;          // may stand in a header as it is; empty: there is none
  std::chrono::seconds life;  // of the token, kOauthLifeMin to kOauthLifeMax
  bool refused = false;       // the account itself: asking again soon does not help
  std::string error;          // without a token: the end of a sentence, printable ASCII
};

// Pure. Any status, any body.
OauthAnswer read_oauth_answer(std::uint16_t status, std::string_view body);

}  // namespace carillon::push::auth
