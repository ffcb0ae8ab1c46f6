#include "providers/apns/apns_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "providers/reason.h"

namespace carillon::push {
namespace {

using AnswerKind = ChannelAnswer::Kind;
using Asked = ChannelRequest::Kind;
using ChannelJson = nlohmann::json;

constexpr int kPolicyNone = 0, kPolicyLatest = 1;  // message-storage-policy

struct ChannelReasonRow {
  std::string_view reason;
  AnswerKind kind;
};
// Those whose status would say something else; for all others it decides.
constexpr auto kChannelReasons = std::to_array<ChannelReasonRow>({
    {"BadChannelId", AnswerKind::kUnknownChannel},
    {"ChannelNotRegistered", AnswerKind::kUnknownChannel},
    {"FeatureNotEnabled", AnswerKind::kCredentialRefused},
    {"TopicDisallowed", AnswerKind::kCredentialRefused},
});

AnswerKind kind_of(std::uint16_t status, std::string_view reason) {
  const auto row = std::ranges::find(kChannelReasons, reason, &ChannelReasonRow::reason);
  if (row != kChannelReasons.end()) return row->kind;
  if (status == 401 || status == 403) return AnswerKind::kCredentialRefused;
  if (status == 429 || status >= 500) return AnswerKind::kUnavailable;
  if (status >= 400) return AnswerKind::kRefused;
  return AnswerKind::kNotUnderstood;  // neither a yes nor an error
}

std::string word_in(const ChannelJson& document) {
  if (!document.is_object()) return {};
  const auto found = document.find("reason");
  if (found == document.end() || !found->is_string()) return {};
  return reason_of(found->get_ref<const std::string&>());
}

// False: the answer does not say what was asked for.
bool read_channels(const ChannelJson& document, std::vector<std::string>& out) {
  if (!document.is_object()) return false;
  const auto found = document.find("channels");
  if (found == document.end() || !found->is_array()) return false;
  for (const ChannelJson& id : *found) {
    if (!id.is_string() || !is_apns_channel_id(id.get_ref<const std::string&>())) return false;
    out.push_back(id.get<std::string>());
  }
  return true;
}

bool read_storage(const ChannelJson& document, ChannelStorage& out) {
  if (!document.is_object()) return false;
  const auto found = document.find("message-storage-policy");
  if (found == document.end() || !found->is_number_integer()) return false;
  if (*found != kPolicyNone && *found != kPolicyLatest) return false;
  out = *found == kPolicyLatest ? ChannelStorage::kLatest : ChannelStorage::kNone;
  return true;
}

bool read_success(Asked asked, const ApnsChannelReply& reply, const ChannelJson& document,
                  ChannelAnswer& answer) {
  switch (asked) {
    case Asked::kCreate:
      answer.channel = reply.channel_id;
      return is_apns_channel_id(reply.channel_id);
    case Asked::kShow:
      return read_storage(document, answer.storage);
    case Asked::kList:
      return read_channels(document, answer.channels);
    case Asked::kDelete:
    case Asked::kBroadcast:
      break;
  }
  return true;
}

std::string_view method_of(Asked asked) {
  switch (asked) {
    case Asked::kShow:
    case Asked::kList:
      return "GET";
    case Asked::kDelete:
      return "DELETE";
    case Asked::kCreate:
    case Asked::kBroadcast:
      break;
  }
  return "POST";
}

}  // namespace

std::string apns_channels_endpoint(std::string_view endpoint) {
  if (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  if (endpoint.ends_with(":443")) endpoint.remove_suffix(4);
  if (endpoint == "https://api.push.apple.com") {
    return "https://api-manage-broadcast.push.apple.com:2196";
  }
  if (endpoint == "https://api.sandbox.push.apple.com") {
    return "https://api-manage-broadcast.sandbox.push.apple.com:2195";
  }
  return std::string(endpoint);
}

bool is_apns_channel_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kApnsChannelIdBytesMax &&
         std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '+' || c == '/' || c == '=';
         });
}

ApnsChannelRequest apns_channel_request(const ChannelRequest& request, std::string_view bundle_id) {
  ApnsChannelRequest out{.method = method_of(request.kind)};
  switch (request.kind) {
    case Asked::kCreate:
      out.body =
          ChannelJson{{"message-storage-policy",
                       request.storage == ChannelStorage::kLatest ? kPolicyLatest : kPolicyNone},
                      {"push-type", "LiveActivity"}}
              .dump();
      break;
    case Asked::kList:
      out.path = fmt::format("/1/apps/{}/all-channels", bundle_id);
      return out;
    case Asked::kBroadcast:
      out.path = fmt::format("/4/broadcasts/apps/{}", bundle_id);
      out.headers = {
          {"apns-channel-id", request.channel},
          {"apns-push-type", "Liveactivity"},
          {"apns-expiration", std::to_string(request.expires_at.time_since_epoch().count())},
          {"apns-priority", request.urgent ? "10" : "5"}};
      out.body = request.payload;
      return out;
    case Asked::kShow:
    case Asked::kDelete:
      out.headers = {{"apns-channel-id", request.channel}};
      break;
  }
  out.path = fmt::format("/1/apps/{}/channels", bundle_id);
  return out;
}

ChannelAnswer read_apns_channel_reply(Asked asked, const ApnsChannelReply& reply) {
  const auto document = ChannelJson::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  ChannelAnswer answer{.status = reply.status, .request_id = reason_of(reply.request_id)};
  if (reply.status < 200 || reply.status >= 300) {
    answer.reason = word_in(document);
    answer.kind = kind_of(reply.status, answer.reason);
  } else if (read_success(asked, reply, document, answer)) {
    answer.kind = AnswerKind::kDone;
  } else {
    answer = {.kind = AnswerKind::kNotUnderstood,
              .status = reply.status,
              .reason = "AnswerNotUnderstood",
              .request_id = std::move(answer.request_id)};
  }
  return answer;
}

}  // namespace carillon::push
