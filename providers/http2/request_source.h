// Where a pool's requests come from and where their ends go.
#pragma once

#include <cstddef>
#include <cstdint>

#include "providers/http2/stream.h"

namespace carillon::push::http2 {

// Which requests a connection is to take.
enum class Share : std::uint8_t {
  kAll,       // urgent ones first, doubtful ones last
  kSound,     // urgent ones first, none that is doubtful: those have a connection of their own
  kUrgent,    // those only: it is kept for them
  kOthers,    // neither urgent ones, as another connection is kept for these and has room, nor
              // doubtful ones
  kDoubtful,  // those only
};

// Called on the loop thread. Must not call the pool's `close`.
class RequestSource {
 public:
  virtual ~RequestSource() = default;

  // Requests of a share that could start now.
  virtual std::size_t ready(Share share) const noexcept = 0;

  // Whether anything is not yet settled, ready or not: then there will be ticks.
  virtual bool waiting() const noexcept = 0;

  // Fills `stream` with the next request of a share. False: there is none. What the stream points
  // to stays until `settle`.
  virtual bool prepare(Stream& stream, Share share) = 0;

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
