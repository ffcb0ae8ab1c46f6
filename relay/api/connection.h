// One client's connection, from accept to close. Private to the gate.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "relay/api/chunked.h"
#include "relay/api/desk.h"
#include "relay/api/request_head.h"

namespace carillon::api {

enum class Stage : std::uint8_t {
  kHead,       // the gate waits for a head, or for its first byte
  kAdmission,  // a worker has it: the head is whole
  kBody,       // the gate waits for a body that is kept whole
  kAnswer,     // a worker has it: head and body are whole
  kAwaited,    // the desk has it, and answers later; then a worker
  kWriting,    // the gate writes the rest of an answer
  kLingering,  // answered and shut down; read empty until the client closes
  kClosed,
};

// Where a body that is kept whole has got to.
enum class BodyProgress : std::uint8_t { kNeedsMore, kComplete, kTooLarge, kMalformed };

// Belongs to the gate's thread, or to one worker while its stage says so; while an answer is
// awaited to nobody, but for what is said below.
struct Connection {
  explicit Connection(int fd) : socket(fd) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // -1 once it was given away or closed. Atomic for the gate's cut at the end of a stop.
  std::atomic<int> socket;
  Stage stage = Stage::kHead;
  std::chrono::steady_clock::time_point deadline{};
  bool with_worker = false;  // the gate's thread only
  std::size_t requests = 0;  // answered
  std::uint64_t charge = 0;  // bytes of memory promised to its body, until it is answered

  std::string input;  // received, not yet used
  std::size_t scanned = 0;
  RequestHead head;
  std::optional<Admission> admission;
  std::chrono::steady_clock::time_point began{};  // when the head was whole
  std::string body;
  ChunkedDecoder chunks;

  // An answer that the desk gives later: who still holds the request, and how the answer is made,
  // which is the desk's to set. Who lets go last goes on with it.
  std::atomic<int> holders{0};
  MakeReply make_reply;

  std::string output;
  std::size_t written = 0;
  bool close_after = false;
  std::function<void(int)> take_over;

  // Moves what `input` has of the body into `body`.
  BodyProgress take_body();
  // Sends what the socket takes now. False: the client is gone.
  bool flush();
  bool flushed() const { return written == output.size(); }
  // Forgets the request that was answered. What was received beyond it stays.
  void next_request();
};

// The rest of a connection's body, read by a worker that waits for it.
class SocketBody : public BodySource {
 public:
  SocketBody(Connection& connection, std::uint64_t bytes_max, std::chrono::milliseconds timeout);
  tl::expected<std::string_view, Problem> next() override;
  bool complete() const { return complete_; }

 private:
  tl::expected<void, Problem> receive();
  tl::expected<std::string_view, Problem> count(std::string_view data);

  Connection& connection_;
  std::uint64_t bytes_max_;
  std::chrono::milliseconds timeout_;  // between two reads
  std::uint64_t bytes_ = 0;
  std::size_t used_ = 0;  // of connection_.input: handed out by the previous call
  bool complete_ = false;
};

}  // namespace carillon::api
