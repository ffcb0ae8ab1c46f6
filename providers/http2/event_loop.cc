#include "providers/http2/event_loop.h"

#include <pthread.h>

#include <asio/post.hpp>
#include <utility>

#include "providers/http2/event_loop_impl.h"
#include "providers/thread_slice.h"

namespace carillon::push::http2 {

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([io = &impl_->io] {
    pthread_setname_np(pthread_self(), "provider-loop");
    take_turns_of(kBusyThreadSlice);
    io->run();
  });
}

EventLoop::~EventLoop() {
  impl_->work.reset();
  impl_->io.stop();
  impl_->thread.join();
}

void EventLoop::post(std::function<void()> work) {
  asio::post(impl_->io, std::move(work));
}

bool EventLoop::is_loop_thread() const noexcept {
  return std::this_thread::get_id() == impl_->thread.get_id();
}

}  // namespace carillon::push::http2
