#include "providers/auth/token_shelf.h"

#include <fmt/format.h>

#include <utility>

#include "providers/auth/base64url.h"

namespace carillon::push::auth {
namespace {

// None of the parts has a space: ids, origins and contacts are checked where they come from.
std::string shelf_place(const Es256Key& key, std::string_view first, std::string_view second) {
  return fmt::format("{} {} {}", base64url(key.public_point()), first, second);
}

}  // namespace

std::shared_ptr<ProviderToken> TokenShelf::provider_token(Es256Key key, std::string key_id,
                                                          std::string team_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(provider_tokens_, [](const auto& entry) { return entry.second.expired(); });
  auto& place = provider_tokens_[shelf_place(key, team_id, key_id)];
  auto token = place.lock();
  if (token == nullptr) {
    token = std::make_shared<ProviderToken>(std::move(key), std::move(key_id), std::move(team_id));
    place = token;
  }
  return token;
}

std::shared_ptr<VapidToken> TokenShelf::vapid_token(Es256Key key, std::string origin,
                                                    std::string subject) {
  const std::lock_guard lock(mutex_);
  Kept& kept = vapid_tokens_[shelf_place(key, origin, subject)];
  kept.taken = ++taken_;
  if (kept.token == nullptr) {
    kept.token =
        std::make_shared<VapidToken>(std::move(key), std::move(origin), std::move(subject));
  }
  auto token = kept.token;
  forget_unused();
  return token;
}

void TokenShelf::forget_unused() {
  if (vapid_tokens_.size() <= kUnusedMax) return;
  std::size_t unused = 0;
  auto oldest = vapid_tokens_.end();
  for (auto entry = vapid_tokens_.begin(); entry != vapid_tokens_.end(); ++entry) {
    if (entry->second.token.use_count() > 1) continue;
    ++unused;
    if (oldest == vapid_tokens_.end() || entry->second.taken < oldest->second.taken) oldest = entry;
  }
  if (unused > kUnusedMax) vapid_tokens_.erase(oldest);
}

}  // namespace carillon::push::auth
