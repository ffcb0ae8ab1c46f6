// What is behind EventLoop. Only for the sources of providers/http2.
#pragma once

// A standard header before any of Asio's: its configuration looks at libstdc++'s macros without
// including one (1.22), and two answers in one program free with delete what came from
// aligned_alloc.
#include <cstddef>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <thread>

#include "providers/http2/event_loop.h"

namespace carillon::push::http2 {

struct EventLoop::Impl {
  asio::io_context io{1};  // one thread: Asio may skip waking others
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread;
};

}  // namespace carillon::push::http2
