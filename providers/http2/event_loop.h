// A thread that runs network events: every connection belongs to exactly one loop.
#pragma once

#include <functional>
#include <memory>

namespace carillon::push::http2 {

// Starts its thread in the constructor, stops and joins it in the destructor. Outlives every
// provider made on it. What "loop thread" means elsewhere is this thread.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs `work` on the loop thread, after what was posted before it. Any thread. `work` must not
  // throw.
  void post(std::function<void()> work);

  bool is_loop_thread() const noexcept;

  // For this library's own sources: Asio stays out of public headers, a translation unit that
  // includes it takes over a second to compile.
  struct Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::push::http2

namespace carillon::push {
using http2::EventLoop;
}
