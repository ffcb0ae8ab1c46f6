#include "relay/api/http_server.h"

#include <algorithm>
#include <utility>

#include "relay/api/api.h"
#include "relay/api/gate.h"
#include "relay/api/listener.h"

namespace carillon::api {
namespace {

GateLimits limits_of(const config::Http& http) {
  GateLimits limits;
  limits.threads = http.threads;
  limits.connections_max = http.connections_max;
  limits.head_bytes_max = http.head_bytes_max;
  limits.head_timeout = std::chrono::milliseconds(http.head_timeout_ms);
  limits.body_timeout = std::chrono::milliseconds(http.body_timeout_ms);
  limits.idle_timeout = std::chrono::milliseconds(http.idle_timeout_ms);
  // An import keeps its worker: most workers stay for everyone else.
  limits.streams_max = std::max<std::size_t>(1, http.threads / 4);
  return limits;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const config::Http& http, Parts parts)
      : http_(http),
        api_({.publisher = parts.publisher,
              .store = parts.store,
              .apps = std::move(parts.apps),
              .clocks = std::move(parts.clocks),
              .body_bytes_max = http.body_bytes_max,
              .watchers = {.watchers_max = parts.watchers_max},
              .downloads = parts.exports,
              .outcomes_waiting_max = http.threads / 4,  // most workers stay for everyone else
              .gate_stats = [this] { return gate_.stats(); },
              .stale_totals = std::move(parts.stale_totals),
              .push_origins = std::move(parts.push_origins)}),
        gate_(limits_of(http), api_) {}

  tl::expected<void, std::string> start() {
    auto listener = listen_on(http_.listen);
    if (!listener) return tl::unexpected(listener.error());
    port_ = listener->port;
    gate_.start(*listener);
    return {};
  }

  void stop(std::chrono::milliseconds grace) {
    api_.stop_waiting();
    gate_.stop(grace);
    api_.stop_streams();
  }

  std::uint16_t port() const { return port_; }

 private:
  const config::Http http_;
  Api api_;
  Gate gate_;  // after what it calls
  std::uint16_t port_ = 0;
};

HttpServer::HttpServer(const config::Http& http, Parts parts)
    : impl_(std::make_unique<Impl>(http, std::move(parts))) {}

HttpServer::~HttpServer() {
  impl_->stop(std::chrono::milliseconds(0));
}

tl::expected<void, std::string> HttpServer::start() {
  return impl_->start();
}

std::uint16_t HttpServer::port() const {
  return impl_->port();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

}  // namespace carillon::api
