// The gate's thread: waits for whatever does not need a worker.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "relay/api/gate_state.h"

namespace carillon::api {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::chrono::milliseconds kSweep{100};  // how late a deadline may be noticed
constexpr int kEventsAtOnce = 128;

std::chrono::milliseconds time_for_body(const RequestHead& head, std::uint64_t bytes_max,
                                        std::chrono::milliseconds timeout) {
  const std::uint64_t bytes = head.content_length.value_or(bytes_max);
  return timeout + std::chrono::seconds(bytes / kBodyBytesPerSecondMin);
}

}  // namespace

void Gate::Impl::watch() {
  std::array<epoll_event, kEventsAtOnce> events{};
  while (!draining(Steady::now())) {
    const int count =
        epoll_wait(epoll_, events.data(), kEventsAtOnce, static_cast<int>(kSweep.count()));
    for (int i = 0; i < count; ++i) {
      void* const subject = events[static_cast<std::size_t>(i)].data.ptr;
      if (subject == &listener_.socket) {
        accept_all();
      } else if (subject == &wake_) {
        std::uint64_t drained = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake_, &drained, sizeof drained);
      } else {
        on_ready(*static_cast<Connection*>(subject));
      }
    }
    take_back();
    sweep(Steady::now());
    bury();
  }
}

// True once every connection is gone. Cuts what is left when the grace is over.
bool Gate::Impl::draining(Steady::time_point now) {
  if (!stopping_) return false;
  if (listening_) {
    listening_ = false;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_.socket, nullptr);
    shutdown(listener_.socket, SHUT_RDWR);
  }
  const bool cut = now.time_since_epoch().count() >= cut_at_;
  for (auto& [connection, owned] : connections_) {
    if (connection->with_worker) {
      // The worker that waits on it wakes up and gives it back.
      if (const int fd = connection->socket; cut && fd >= 0) shutdown(fd, SHUT_RDWR);
      continue;
    }
    const bool idle = connection->stage == Stage::kHead && connection->input.empty();
    if (cut || idle) close_connection(*connection);
  }
  bury();
  return connections_.empty();
}

void Gate::Impl::accept_all() {
  while (true) {
    const int fd = accept4(listener_.socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accept_one(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      // No descriptors or memory: waiting connections stay in the kernel's queue until the sweep.
      spdlog::warn("the HTTP API cannot accept a connection: {}",
                   std::generic_category().message(errno));
      listening_ = false;
      epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_.socket, nullptr);
    }
    return;
  }
}

