// Whether a push service can be reached: its name, TLS, HTTP/2. There is nothing that one could be
// asked about a VAPID key without a browser's subscription.
#pragma once

#include <functional>
#include <string>

#include "providers/http2/event_loop.h"
#include "providers/http2/pool.h"
#include "providers/http2/request_source.h"

namespace carillon::push {

// Opens a connection until the service's SETTINGS have come, sends no request, and closes it.
class OriginProbe final : private http2::RequestSource {
 public:
  // `hear` is called once, on the loop's thread: with nothing, or with why it cannot be reached; at
  // the latest when `config.connect_max` is over, or with the end of this.
  OriginProbe(EventLoop& loop, http2::PoolConfig config, std::function<void(std::string)> hear);
  ~OriginProbe() override;  // blocks; not on the loop's thread

 private:
  // --- http2::RequestSource
  std::size_t ready(http2::Share) const noexcept override { return hear_ ? 1 : 0; }
  bool waiting() const noexcept override { return hear_ != nullptr; }
  bool prepare(http2::Stream&, http2::Share) override;
  void settle(http2::Stream&) override {}
  void on_turn_end() override;
  void on_tick(http2::LoopTime now) override;

  void end(std::string error);

  EventLoop& loop_;
  const http2::LoopTime connect_max_;
  std::function<void(std::string)> hear_;  // empty once it was called
  http2::LoopTime began_{};
  http2::Pool pool_;
};

}  // namespace carillon::push
