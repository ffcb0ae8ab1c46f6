#include "device-sim/gateway/request.h"

#include <cstring>

namespace device_sim {
namespace {

// Exactly `name`, whose length the caller has switched on.
template <std::size_t N>
bool is(std::string_view name, const char (&text)[N]) {
  return std::memcmp(name.data(), text, N - 1) == 0;
}

}  // namespace

Field field_of(std::string_view name) {
  switch (name.size()) {
    case 3:
      if (is(name, "ttl")) return Field::kTtl;
      break;
    case 4:
      if (is(name, "host")) return Field::kHost;
      break;
    case 5:
      if (is(name, ":path")) return Field::kPath;
      if (is(name, "topic")) return Field::kTopic;
      break;
    case 7:
      if (is(name, ":method")) return Field::kMethod;
      if (is(name, ":scheme")) return Field::kScheme;
      if (is(name, "apns-id")) return Field::kApnsId;
      if (is(name, "urgency")) return Field::kUrgency;
      break;
    case 10:
      if (is(name, ":authority")) return Field::kAuthority;
      if (is(name, "apns-topic")) return Field::kApnsTopic;
      break;
    case 12:
      if (is(name, "content-type")) return Field::kContentType;
      break;
    case 13:
      if (is(name, "authorization")) return Field::kAuthorization;
      if (is(name, "apns-priority")) return Field::kApnsPriority;
      break;
    case 14:
      if (is(name, "content-length")) return Field::kContentLength;
      if (is(name, "apns-push-type")) return Field::kApnsPushType;
      break;
    case 15:
      if (is(name, "apns-expiration")) return Field::kApnsExpiration;
      if (is(name, "apns-channel-id")) return Field::kApnsChannelId;
      if (is(name, "apns-request-id")) return Field::kApnsRequestId;
      break;
    case 16:
      if (is(name, "apns-collapse-id")) return Field::kApnsCollapseId;
      if (is(name, "content-encoding")) return Field::kContentEncoding;
      break;
    case 17:
      if (is(name, "access_token_auth")) return Field::kAccessTokenAuth;
      break;
    default:
      break;
  }
  return Field::kOther;
}

bool Request::add(Field field, std::size_t name_bytes, std::string_view value) {
  head_bytes_ += name_bytes + value.size();
  if (head_bytes_ > kRequestHeadBytesMax) return false;
  if (field == Field::kOther) return true;
  if (has(field)) {
    repeated_ |= bit(field);
    return true;  // the first one stands; who minds asks repeats()
  }
  present_ |= bit(field);
  slices_[static_cast<std::size_t>(field)] = {static_cast<std::uint32_t>(head_.size()),
                                              static_cast<std::uint32_t>(value.size())};
  head_.append(value);
  return true;
}

}  // namespace device_sim
