// Requests about broadcast channels on their way to one of Apple's hosts.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "providers/auth/provider_token.h"
#include "providers/broadcast_channel.h"
#include "providers/http2/event_loop.h"
#include "providers/http2/pool.h"

namespace carillon::push {

// One connection, opened for the first request. Every request is heard of exactly once. What it
// holds is bounded by who asks.
class ApnsChannelLine {
 public:
  struct Parts {
    http2::PoolConfig pool;
    std::chrono::milliseconds queued_max = kChannelQueuedMax;  // waiting for a connection
    std::function<std::chrono::system_clock::time_point()> calendar;
    std::string bundle_id;
    // Of the loop's thread, shared with the app's pushes: Apple counts new tokens. Null: a
    // certificate speaks for the connection.
    std::shared_ptr<auth::ProviderToken> token;
  };
  ApnsChannelLine(EventLoop& loop, Parts parts);
  ~ApnsChannelLine();  // as close with no grace
  ApnsChannelLine(const ApnsChannelLine&) = delete;
  ApnsChannelLine& operator=(const ApnsChannelLine&) = delete;

  // As in Provider.
  void ask(ChannelRequest request, HearChannel hear);
  void close(std::chrono::milliseconds grace);
  // Requests that nobody has heard of. Any thread.
  std::size_t unanswered() const noexcept;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::push
