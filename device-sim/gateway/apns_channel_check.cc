#include "device-sim/gateway/apns_channel_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace device_sim {
namespace {

// Apple writes LiveActivity in one place and Liveactivity in another; clients write liveactivity.
bool is_live_activity(std::string_view text) {
  constexpr std::string_view kName = "liveactivity";
  return std::equal(
      text.begin(), text.end(), kName.begin(), kName.end(), [](char given, char name) {
        return (given >= 'A' && given <= 'Z' ? static_cast<char>(given + 32) : given) == name;
      });
}

bool is_number(std::string_view text) {
  constexpr std::size_t kDigitsMax = 18;  // Unix seconds, as many as 64 bits hold
  return !text.empty() && text.size() <= kDigitsMax &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

ChannelPath read_channel_path(std::string_view method, std::string_view path) {
  constexpr std::string_view kManage = "/1/apps/";
  constexpr std::string_view kBroadcasts = "/4/broadcasts/apps/";
  const auto refuse = [](ApnsReason reason) { return ChannelPath{ChannelCall::kNone, reason, {}}; };
  if (path.starts_with(kBroadcasts)) {
    const std::string_view app = path.substr(kBroadcasts.size());
    if (app.empty() || app.find('/') != app.npos) return refuse(ApnsReason::kBadPath);
    if (method != "POST") return refuse(ApnsReason::kMethodNotAllowed);
    return {.call = ChannelCall::kBroadcast, .app = app};
  }
  const std::string_view rest = path.substr(std::min(path.size(), kManage.size()));
  const std::size_t slash = rest.find('/');
  if (slash == rest.npos || slash == 0) return refuse(ApnsReason::kBadPath);
  const std::string_view app = rest.substr(0, slash);
  const std::string_view what = rest.substr(slash + 1);
  if (what == "all-channels") {
    if (method != "GET") return refuse(ApnsReason::kMethodNotAllowed);
    return {.call = ChannelCall::kList, .app = app};
  }
  if (what != "channels") return refuse(ApnsReason::kBadPath);
  if (method == "POST") return {.call = ChannelCall::kCreate, .app = app};
  if (method == "GET") return {.call = ChannelCall::kRead, .app = app};
  if (method == "DELETE") return {.call = ChannelCall::kDelete, .app = app};
  return refuse(ApnsReason::kMethodNotAllowed);
}

ChannelOrder check_channel_order(std::string_view body) {
  const auto refuse = [](ApnsReason reason) { return ChannelOrder{.reason = reason}; };
  if (body.empty()) return refuse(ApnsReason::kPayloadEmpty);
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return refuse(ApnsReason::kBadRequestPayload);
  const auto type = json.find("push-type");
  if (type == json.end()) return refuse(ApnsReason::kMissingPushType);
  if (!type->is_string() || !is_live_activity(type->get_ref<const std::string&>())) {
    return refuse(ApnsReason::kInvalidPushType);
  }
  const auto policy = json.find("message-storage-policy");
  if (policy == json.end() || (*policy != 0 && *policy != 1)) {
    return refuse(ApnsReason::kBadRequestPayload);
  }
  return {.storage_policy = policy->get<int>()};
}

ApnsReason check_channel_id(std::string_view id) {
  constexpr std::size_t kCharacters = 24;  // 22 and "=="
  if (id.empty()) return ApnsReason::kMissingChannelId;
  const bool good = id.size() == kCharacters && id.ends_with("==") &&
                    std::ranges::all_of(id.substr(0, kCharacters - 2), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '+' || c == '/';
                    });
  return good ? ApnsReason::kNone : ApnsReason::kBadChannelId;
}

ApnsReason check_broadcast(const Request& request, const ApnsChannel& channel) {
  if (!request.has(Field::kApnsPushType)) return ApnsReason::kMissingPushType;
  if (!is_live_activity(request.get(Field::kApnsPushType))) return ApnsReason::kInvalidPushType;
  const std::string_view expiration = request.get(Field::kApnsExpiration);
  if (!is_number(expiration) || (channel.storage_policy == 0 && expiration != "0")) {
    return ApnsReason::kBadExpirationDate;
  }
  const std::string_view priority = request.get(Field::kApnsPriority);
  if (priority != "10" && priority != "5" && priority != "1") return ApnsReason::kBadPriority;
  if (request.body.empty()) return ApnsReason::kPayloadEmpty;
  if (request.body.size() > kBroadcastPayloadBytesMax) return ApnsReason::kPayloadTooLarge;
  const auto json = nlohmann::json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? ApnsReason::kNone : ApnsReason::kBadRequestPayload;
}

}  // namespace device_sim
