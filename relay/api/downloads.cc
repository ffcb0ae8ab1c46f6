#include "relay/api/downloads.h"

#include <pthread.h>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace carillon::api {
namespace {

using Monotonic = std::chrono::steady_clock;

// How soon a stop is heard.
constexpr std::chrono::milliseconds kLook{100};

// One client's socket, closed at the end of the scope: in order once the body was complete,
// otherwise with a reset, so that what came is not taken for the whole.
class ClientSocket {
 public:
  ClientSocket(int socket, const Downloads::Limits& limits, const std::atomic<bool>& stopping)
      : socket_(socket), limits_(limits), stopping_(stopping) {}
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;
  ~ClientSocket() {
    if (complete_) {
      shutdown(socket_, SHUT_RDWR);
    } else {
      const linger reset{.l_onoff = 1, .l_linger = 0};
      setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(socket_);
  }

  bool gone() const {
    char ignored = 0;
    const ssize_t said = recv(socket_, &ignored, 1, MSG_PEEK | MSG_DONTWAIT);
    return said == 0 || (said < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  // From now on its pace counts.
  void begin() { begun_ = moved_ = Monotonic::now(); }

  // False: it is gone, too slow, or the relay stops.
  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      if (stopping_) return false;
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        sent_ += static_cast<std::uint64_t>(sent);
        moved_ = Monotonic::now();
        if (too_slow(moved_)) return false;
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
      if (too_slow(Monotonic::now())) return false;
      pollfd wait{.fd = socket_, .events = POLLOUT, .revents = 0};
      poll(&wait, 1, static_cast<int>(std::min(kLook, limits_.stall_max).count()));
    }
    return true;
  }
  void complete() { complete_ = true; }

 private:
  bool too_slow(Monotonic::time_point now) const {
    const std::chrono::milliseconds earned(sent_ * 1'000 / limits_.bytes_per_second_min);
    return now - moved_ > limits_.stall_max || now - begun_ > limits_.stall_max + earned;
  }

  const int socket_;
  const Downloads::Limits& limits_;
  const std::atomic<bool>& stopping_;
  Monotonic::time_point begun_{}, moved_{};
  std::uint64_t sent_ = 0;
  bool complete_ = false;
};

}  // namespace

class Downloads::Impl : public std::enable_shared_from_this<Downloads::Impl> {
 public:
  explicit Impl(const Limits& limits) : limits_(limits) {}

  std::shared_ptr<Place> reserve();
  void add(std::shared_ptr<Place> place, int socket, std::shared_ptr<exporting::Exporter> exporter,
           Framing framing);
  void stop();

  std::atomic<std::size_t> taken{0};

 private:
  struct Running {
    std::thread thread;
    bool done = false;  // under the mutex
  };

  void run(int socket, std::shared_ptr<Place> place, std::shared_ptr<exporting::Exporter> exporter,
           Framing framing);
  void reap();

  const Limits limits_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // of the list: threads come and go
  std::list<Running> running_;
};

class Downloads::Place {
 public:
  explicit Place(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  ~Place() { --impl_->taken; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<Impl> impl_;
};

std::shared_ptr<Downloads::Place> Downloads::Impl::reserve() {
  if (taken.fetch_add(1) >= limits_.downloads_max) {
    --taken;
    return nullptr;
  }
  return std::make_shared<Place>(shared_from_this());
}

void Downloads::Impl::reap() {
  running_.remove_if([](Running& running) {
    if (running.done) running.thread.join();
    return running.done;
  });
}

void Downloads::Impl::add(std::shared_ptr<Place> place, int socket,
                          std::shared_ptr<exporting::Exporter> exporter, Framing framing) {
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    close(socket);
    return;
  }
  reap();
  Running& running = running_.emplace_back();
  running.thread = std::thread([this, &running, place = std::move(place), socket,
                                exporter = std::move(exporter), framing]() mutable {
    pthread_setname_np(pthread_self(), "http-export");
    run(socket, std::move(place), std::move(exporter), framing);
    const std::lock_guard done_lock(mutex_);
    running.done = true;
  });
}

// The parameters go in an order that nobody chooses: the exporter, with its copy of the store, goes
// before its place is another's.
void Downloads::Impl::run(int socket, std::shared_ptr<Place> place,
                          std::shared_ptr<exporting::Exporter> exporter, Framing framing) {
  ClientSocket client(socket, limits_, stopping_);
  const std::shared_ptr<void> let_go(nullptr, [&](void*) {
    exporter.reset();
    place.reset();
  });
  const auto begun =
      exporter->begin([&](std::uint64_t, std::uint64_t) { return !stopping_ && !client.gone(); });
  if (!begun) {
    if (begun.error().kind == store::Error::Kind::kBusy) {
      spdlog::info("an export ended before it began: {}", begun.error().message);
    } else {
      spdlog::error("an export failed: {}", begun.error().message);
    }
    return;
  }
  client.begin();
  std::string piece, framed;
  for (bool more = true; more;) {
    piece.clear();
    const auto read = exporter->read(piece);
    if (!read) {
      spdlog::error("an export failed: {}", read.error().message);
      return;
    }
    more = *read;
    const std::uint64_t devices = exporter->devices();
    if (!more) {
      // Who has the last byte may ask for the next export at once.
      exporter.reset();
      place.reset();
    }
    if (framing == Framing::kChunked) {
      framed.clear();
      // A chunk of no bytes would be the last one.
      if (!piece.empty()) framed = fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
      if (!more) framed += "0\r\n\r\n";
      piece.swap(framed);
    }
    if (!client.send_all(piece)) {
      spdlog::info("an export ended after {} devices: its client is gone or too slow", devices);
      return;
    }
  }
  client.complete();
}

void Downloads::Impl::stop() {
  std::list<Running> running;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    running.swap(running_);  // a list's elements stay where they are
  }
  for (Running& one : running) one.thread.join();
}

Downloads::Downloads(const Limits& limits) : impl_(std::make_shared<Impl>(limits)) {}

Downloads::~Downloads() {
  stop();
}

std::shared_ptr<Downloads::Place> Downloads::reserve() {
  return impl_->reserve();
}

void Downloads::add(std::shared_ptr<Place> place, int socket,
                    std::shared_ptr<exporting::Exporter> exporter, Framing framing) {
  impl_->add(std::move(place), socket, std::move(exporter), framing);
}

void Downloads::stop() {
  impl_->stop();
}

std::size_t Downloads::count() const {
  return impl_->taken;
}

}  // namespace carillon::api
