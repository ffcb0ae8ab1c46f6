#include "providers/webpush/origin_probe.h"

#include <future>
#include <memory>
#include <utility>

namespace carillon::push {

OriginProbe::OriginProbe(EventLoop& loop, http2::PoolConfig config,
                         std::function<void(std::string)> hear)
    : loop_(loop),
      connect_max_(config.connect_max),
      hear_(std::move(hear)),
      pool_(loop, std::move(config), *this) {
  loop_.post([this] {
    began_ = pool_.now();
    pool_.pump();
  });
}

// After whatever was posted for it, as the loop runs in order.
OriginProbe::~OriginProbe() {
  const auto closed = std::make_shared<std::promise<void>>();
  loop_.post([this, closed] {
    end("Closed");
    pool_.close(http2::LoopTime(0), [closed] { closed->set_value(); });
  });
  closed->get_future().wait();
}

// A connection takes requests: so it is there.
bool OriginProbe::prepare(http2::Stream&, http2::Share) {
  end({});
  return false;
}

void OriginProbe::on_turn_end() {
  const http2::PoolStats stats = pool_.stats();
  if (stats.connections == 0 && !stats.connecting && !pool_.last_error().empty()) {
    end(pool_.last_error());  // of the last of its addresses
  }
}

void OriginProbe::on_tick(http2::LoopTime now) {
  if (now - began_ >= connect_max_) {
    end(pool_.last_error().empty() ? "it did not answer in time" : pool_.last_error());
  }
}

void OriginProbe::end(std::string error) {
  if (const auto hear = std::exchange(hear_, nullptr)) hear(std::move(error));
}

}  // namespace carillon::push
