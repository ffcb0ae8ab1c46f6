// The tokens that are in use, so that whoever signs with the same key for the same purpose shares
// one: Apple and the push services count how often one is made, not for which app.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "providers/auth/es256_key.h"
#include "providers/auth/provider_token.h"
#include "providers/auth/vapid_token.h"

namespace carillon::push::auth {

// Any thread, one lock; the tokens themselves are the loop's thread's, so all whom a shelf serves
// are on one loop. A token belongs to a key by its public half, never to a file or an id alone: a
// candidate with another key is not given the token that the good one has signed.
class TokenShelf {
 public:
  // VAPID tokens that nobody uses and that are kept all the same. The lists of push services allow
  // some dozen origins.
  static constexpr std::size_t kUnusedMax = 256;

  // By team, key id and key. Forgotten with the last who uses it, as its connections are gone then.
  std::shared_ptr<ProviderToken> provider_token(Es256Key key, std::string key_id,
                                                std::string team_id);

  // By origin, subject and key. Outlives who uses it, as a way to a push service is closed when it
  // is idle and a token made for the next one would be one too many: beyond kUnusedMax those that
  // were taken longest ago are forgotten.
  std::shared_ptr<VapidToken> vapid_token(Es256Key key, std::string origin, std::string subject);

 private:
  struct Kept {
    std::shared_ptr<VapidToken> token;
    std::uint64_t taken = 0;  // the number of its latest use
  };
  void forget_unused();

  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<ProviderToken>> provider_tokens_;
  std::map<std::string, Kept> vapid_tokens_;
  std::uint64_t taken_ = 0;
};

}  // namespace carillon::push::auth
