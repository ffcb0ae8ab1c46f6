#include "relay/api/gate.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "relay/api/connection.h"
#include "relay/api/reply_writer.h"

namespace carillon::api {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::chrono::milliseconds kSweep{100};  // how late a deadline may be noticed
constexpr int kEventsAtOnce = 128;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::chrono::milliseconds time_for_body(const RequestHead& head, std::uint64_t bytes_max,
                                        std::chrono::milliseconds timeout) {
  const std::uint64_t bytes = head.content_length.value_or(bytes_max);
  return timeout + std::chrono::seconds(bytes / kBodyBytesPerSecondMin);
}

}  // namespace

class Gate::Impl {
 public:
  Impl(const GateLimits& limits, Desk& desk);
  ~Impl() {
    close(wake_);
    close(epoll_);
  }

  void start(Listener listener);
  void stop(std::chrono::milliseconds grace);
  GateStats stats() const;

 private:
  // --- the gate's thread ---
  void watch();
  void accept_all();
  void accept_one(int fd);
  void on_ready(Connection& connection);
  void receive(Connection& connection);
  void go_on(Connection& connection);
  void find_head(Connection& connection);
  void find_body(Connection& connection);
  void write_on(Connection& connection);
  void after_answer(Connection& connection);
  void refuse_here(Connection& connection, Problem problem, std::string_view detail);
  void wait_for(Connection& connection, std::uint32_t events);
  void hand_to_worker(Connection& connection, Stage stage);
  void take_back();
  void close_connection(Connection& connection);
  void release_body(Connection& connection) { buffered_ -= std::exchange(connection.charge, 0); }
  void bury();
  void sweep(Steady::time_point now);
  void sweep_one(Connection& connection);
  void listen_again();
  bool draining(Steady::time_point now);

  // --- the workers ---
  void work();
  void serve(Connection& connection, ReplyWriter& writer);
  void admit(Connection& connection, ReplyWriter& writer);
  void begin_body(Connection& connection, ReplyWriter& writer);
  void answer(Connection& connection, ReplyWriter& writer);
  void answer_stream(Connection& connection, ReplyWriter& writer);
  template <class Make>
  Reply guarded(Make make);
  void finish(Connection& connection, ReplyWriter& writer, const Reply& reply, bool close);
  void give_back(Connection& connection);

  void wake() const;

  const GateLimits limits_;
  Desk& desk_;
  Listener listener_;
  int epoll_ = -1;
  int wake_ = -1;

  // The gate's thread only.
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> closed_;
  ReplyWriter writer_;
  bool listening_ = true;
  Steady::time_point next_sweep_{};

  // Between the two: bounded by connections_max, because each connection is in one place.
  std::mutex ready_mutex_;
  std::condition_variable ready_changed_;
  std::deque<Connection*> ready_;
  bool no_more_work_ = false;
  std::mutex returned_mutex_;
  std::vector<Connection*> returned_;

  std::atomic<bool> stopping_{false};
  std::atomic<Steady::time_point::rep> cut_at_{0};
  std::atomic<std::uint64_t> buffered_{0};  // bytes promised to bodies that are kept whole
  std::atomic<std::size_t> streams_{0};
  std::atomic<std::uint64_t> open_{0}, accepted_{0}, overflowed_{0}, timed_out_{0};

  std::mutex stop_mutex_;
  std::thread watcher_;
  std::vector<std::thread> workers_;
};

Gate::Impl::Impl(const GateLimits& limits, Desk& desk)
    : limits_(limits),
      desk_(desk),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      writer_(limits.idle_timeout, kRequestsPerConnectionMax) {
  assert(epoll_ >= 0 && wake_ >= 0);
}

void Gate::Impl::start(Listener listener) {
  listener_ = listener;
  for (int* const fd : {&listener_.socket, &wake_}) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event);
  }
  watcher_ = std::thread([this] { watch(); });
  for (std::size_t i = 0; i < std::max<std::size_t>(1, limits_.threads); ++i) {
    workers_.emplace_back([this] { work(); });
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

void Gate::Impl::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(stop_mutex_);
  if (!watcher_.joinable()) return;
  cut_at_ = (Steady::now() + grace).time_since_epoch().count();
  stopping_ = true;
  wake();
  watcher_.join();
  {
    const std::lock_guard ready_lock(ready_mutex_);
    no_more_work_ = true;
  }
  ready_changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  close(std::exchange(listener_.socket, -1));
}

// --- the gate's thread -----------------------------------------------------------------------

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
  {
    const std::lock_guard lock(ready_mutex_);
    ready_.push_back(&connection);
  }
  ready_changed_.notify_one();
}

