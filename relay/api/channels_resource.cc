#include "relay/api/channels_resource.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "providers/apns/apns_channel.h"
#include "relay/api/channel_form.h"

namespace carillon::api {
namespace {

using ChannelKind = push::ChannelRequest::Kind;
using ChannelDocument = nlohmann::ordered_json;

const char* storage_name(push::ChannelStorage storage) {
  return storage == push::ChannelStorage::kLatest ? "latest" : "none";
}

// The platform's word and the status it came with.
std::string channel_word(const push::ChannelAnswer& answer) {
  if (answer.status == 0) return fmt::format("no answer from APNs: {}", answer.reason);
  return fmt::format("APNs says {} (status {})",
                     answer.reason.empty() ? std::string_view("no reason") : answer.reason,
                     answer.status);
}

Problem problem_of(push::ChannelAnswer::Kind kind) {
  using Kind = push::ChannelAnswer::Kind;
  switch (kind) {
    case Kind::kUnknownChannel:
      return Problem::kUnknownChannel;
    case Kind::kRefused:
      return Problem::kChannelRefused;
    case Kind::kCredentialRefused:
      return Problem::kProviderRefused;
    case Kind::kUnavailable:
      return Problem::kProviderUnavailable;
    case Kind::kUnsupported:
      return Problem::kNoChannels;
    case Kind::kDone:
    case Kind::kUnanswered:
    case Kind::kNotUnderstood:
      break;
  }
  return Problem::kProviderUnanswered;
}

}  // namespace

Reply channel_reply(const push::ChannelRequest& asked, const push::ChannelAnswer& answer,
                    std::string_view app) {
  if (answer.kind == push::ChannelAnswer::Kind::kUnsupported) {
    return problem_reply(Problem::kNoChannels, "channels are APNs': the app has no [apps.X.apns]");
  }
  if (answer.kind != push::ChannelAnswer::Kind::kDone) {
    return problem_reply(problem_of(answer.kind), channel_word(answer));
  }
  Reply reply{.status = 200};
  ChannelDocument document = ChannelDocument::object();
  switch (asked.kind) {
    case ChannelKind::kCreate:
      reply.status = 201;
      reply.headers.emplace_back("Location",
                                 fmt::format("/v1/apps/{}/channels/{}", percent_encoded(app),
                                             percent_encoded(answer.channel)));
      document = {{"id", answer.channel}, {"storage", storage_name(asked.storage)}};
      break;
    case ChannelKind::kShow:
      document = {{"id", asked.channel}, {"storage", storage_name(answer.storage)}};
      break;
    case ChannelKind::kList:
      document = {{"channels", answer.channels}};
      break;
    case ChannelKind::kDelete:
      reply.status = 204;
      return reply;
    case ChannelKind::kBroadcast:
      document = {{"request_id", answer.request_id}};
      break;
  }
  reply.body = document.dump() + "\n";
  return reply;
}

// The place that a request takes among kChannelCallsMax is given back when the platform was heard.
std::optional<Reply> ChannelsResource::ask(const Admission& admission, push::ChannelRequest request,
                                           Later later) {
  const std::string& app = admission.match.captures[0];
  if (waiting_.fetch_add(1) >= kChannelCallsMax) {
    waiting_.fetch_sub(1);
    return problem_reply(Problem::kOverloaded, "too many requests wait for APNs' word on channels");
  }
  push::ChannelRequest asked = request;
  asked.payload.clear();
  publisher_.ask_channel(
      app, std::move(request),
      [this, asked = std::move(asked), app, later = std::move(later)](push::ChannelAnswer answer) {
        waiting_.fetch_sub(1);
        later(
            [asked, app, answer = std::move(answer)] { return channel_reply(asked, answer, app); });
      });
  return std::nullopt;
}

std::optional<Reply> ChannelsResource::create(const Admission& admission, std::string_view body,
                                              Later later) {
  const auto storage = parse_channel(body);
  if (!storage) return problem_reply(storage.error().problem, "", storage.error().errors);
  return ask(admission, {.kind = ChannelKind::kCreate, .storage = *storage}, std::move(later));
}

std::optional<Reply> ChannelsResource::list(const Admission& admission, Later later) {
  return ask(admission, {.kind = ChannelKind::kList}, std::move(later));
}

std::optional<Reply> ChannelsResource::ask_of_one(const Admission& admission, ChannelKind kind,
                                                  Later later) {
  const std::string& channel = admission.match.captures[1];
  if (!push::is_apns_channel_id(channel)) {
    return problem_reply(Problem::kUnknownChannel, "a channel's id is base64, percent-encoded");
  }
  return ask(admission, {.kind = kind, .channel = channel}, std::move(later));
}

std::optional<Reply> ChannelsResource::broadcast(const Admission& admission, std::string_view body,
                                                 Later later) {
  const std::string& channel = admission.match.captures[1];
  if (!push::is_apns_channel_id(channel)) {
    return problem_reply(Problem::kUnknownChannel, "a channel's id is base64, percent-encoded");
  }
  auto form = parse_broadcast(body);
  if (!form) return problem_reply(form.error().problem, "", form.error().errors);
  push::ChannelRequest request{.kind = ChannelKind::kBroadcast,
                               .channel = channel,
                               .payload = std::move(form->payload),
                               .urgent = form->urgent};
  if (form->ttl.count() > 0) {
    request.expires_at = std::chrono::floor<std::chrono::seconds>(clocks_.calendar()) + form->ttl;
  }
  return ask(admission, std::move(request), std::move(later));
}

}  // namespace carillon::api
