// The gate: it owns every socket of the HTTP API and lets only whole, well-formed requests through.
//
// One thread waits, by epoll, for all connections that are idle, in their head, in a body that is
// kept whole, or slow to read an answer: they cost memory within bounds, and no thread. A worker
// takes a connection when there is something to decide: a complete head, then a complete body. Only
// a body that is read as it comes (an import) keeps its worker, and `streams_max` bounds those.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "relay/api/desk.h"
#include "relay/api/listener.h"

namespace carillon::api {

struct GateLimits {
  std::size_t threads = 16;
  std::size_t connections_max = 1024;  // open at once; one more is answered 503
  std::size_t head_bytes_max = 16 * 1024;
  std::chrono::milliseconds head_timeout{5'000};      // the whole head, from its first byte
  std::chrono::milliseconds body_timeout{30'000};     // see kBodyBytesPerSecondMin
  std::chrono::milliseconds idle_timeout{15'000};     // without the first byte of a request
  std::size_t buffered_bytes_max = 32 * 1024 * 1024;  // bodies in the making, all together
  std::size_t streams_max = 4;                        // bodies read as they come, at once
};

// A body that is kept whole has body_timeout plus a second for each of these to arrive in.
inline constexpr std::size_t kBodyBytesPerSecondMin = 16 * 1024;
// Connections over the limit that are told so; those over both are closed without a word.
inline constexpr std::size_t kOverflowConnectionsMax = 64;
inline constexpr std::size_t kRequestsPerConnectionMax = 100'000;
// How long a closed connection is read empty, so that its last answer is not lost to a reset
// (RFC 9112, section 9.6).
inline constexpr std::chrono::milliseconds kLinger{1'000};

struct GateStats {
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0;     // since the start, like all that follow
  std::uint64_t overflowed = 0;   // over connections_max
  std::uint64_t timed_out = 0;    // heads and bodies that did not arrive
};

class Gate {
 public:
  // `desk` must outlive the gate.
  Gate(const GateLimits& limits, Desk& desk);
  ~Gate();  // as stop with no grace

  // Takes the listener's socket over. Once.
  void start(Listener listener);

  // Takes no new connection, closes idle ones at once, and gives the others until `grace`; then
  // cuts them. Returns when every worker has. Idempotent; not from a worker.
  void stop(std::chrono::milliseconds grace);

  GateStats stats() const;  // any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::api