void Gate::Impl::take_back() {
  std::vector<Connection*> returned;
  {
    const std::lock_guard lock(returned_mutex_);
    returned.swap(returned_);
  }
  for (Connection* const connection : returned) {
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

// --- the workers -----------------------------------------------------------------------------

void Gate::Impl::work() {
  ReplyWriter writer(limits_.idle_timeout, kRequestsPerConnectionMax);
  while (true) {
    Connection* connection = nullptr;
    {
      std::unique_lock lock(ready_mutex_);
      ready_changed_.wait(lock, [this] { return no_more_work_ || !ready_.empty(); });
      if (ready_.empty()) return;
      connection = ready_.front();
      ready_.pop_front();
    }
    serve(*connection, writer);
    give_back(*connection);
  }
}

// The first that comes back wakes the gate's thread, which then finds those after it, too.
void Gate::Impl::give_back(Connection& connection) {
  bool first = false;
  {
    const std::lock_guard lock(returned_mutex_);
    first = returned_.empty();
    returned_.push_back(&connection);
  }
  if (first) wake();
}

void Gate::Impl::serve(Connection& connection, ReplyWriter& writer) {
  if (connection.stage == Stage::kAdmission) {
    admit(connection, writer);
  } else {
    release_body(connection);
    answer(connection, writer);
  }
}

// The HTTP edge is where exceptions stop.
template <class Make>
Reply Gate::Impl::guarded(Make make) {
  try {
    return make();
  } catch (const std::exception& error) {
    spdlog::error("an HTTP request failed: {}", error.what());
    return problem_reply(Problem::kInternal, "");
  }
}

void Gate::Impl::admit(Connection& connection, ReplyWriter& writer) {
  connection.began = Steady::now();
  auto head = parse_head(std::string_view(connection.input).substr(0, connection.scanned));
  connection.input.erase(0, connection.scanned);
  if (!head) {
    finish(connection, writer, problem_reply(head.error().problem, head.error().detail), true);
    return;
  }
  connection.head = std::move(*head);
  Reply refusal;
  refusal = guarded([&] {
    auto admission = desk_.admit(connection.head);
    if (!admission) return std::move(admission.error());
    connection.admission = std::move(*admission);
    return Reply{};
  });
  if (!connection.admission) {
    // A body that was not let in is not read either: the connection cannot go on behind it.
    finish(connection, writer, refusal, connection.head.has_body());
    return;
  }
  begin_body(connection, writer);
}

void Gate::Impl::begin_body(Connection& connection, ReplyWriter& writer) {
  const RequestHead& head = connection.head;
  const BodyPlan plan = connection.admission->match.route->body;
  const std::uint64_t bytes_max = connection.admission->body_bytes_max;
  if (head.content_length.value_or(0) > bytes_max) {
    finish(connection, writer,
           problem_reply(Problem::kBodyTooLarge,
                         "the limit is " + std::to_string(bytes_max) + " bytes"),
           true);
    return;
  }
  if (head.expects_continue) {
    // 25 bytes into an empty send buffer. If they do not fit, the client is not one to wait for.
    send(connection.socket, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (plan == BodyPlan::kLines) {
    answer_stream(connection, writer);
    return;
  }
  const BodyProgress progress = connection.take_body();
  if (progress == BodyProgress::kComplete) {
    answer(connection, writer);
    return;
  }
  if (progress != BodyProgress::kNeedsMore) {
    const Problem problem =
        progress == BodyProgress::kTooLarge ? Problem::kBodyTooLarge : Problem::kMalformedRequest;
    finish(connection, writer, problem_reply(problem, "the chunked body cannot be taken"), true);
    return;
  }
  connection.charge = head.content_length.value_or(bytes_max);
  if (buffered_.fetch_add(connection.charge) + connection.charge > limits_.buffered_bytes_max) {
    release_body(connection);
    finish(connection, writer,
           problem_reply(Problem::kOverloaded, "too many bodies are on their way"), true);
  } else {
    connection.stage = Stage::kBody;
  }
}

void Gate::Impl::answer(Connection& connection, ReplyWriter& writer) {
  const Reply reply = guarded([&] {
    return desk_.answer(connection.head, *connection.admission, std::string_view(connection.body));
  });
  finish(connection, writer, reply, false);
}

void Gate::Impl::answer_stream(Connection& connection, ReplyWriter& writer) {
  if (streams_.fetch_add(1) >= limits_.streams_max) {
    --streams_;
    finish(connection, writer, problem_reply(Problem::kOverloaded, "too many imports are running"),
           true);
    return;
  }
  SocketBody body(connection, connection.admission->body_bytes_max, limits_.body_timeout);
  const Reply reply = guarded([&] {
    return desk_.answer(connection.head, *connection.admission, static_cast<BodySource&>(body));
  });
  --streams_;
  finish(connection, writer, reply, !body.complete());
}

void Gate::Impl::finish(Connection& connection, ReplyWriter& writer, const Reply& reply,
                        bool close) {
  const Route* const route = connection.admission ? connection.admission->match.route : nullptr;
  desk_.on_answered(connection.head, route, reply.status, Steady::now() - connection.began);
  connection.take_over = connection.head.method == "HEAD" ? nullptr : reply.take_over;
  connection.close_after = close || !connection.head.keep_alive || stopping_ ||
                           reply.take_over != nullptr ||
                           connection.requests + 1 >= kRequestsPerConnectionMax;
  connection.output = writer.bytes_of(reply, connection.head.method, connection.close_after);
  connection.stage = Stage::kWriting;
  // Nearly always the whole of it, here; the gate's thread does the rest.
  if (!connection.flush()) connection.stage = Stage::kClosed;
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
