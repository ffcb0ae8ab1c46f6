#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace device_sim {

// The kinds of refusal that this simulator gives. kNone is a message that was accepted.
enum class FcmReason : std::uint8_t {
  kNone,
  kBadPath,           // 404, plain: no such method, project or path
  kUnauthenticated,   // 401, plain
  kMalformed,         // 400 with BadRequest: not the JSON of a SendMessageRequest
  kInvalidArgument,   // 400 with FcmError and BadRequest: the message or its token is wrong
  kPayloadTooLarge,   // 400, plain
  kUnavailable,       // 503
  kUnregistered,      // 404
  kSenderIdMismatch,  // 403
  kQuotaExceeded,     // 429
};
inline constexpr std::size_t kFcmReasonCount = 10;

struct FcmReasonRow {
  std::string_view name;  // for the simulator's own statistics
  int status;             // HTTP
  std::string_view rpc_status;
  std::string_view error_code;  // of FcmError; empty: the answer has no such detail
};
const FcmReasonRow& fcm_row(FcmReason reason);

struct FcmRefusal {
  FcmReason reason = FcmReason::kNone;
  std::string message;
  std::string field;  // of the BadRequest detail; empty: the answer has no such detail
};

inline constexpr std::size_t kFcmPayloadBytesMax = 4'096;
inline constexpr std::size_t kFcmTopicPayloadBytesMax = 2'048;

// What the gateway and the phone need from a message. Views into a parser of the calling thread:
// valid until that thread's next parse_fcm_message.
struct FcmMessage {
  bool validate_only = false;
  std::string_view token;  // of token, fid, topic and condition exactly one is not empty
  std::string_view fid;
  std::string_view topic;
  std::string_view condition;
  bool has_notification = false;
  std::string_view title;
  std::string_view body;
  std::string_view tag;             // android.notification.tag
  std::string_view event;           // data.carillon_event
  std::string_view collapse_key;    // android.collapse_key
  std::uint32_t ttl_s = 2'419'200;  // android.ttl, whole seconds; four weeks if absent
  std::size_t payload_bytes = 0;    // names and values of data, texts of the notification
};

// Reads and checks a whole request body in the order of the README's table. Field names in
// snake_case or camelCase, as proto3's JSON has them. `body` may get a larger capacity, but keeps
// its content.
FcmRefusal parse_fcm_message(std::string& body, FcmMessage& message);

// The JSON body of an error answer, in the shape of google.rpc.Status.
std::string fcm_error_body(const FcmRefusal& refusal);

}  // namespace device_sim