void Gate::Impl::accept_one(int fd) {
  ++accepted_;
  const std::size_t open = connections_.size();
  if (open >= limits_.connections_max + kOverflowConnectionsMax) {
    ++overflowed_;
    close(fd);
    return;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto owned = std::make_unique<Connection>(fd);
  Connection& connection = *owned;
  connections_.emplace(&connection, std::move(owned));
  open_ = connections_.size();
  epoll_event event{.events = EPOLLONESHOT, .data = {.ptr = &connection}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  if (open >= limits_.connections_max) {
    ++overflowed_;
    refuse_here(connection, Problem::kOverloaded, "too many connections are open");
    return;
  }
  connection.deadline = Steady::now() + limits_.idle_timeout;
  wait_for(connection, EPOLLIN);
}

void Gate::Impl::wait_for(Connection& connection, std::uint32_t events) {
  epoll_event event{.events = events | EPOLLONESHOT, .data = {.ptr = &connection}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event);
}

void Gate::Impl::on_ready(Connection& connection) {
  if (connection.stage == Stage::kWriting) {
    write_on(connection);
  } else if (connection.stage == Stage::kHead || connection.stage == Stage::kBody ||
             connection.stage == Stage::kLingering) {
    receive(connection);
  }
}

void Gate::Impl::receive(Connection& connection) {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = recv(connection.socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    wait_for(connection, EPOLLIN);
    return;
  }
  if (got <= 0) {
    close_connection(connection);
    return;
  }
  if (connection.stage == Stage::kLingering) {
    wait_for(connection, EPOLLIN);
    return;
  }
  if (connection.stage == Stage::kHead && connection.input.empty()) {
    connection.deadline = Steady::now() + limits_.head_timeout;
  }
  connection.input.append(buffer.data(), static_cast<std::size_t>(got));
  go_on(connection);
}

void Gate::Impl::go_on(Connection& connection) {
  if (connection.stage == Stage::kHead) {
    find_head(connection);
  } else {
    find_body(connection);
  }
}

void Gate::Impl::find_head(Connection& connection) {
  const HeadEnd end = find_head_end(connection.input, &connection.scanned);
  if (end == HeadEnd::kMalformed) {
    refuse_here(connection, Problem::kMalformedRequest,
                "a line of the head does not end with CR LF, or has a NUL");
  } else if (connection.scanned > limits_.head_bytes_max) {
    refuse_here(connection, Problem::kHeadTooLarge,
                "the head has more than " + std::to_string(limits_.head_bytes_max) + " bytes");
  } else if (end == HeadEnd::kFound) {
    hand_to_worker(connection, Stage::kAdmission);
  } else {
    wait_for(connection, EPOLLIN);
  }
}

void Gate::Impl::find_body(Connection& connection) {
  switch (connection.take_body()) {
    case BodyProgress::kNeedsMore:
      wait_for(connection, EPOLLIN);
      return;
    case BodyProgress::kComplete:
      hand_to_worker(connection, Stage::kAnswer);
      return;
    case BodyProgress::kTooLarge:
      refuse_here(
          connection, Problem::kBodyTooLarge,
          "the limit is " + std::to_string(connection.admission->body_bytes_max) + " bytes");
      return;
    case BodyProgress::kMalformed:
      refuse_here(connection, Problem::kMalformedRequest, "the chunked body is malformed");
      return;
  }
}

void Gate::Impl::write_on(Connection& connection) {
  if (!connection.flush()) {
    close_connection(connection);
  } else if (!connection.flushed()) {
    wait_for(connection, EPOLLOUT);
  } else {
    after_answer(connection);
  }
}

// The answer is on the wire.
void Gate::Impl::after_answer(Connection& connection) {
  if (connection.take_over) {
    const int fd = connection.socket.exchange(-1);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    std::exchange(connection.take_over, nullptr)(fd);
    close_connection(connection);
    return;
  }
  if (connection.close_after) {
    shutdown(connection.socket, SHUT_WR);
    connection.stage = Stage::kLingering;
    connection.input.clear();
    connection.deadline = Steady::now() + kLinger;
    wait_for(connection, EPOLLIN);
    return;
  }
  connection.next_request();
  const bool pipelined = !connection.input.empty();
  connection.deadline = Steady::now() + (pipelined ? limits_.head_timeout : limits_.idle_timeout);
  if (pipelined) {
    find_head(connection);
  } else {
    wait_for(connection, EPOLLIN);
  }
}

void Gate::Impl::refuse_here(Connection& connection, Problem problem, std::string_view detail) {
  const Reply reply = problem_reply(problem, detail);
  desk_.on_answered(connection.head, nullptr, reply.status, std::chrono::nanoseconds(0));
  release_body(connection);
  connection.output = writer_.bytes_of(reply, connection.head.method, true);
  connection.close_after = true;
  connection.stage = Stage::kWriting;
  connection.deadline = Steady::now() + limits_.head_timeout;
  write_on(connection);
}

void Gate::Impl::hand_to_worker(Connection& connection, Stage stage) {
  connection.stage = stage;
  connection.with_worker = true;
  ready_.put(connection);
}

void Gate::Impl::take_back() {
  taken_back_.clear();
  returned_.take(taken_back_);
  for (Connection* const connection : taken_back_) {
    connection->with_worker = false;
    if (connection->stage == Stage::kClosed) {
      closed_.push_back(connection);
    } else if (connection->stage == Stage::kWriting) {
      connection->deadline = Steady::now() + limits_.body_timeout;
      write_on(*connection);
    } else if (connection->stage == Stage::kBody) {
      connection->deadline =
          Steady::now() + time_for_body(connection->head, connection->admission->body_bytes_max,
                                        limits_.body_timeout);
      wait_for(*connection, EPOLLIN);
    }
  }
}

void Gate::Impl::sweep(Steady::time_point now) {
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweep;
  listen_again();
  for (auto& [connection, owned] : connections_) {
    if (!connection->with_worker && connection->stage != Stage::kClosed &&
        connection->deadline <= now) {
      sweep_one(*connection);
    }
  }
}

void Gate::Impl::sweep_one(Connection& connection) {
  const bool in_head = connection.stage == Stage::kHead && !connection.input.empty();
  if (!in_head && connection.stage != Stage::kBody) {
    close_connection(connection);
    return;
  }
  ++timed_out_;
  refuse_here(connection, Problem::kRequestTimeout,
              in_head ? "the head was not complete in time" : "the body was not complete in time");
}

void Gate::Impl::listen_again() {
  if (listening_ || stopping_) return;
  listening_ = true;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &listener_.socket}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_.socket, &event);
}

void Gate::Impl::close_connection(Connection& connection) {
  if (connection.stage == Stage::kClosed) return;
  release_body(connection);
  connection.stage = Stage::kClosed;
  closed_.push_back(&connection);
}

// Only here are connections destroyed: no event of this round points to one that is gone.
void Gate::Impl::bury() {
  for (Connection* const connection : closed_) connections_.erase(connection);
  closed_.clear();
  open_ = connections_.size();
}

}  // namespace carillon::api
