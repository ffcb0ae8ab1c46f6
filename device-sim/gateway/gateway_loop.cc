#include "device-sim/gateway/gateway_loop.h"

#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <future>
#include <mutex>
#include <thread>

#include "device-sim/gateway/tls_connection.h"

namespace device_sim {
namespace {

using asio::ip::tcp;

// After a failed accept, which is mostly for want of file descriptors.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

std::string_view service_name(Service service) {
  constexpr std::array<std::string_view, kServiceCount> kNames{"apns", "fcm", "webpush"};
  return kNames[static_cast<std::size_t>(service)];
}

class GatewayLoop::Impl {
 public:
  explicit Impl(const LoopParts& parts)
      : unix_ms_(parts.unix_ms),
        context_(parts.population, parts.journal, parts.book, parts.faults, parts.seed),
        apns_(parts.apns, parts.apns_channels, context_, counters_[0], splitmix64(parts.seed + 1)),
        fcm_(parts.fcm, parts.topics, context_, counters_[1], splitmix64(parts.seed + 2)),
        webpush_(parts.webpush, context_, counters_[2], splitmix64(parts.seed + 3)) {}

  ~Impl() { stop(); }

  tl::expected<std::uint16_t, std::string> listen(Service service, const ServiceOptions& options,
                                                  const std::vector<GatewayLoop*>& loops) {
    auto port = std::make_unique<Port>(io_);
    const auto address = asio::ip::make_address(options.listen.host);
    const tcp::endpoint endpoint(address, options.listen.port);
    std::error_code error;
    port->acceptor.open(endpoint.protocol(), error);
    if (!error) port->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) port->acceptor.bind(endpoint, error);
    if (!error) port->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return tl::unexpected(
          fmt::format("cannot listen on {} for {} ({}); stop what uses the address, or choose "
                      "another with --{}",
                      options.listen.to_string(), service_name(service), error.message(),
                      service_name(service)));
    }
    port->service = service;
    port->options = options;
    for (GatewayLoop* loop : loops) port->loops.push_back(loop->impl_.get());
    ports_.push_back(std::move(port));
    return ports_.back()->acceptor.local_endpoint().port();
  }

  void start() {
    for (const auto& port : ports_) accept(*port);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "gateway-loop");
      io_.run();
    });
  }

  void stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(stopping_mutex_);
      is_stopping_ = true;
    }
    asio::post(io_, [this] {
      work_.reset();
      for (const auto& port : ports_) {
        std::error_code ignored;
        port->acceptor.close(ignored);
        port->pause.cancel();
      }
      for (const auto& weak : connections_) {
        if (const auto connection = weak.lock()) connection->close();
      }
    });
    thread_.join();
  }

  const GatewayCounters& counters(Service service) const {
    return counters_[static_cast<std::size_t>(service)];
  }

  std::vector<RecentSend> recent_of(std::uint64_t device) {
    std::promise<std::vector<RecentSend>> promise;
    auto future = promise.get_future();
    {
      // What is posted before the loop is told to stop is still run by it.
      const std::lock_guard lock(stopping_mutex_);
      if (is_stopping_ || !thread_.joinable()) return {};
      asio::post(io_, [&] { promise.set_value(context_.desk.recent_of(device)); });
    }
    return future.get();
  }

 private:
  struct Port {
    explicit Port(asio::io_context& io) : acceptor(io), pause(io) {}
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    Service service{};
    ServiceOptions options;
    std::vector<Impl*> loops;
    std::size_t next_loop = 0;
  };

  void accept(Port& port) {
    Impl& target = *port.loops[port.next_loop++ % port.loops.size()];
    port.acceptor.async_accept(target.io_, [&](std::error_code error, tcp::socket socket) {
      if (!port.acceptor.is_open()) return;
      if (!error) {
        asio::post(target.io_, [&target, &port, socket = std::move(socket)]() mutable {
          target.adopt(std::move(socket), port);
        });
        return accept(port);
      }
      port.pause.expires_after(kAcceptPause);
      port.pause.async_wait([&](std::error_code cancelled) {
        if (!cancelled) accept(port);
      });
    });
  }

  void adopt(tcp::socket socket, const Port& port) {
    if (!work_.owns_work()) return;  // stopping
    const std::array<Gateway*, kServiceCount> gateways{&apns_, &fcm_, &webpush_};
    Gateway& gateway = *gateways[static_cast<std::size_t>(port.service)];
    const auto connection = std::make_shared<TlsConnection>(
        std::move(socket), ConnectionParts{.gateway = gateway,
                                           .scratch = scratch_,
                                           .tls = port.options.tls.get(),
                                           .protocols = port.options.protocols,
                                           .limits = port.options.limits,
                                           .clock = [this] { return now(); }});
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
    connections_.push_back(connection);
    connection->start();
  }

  Moment now() const { return {.unix_ms = unix_ms_(), .steady = std::chrono::steady_clock::now()}; }

  std::function<std::int64_t()> unix_ms_;
  std::array<GatewayCounters, kServiceCount> counters_;
  LoopContext context_;
  ApnsGateway apns_;
  FcmGateway fcm_;
  WebPushGateway webpush_;
  ReadScratch scratch_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::weak_ptr<TlsConnection>> connections_;
  std::mutex stopping_mutex_;
  bool is_stopping_ = false;
  std::thread thread_;
};

GatewayLoop::GatewayLoop(const LoopParts& parts) : impl_(std::make_unique<Impl>(parts)) {}
GatewayLoop::~GatewayLoop() = default;

tl::expected<std::uint16_t, std::string> GatewayLoop::listen(
    Service service, const ServiceOptions& options, const std::vector<GatewayLoop*>& loops) {
  return impl_->listen(service, options, loops);
}

void GatewayLoop::start() {
  impl_->start();
}
void GatewayLoop::stop() {
  impl_->stop();
}

const GatewayCounters& GatewayLoop::counters(Service service) const {
  return impl_->counters(service);
}

std::vector<RecentSend> GatewayLoop::recent_of(std::uint64_t device) {
  return impl_->recent_of(device);
}

}  // namespace device_sim
