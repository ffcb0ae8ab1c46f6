#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace device_sim {

// The server's side of one connection's protocol, without I/O: bytes in, bytes out. One thread.
// Calls its gateway from receive() and release_due() only, within a batch that the caller has begun
// on the gateway's context.
class ProtocolSession {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class State {
    kOpen,
    kFinished,  // nothing more will come of it: send what produce() gave, then close
    kCut,       // close at once and abruptly; nothing more is sent
  };

  virtual ~ProtocolSession() = default;

  virtual void receive(std::string_view bytes) = 0;
  // Appends what is to be sent.
  virtual void produce(std::string& out) = 0;
  virtual State state() const = 0;

  // When the next delayed answer is due; it is released by release_due, then produced.
  virtual std::optional<Time> next_due() const = 0;
  virtual void release_due(Time now) = 0;
};

}  // namespace device_sim
