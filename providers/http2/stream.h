// One request on its way: the slot that a session reuses from request to request.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace carillon::push::http2 {

class Connection;
struct RequestHead;

// How a request ended. Only kAnswered says anything about what the peer made of it.
enum class Ending : std::uint8_t {
  kOpen,        // it has not
  kAnswered,    // a complete answer came: `status` and `body`
  kNotSent,     // the peer has certainly not processed it
  kUnanswered,  // it may have
};

// Time on the loop: milliseconds of the monotonic clock, read once per batch of events.
using LoopTime = std::chrono::milliseconds;

// Answers beyond this are cut: a reason fits in a few dozen bytes, an HTML error page need not be
// read to its end.
inline constexpr std::size_t kErrorBodyBytesMax = 8 * 1024;

inline constexpr std::size_t kApnsHeaderBytesMax = 128;  // a channel's id has 24, a UUID 36

// Pointers and views stay valid until the stream is released to its session.
struct Stream {
  // --- the request, filled by its source before it starts
  const RequestHead* head = nullptr;     // read when the request's first byte is produced
  std::array<std::string_view, 3> body;  // sent one after the other; all empty: no body
  // Texts that differ from request to request, kept by the slot so that its capacity is reused.
  std::string path;
  std::array<char, 36> id_text;
  void* owner = nullptr;                       // the source's
  std::uint32_t item = 0;                      // the source's
  const std::string* authorization = nullptr;  // what it was sent with
  bool keep_body = false;  // keep the body of a 200 as well (errors are always kept)
  std::size_t answer_bytes_max = kErrorBodyBytesMax;  // of a body that is kept

  // --- the answer
  Ending ending = Ending::kOpen;
  // Why, unless answered: "ConnectionLost", "Timeout", …; lives as long as the session.
  const char* word = "";
  std::uint16_t status = 0;
  std::string answer_body;  // at most answer_bytes_max
  std::string retry_after;  // the header's value as it came; empty: none
  std::string wns_status;   // X-WNS-Status as it came, of Windows' push service; empty: none

  // Of APNs' channels; at most kApnsHeaderBytesMax each; empty: none.
  std::string channel_id;  // apns-channel-id
  std::string request_id;  // apns-request-id

  // --- the session's and the connection's
  static constexpr std::uint64_t kNotOnWire = std::numeric_limits<std::uint64_t>::max();
  std::int32_t id = 0;
  std::uint64_t wire_offset = kNotOnWire;  // of its first byte in what the session has produced
  LoopTime started_at{};
  bool timed_out = false;
  std::uint8_t piece = 0;        // of `body`
  std::size_t piece_offset = 0;  // into the piece
  Stream* previous = nullptr;
  Stream* next = nullptr;
  Connection* connection = nullptr;
};

}  // namespace carillon::push::http2
