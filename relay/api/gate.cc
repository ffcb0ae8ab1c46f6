#include "relay/api/gate.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "relay/api/gate_state.h"

namespace carillon::api {

Gate::Impl::Impl(const GateLimits& limits, Desk& desk)
    : limits_(limits),
      desk_(desk),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      writer_(limits.idle_timeout, kRequestsPerConnectionMax) {
  assert(epoll_ >= 0 && wake_ >= 0);
}

Gate::Impl::~Impl() {
  close(wake_);
  close(epoll_);
}

void Gate::Impl::start(Listener listener) {
  listener_ = listener;
  for (int* const fd : {&listener_.socket, &wake_}) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
  }
  watcher_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "http-gate");
    watch();
  });
  for (std::size_t i = 0; i < std::max<std::size_t>(1, limits_.threads); ++i) {
    workers_.emplace_back([this, &place = places_.emplace_back()] {
      pthread_setname_np(pthread_self(), "http-worker");
      work(place);
    });
  }
}

GateStats Gate::Impl::stats() const {
  return {.connections = open_,
          .accepted = accepted_,
          .overflowed = overflowed_,
          .timed_out = timed_out_};
}

void Gate::Impl::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

// False: there is no room for it, and nothing was charged.
bool Gate::Impl::charge_body(Connection& connection, std::uint64_t bytes) {
  if (buffered_.fetch_add(bytes) + bytes > limits_.buffered_bytes_max) {
    buffered_ -= bytes;
    return false;
  }
  connection.charge += bytes;
  return true;
}

// The gate's thread ends when every connection has come back, also those whose answer the desk
// still owes: so nothing of theirs is left for the workers, or for the desk, when they end.
void Gate::Impl::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(stop_mutex_);
  if (!watcher_.joinable()) return;
  cut_at_ = (Steady::now() + grace).time_since_epoch().count();
  stopping_ = true;
  wake();
  watcher_.join();
  ready_.close();
  for (std::thread& worker : workers_) worker.join();
  close(std::exchange(listener_.socket, -1));
}

Gate::Gate(const GateLimits& limits, Desk& desk) : impl_(std::make_unique<Impl>(limits, desk)) {}

Gate::~Gate() {
  impl_->stop(std::chrono::milliseconds(0));
}

void Gate::start(Listener listener) {
  impl_->start(listener);
}

void Gate::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

GateStats Gate::stats() const {
  return impl_->stats();
}

}  // namespace carillon::api
