#include "providers/webpush/origin_channels.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "providers/http2/https_url.h"

namespace carillon::push {
namespace {

// What may wait for a service at least, and how many of its windows at most. Its window is what it
// takes at once, twice over; a service without a connection has a small one.
constexpr std::size_t kQueuedMin = 256;
constexpr std::size_t kQueuedWindows = 2;

}  // namespace

bool OriginChannels::is_idle(const Entry& entry) {
  const ProviderHealth health = entry.channel->health();
  // Held by nobody else: who sends holds the pointer, and gets it under the lock.
  return entry.channel.use_count() == 1 && health.queued == 0 && health.in_flight == 0;
}

tl::expected<std::shared_ptr<PushChannel>, OriginFault> OriginChannels::take(
    std::string_view origin, Time now) {
  std::shared_ptr<PushChannel> evicted;  // closed when the lock is gone
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(origin);
  if (found == entries_.end()) {
    const auto url = http2::parse_https_url(origin);
    if (!url || !config_.allowed.allows(url->host, url->port)) {
      return tl::unexpected(OriginFault::kRefused);
    }
    if (closed_) return tl::unexpected(OriginFault::kTooMany);
    if (entries_.size() >= config_.origins_max) evicted = evict_one();
    if (entries_.size() >= config_.origins_max) return tl::unexpected(OriginFault::kTooMany);
    found = entries_.emplace(origin, Entry{.channel = config_.open(*url, origin)}).first;
  }
  found->second.used_at = now;
  PushChannel& channel = *found->second.channel;
  const std::size_t queued = channel.health().queued;
  if (queued >= std::max(kQueuedMin, kQueuedWindows * channel.window())) {
    return tl::unexpected(OriginFault::kFull);
  }
  return found->second.channel;
}

std::shared_ptr<PushChannel> OriginChannels::evict_one() {
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (!is_idle(entry->second)) continue;
    if (oldest == entries_.end() || entry->second.used_at < oldest->second.used_at) oldest = entry;
  }
  if (oldest == entries_.end()) return nullptr;
  auto channel = std::move(oldest->second.channel);
  entries_.erase(oldest);
  return channel;
}

void OriginChannels::close_idle(Time now) {
  std::vector<std::shared_ptr<PushChannel>> closing;  // when the lock is gone
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (now - entry->second.used_at < config_.idle_max || !is_idle(entry->second)) {
      ++entry;
      continue;
    }
    closing.push_back(std::move(entry->second.channel));
    entry = entries_.erase(entry);
  }
}

void OriginChannels::close(std::chrono::milliseconds grace) {
  Entries closing;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    closing.swap(entries_);
  }
  const auto deadline = std::chrono::steady_clock::now() + grace;
  for (auto& [origin, entry] : closing) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    entry.channel->close(std::max(left, std::chrono::milliseconds(0)));
  }
}

std::size_t OriginChannels::window() const {
  const std::lock_guard lock(mutex_);
  std::size_t window = 0;
  for (const auto& [origin, entry] : entries_) window += entry.channel->window();
  return window;
}

ProviderHealth OriginChannels::health() const {
  ProviderHealth sum;
  const std::lock_guard lock(mutex_);
  for (const auto& [origin, entry] : entries_) {
    ProviderHealth health = entry.channel->health();
    sum.connections += health.connections;
    sum.stream_slots += health.stream_slots;
    sum.in_flight += health.in_flight;
    sum.queued += health.queued;
    if (!health.last_error.empty()) sum.last_error = std::move(health.last_error);
  }
  return sum;
}

}  // namespace carillon::push
