#include "device-sim/gateway/apns_channels.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "device-sim/population/siphash.h"

namespace device_sim {
namespace {

std::string base64_of(const std::array<unsigned char, 16>& bytes) {
  std::array<unsigned char, 25> text{};
  EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

std::optional<std::string> ApnsChannels::create(const std::string& app, int storage_policy) {
  const std::lock_guard lock(mutex_);
  Channels& channels = apps_[app];
  if (channels.size() >= kChannelsPerAppMax) return std::nullopt;
  std::array<unsigned char, 16> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 8 == 0) state_ = splitmix64(state_ + 1);
    bytes[i] = static_cast<unsigned char>(state_ >> (8 * (i % 8)));
  }
  const std::string id = base64_of(bytes);
  channels[id] = {.storage_policy = storage_policy};
  return id;
}

std::optional<ApnsChannel> ApnsChannels::find(const std::string& app, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto channels = apps_.find(app);
  if (channels == apps_.end()) return std::nullopt;
  const auto channel = channels->second.find(id);
  if (channel == channels->second.end()) return std::nullopt;
  return channel->second;
}

bool ApnsChannels::remove(const std::string& app, std::string_view id) {
  const std::lock_guard lock(mutex_);
  Channels& channels = apps_[app];
  const auto channel = channels.find(id);
  if (channel == channels.end()) return false;
  channels.erase(channel);
  return true;
}

std::vector<std::string> ApnsChannels::list(const std::string& app) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  if (const auto channels = apps_.find(app); channels != apps_.end()) {
    for (const auto& [id, channel] : channels->second) ids.push_back(id);
  }
  return ids;
}

void ApnsChannels::note_broadcast(const std::string& app, std::string_view id,
                                  ApnsBroadcast message) {
  const std::lock_guard lock(mutex_);
  const auto channel = apps_[app].find(id);
  if (channel == apps_[app].end()) return;
  ++channel->second.broadcasts;
  channel->second.latest = std::move(message);
}

}  // namespace device_sim
