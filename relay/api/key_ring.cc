#include "relay/api/key_ring.h"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "relay/api/sha256.h"
#include "relay/config/scopes.h"

namespace carillon::api {
namespace {

// "Bearer" in any case, one or more spaces, then the token68 of RFC 6750.
std::string_view bearer_key(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer";
  if (authorization.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((authorization[i] | 0x20) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  if (authorization.front() != ' ') return {};
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  const bool visible = std::all_of(authorization.begin(), authorization.end(),
                                   [](char c) { return c > 0x20 && c < 0x7f; });
  return visible && authorization.size() <= kKeyBytesMax ? authorization : std::string_view();
}

// Looks at every key whatever it finds, and compares in constant time: how long it takes tells
// nothing about a hash.
const store::ApiKey* find(const std::vector<store::ApiKey>& keys, const Sha256& hash) {
  const store::ApiKey* found = nullptr;
  for (const store::ApiKey& key : keys) {
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0 && key.revoked_ms == 0) {
      found = &key;
    }
  }
  return found;
}

}  // namespace

KeyRing::KeyRing(store::Store& store, Monotonic monotonic)
    : store_(store), monotonic_(std::move(monotonic)) {}

std::shared_ptr<const KeyRing::Snapshot> KeyRing::snapshot_no_older_than(
    std::chrono::milliseconds age) {
  const auto now = monotonic_();
  std::shared_ptr<const Snapshot> known;
  {
    const std::lock_guard lock(mutex_);
    known = snapshot_;
  }
  if (known && now - known->read_at <= age) return known;
  auto keys = store_.keys();
  if (!keys) {
    spdlog::warn("the API keys cannot be read again: {}", keys.error().message);
    return known;
  }
  auto fresh = std::make_shared<const Snapshot>(Snapshot{std::move(*keys), now});
  const std::lock_guard lock(mutex_);
  if (!snapshot_ || snapshot_->read_at < fresh->read_at) snapshot_ = fresh;
  return fresh;
}

tl::expected<Identity, KeyFault> KeyRing::identify(std::string_view authorization) {
  if (authorization.empty()) return tl::unexpected(KeyFault::kMissing);
  const std::string_view key = bearer_key(authorization);
  if (key.empty()) return tl::unexpected(KeyFault::kMalformed);
  const Sha256 hash = sha256(key);
  for (const auto age : {kSnapshotAge, kUnknownAge}) {
    const auto snapshot = snapshot_no_older_than(age);
    if (!snapshot) return tl::unexpected(KeyFault::kStore);
    if (const store::ApiKey* found = find(snapshot->keys, hash)) {
      return Identity{.key_name = found->name, .scopes = found->scopes};
    }
  }
  return tl::unexpected(KeyFault::kUnknown);
}

bool allows(const Identity& identity, std::uint32_t scope) {
  return (identity.scopes & (scope | config::kScopeAdmin)) != 0;
}

}  // namespace carillon::api
