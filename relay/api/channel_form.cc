#include "relay/api/channel_form.h"

#include <fmt/format.h>

#include "providers/apns/apns_channel.h"
#include "relay/api/event_parser.h"
#include "relay/api/strict_json.h"

namespace carillon::api {
namespace {

tl::expected<nlohmann::json, ChannelFault> channel_object(std::string_view body) {
  auto parsed = parse_strict_json(body);
  if (!parsed) {
    const auto problem = parsed.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson;
    return tl::unexpected(ChannelFault{.problem = problem, .errors = {parsed.error().error}});
  }
  if (!parsed->is_object()) {
    return tl::unexpected(ChannelFault{.errors = {{"", "must be an object"}}});
  }
  return *std::move(parsed);
}

void not_a_field(ChannelFault& fault, const std::string& name, const char* of) {
  if (fault.errors.size() == kFieldErrorsMax) return;
  fault.errors.push_back({"/" + pointer_token(name), fmt::format("is not a field of {}", of)});
}

void read_payload(const nlohmann::json& value, BroadcastForm& form, ChannelFault& fault) {
  if (!value.is_object() || !value.contains("aps") || !value["aps"].is_object()) {
    fault.errors.push_back({"/apns", "must be an object with the object aps, as Apple takes it"});
    return;
  }
  form.payload = value.dump();
  if (form.payload.size() > push::kApnsBroadcastBytesMax) {
    fault.errors.push_back(
        {"/apns", fmt::format("has {} bytes, APNs takes at most {}", form.payload.size(),
                              push::kApnsBroadcastBytesMax)});
  }
}

void read_broadcast_ttl(const nlohmann::json& value, BroadcastForm& form, ChannelFault& fault) {
  // All integers are unsigned here but those below 0.
  if (!value.is_number_unsigned() ||
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(kTtlMax.count())) {
    fault.errors.push_back(
        {"/ttl", fmt::format("must be an integer of seconds from 0 to {}", kTtlMax.count())});
    return;
  }
  form.ttl = std::chrono::seconds(value.get<std::int64_t>());
}

}  // namespace

tl::expected<push::ChannelStorage, ChannelFault> parse_channel(std::string_view body) {
  const auto root = channel_object(body);
  if (!root) return tl::unexpected(root.error());
  auto storage = push::ChannelStorage::kNone;
  ChannelFault fault;
  for (const auto& [name, value] : root->items()) {
    if (name != "storage") {
      not_a_field(fault, name, "a channel");
    } else if (value == "latest") {
      storage = push::ChannelStorage::kLatest;
    } else if (value != "none") {
      fault.errors.push_back({"/storage", R"(must be "none" or "latest")"});
    }
  }
  if (!fault.errors.empty()) return tl::unexpected(std::move(fault));
  return storage;
}

tl::expected<BroadcastForm, ChannelFault> parse_broadcast(std::string_view body) {
  const auto root = channel_object(body);
  if (!root) return tl::unexpected(root.error());
  BroadcastForm form;
  ChannelFault fault;
  for (const auto& [name, value] : root->items()) {
    if (name == "apns") {
      read_payload(value, form, fault);
    } else if (name == "ttl") {
      read_broadcast_ttl(value, form, fault);
    } else if (name == "priority") {
      form.urgent = value != "bulk";
      if (value != "urgent" && value != "normal" && value != "bulk") {
        fault.errors.push_back({"/priority", R"(must be "urgent", "normal" or "bulk")"});
      }
    } else {
      not_a_field(fault, name, "a broadcast");
    }
  }
  if (!root->contains("apns")) fault.errors.push_back({"", "must have apns: what is sent"});
  if (!fault.errors.empty()) return tl::unexpected(std::move(fault));
  return form;
}

}  // namespace carillon::api
