#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace device_sim {

struct ClientConnection;

// The header fields that some gateway looks at. HTTP/1.1's request line fills kMethod and kPath.
enum class Field : std::uint8_t {
  kMethod,
  kPath,
  kScheme,
  kAuthority,
  kHost,
  kAuthorization,
  kContentType,
  kContentLength,
  kApnsId,
  kApnsTopic,
  kApnsPushType,
  kApnsPriority,
  kApnsExpiration,
  kApnsCollapseId,
  kApnsChannelId,
  kApnsRequestId,
  kTtl,
  kTopic,
  kUrgency,
  kContentEncoding,
  kAccessTokenAuth,
  kOther,
};
inline constexpr std::size_t kFieldCount = static_cast<std::size_t>(Field::kOther);

// `name` in lower case.
Field field_of(std::string_view name);

// What one request's head may bring: beyond it the stream is reset, or HTTP/1.1 answered 431.
inline constexpr std::size_t kRequestHeadBytesMax = 16 * 1024;
// Far above every vendor's payload limit, so that an oversized payload still gets the vendor's
// answer.
inline constexpr std::size_t kRequestBodyBytesMax = 256 * 1024;

// One request, being gathered or complete. Reused for the next one: keeps its memory.
class Request {
 public:
  void clear() {
    present_ = 0;
    repeated_ = 0;
    head_bytes_ = 0;
    head_.clear();
    body.clear();
    body_is_cut = false;
  }

  // False when the head has grown over its limit.
  bool add(std::string_view name, std::string_view value) {
    return add(field_of(name), name.size(), value);
  }
  bool add(Field field, std::size_t name_bytes, std::string_view value);

  bool has(Field field) const { return (present_ & bit(field)) != 0; }
  // Empty if absent. Valid until clear() or add().
  std::string_view get(Field field) const {
    if (!has(field)) return {};
    const Slice slice = slices_[static_cast<std::size_t>(field)];
    return {head_.data() + slice.offset, slice.length};
  }
  bool repeats(Field field) const { return (repeated_ & bit(field)) != 0; }
  bool repeats_any() const { return repeated_ != 0; }

  // What is over the limit is dropped: the vendors refuse such a body anyway.
  void append_body(std::string_view bytes) {
    const std::size_t room = kRequestBodyBytesMax - body.size();
    body_is_cut = body_is_cut || bytes.size() > room;
    body.append(bytes.substr(0, room));
  }

  std::string body;
  bool body_is_cut = false;
  // That it came over, if its session knows; not cleared.
  ClientConnection* connection = nullptr;

 private:
  struct Slice {
    std::uint32_t offset;
    std::uint32_t length;
  };
  static std::uint32_t bit(Field field) { return 1U << static_cast<unsigned>(field); }

  std::uint32_t present_ = 0;
  std::uint32_t repeated_ = 0;
  std::size_t head_bytes_ = 0;
  std::array<Slice, kFieldCount> slices_{};
  std::string head_;
};

// The answer. Reused: keeps its memory.
struct Response {
  int status = 200;
  std::uint32_t retry_after_s = 0;  // 0: no such header
  bool has_apns_id = false;
  bool is_request_id = false;  // apns_id is sent as apns-request-id
  std::array<char, 36> apns_id{};
  std::string apns_channel_id;  // empty: no such header
  bool has_location = false;
  std::array<char, 19> location{};     // "/m/" and 16 digits: what Web Push made of the request
  std::optional<std::uint32_t> ttl_s;  // how long Web Push keeps it
  std::string_view content_type;       // of static storage
  std::string body;

  void clear() {
    status = 200;
    retry_after_s = 0;
    has_apns_id = false;
    is_request_id = false;
    apns_channel_id.clear();
    has_location = false;
    ttl_s.reset();
    content_type = {};
    body.clear();
  }
};

}  // namespace device_sim
