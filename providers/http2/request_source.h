// Where a pool's requests come from and where their ends go.
#pragma once

#include <cstddef>

#include "providers/http2/stream.h"

namespace carillon::push::http2 {

// Called on the loop thread. Must not call the pool's `close`.
class RequestSource {
 public:
  virtual ~RequestSource() = default;

  // Requests that could start now.
  virtual std::size_t ready() const noexcept = 0;

  // Whether anything is not yet settled, ready or not: then there will be ticks.
  virtual bool waiting() const noexcept = 0;

  // Fills `stream` with the next request. False: there is none. What the stream points to stays
  // until `settle`.
  virtual bool prepare(Stream& stream) = 0;

  // The request has ended, exactly once for every one that was prepared. The stream is reused
  // after.
  virtual void settle(Stream& stream) = 0;

  // After a run of `prepare` and `settle` calls, or when connections came or went: the time to tell
  // others.
  virtual void on_turn_end() = 0;

  // Now and then (PoolConfig::tick) while there is a connection or anything is waiting.
  virtual void on_tick(LoopTime now) = 0;
};

}  // namespace carillon::push::http2
