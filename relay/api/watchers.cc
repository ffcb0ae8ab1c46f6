#include "relay/api/watchers.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace carillon::api {
namespace {

using Steady = std::chrono::steady_clock;

struct Watcher {
  std::shared_ptr<Watchers::Place> place;
  int socket = -1;
  store::EventId event{};
  std::string output;          // not yet taken by the socket; at most one document
  Steady::time_point moved{};  // when the socket last took something
  bool greeted = false;        // has had its first document
  bool over = false;           // has had its last
};

}  // namespace

class Watchers::Impl : public std::enable_shared_from_this<Watchers::Impl> {
 public:
  Impl(const Limits& limits, Read read)
      : limits_(limits), read_(std::move(read)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    assert(wake_ >= 0);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http-progress");
      run();
    });
  }
  ~Impl() { close(wake_); }

  std::shared_ptr<Place> reserve();
  void add(Watcher watcher);
  void stop();

  std::atomic<std::size_t> taken{0};

 private:
  void run();
  void take_new();
  void tell(Steady::time_point now, bool everyone);
  void wait(Steady::time_point until);
  static void flush(Watcher& watcher, Steady::time_point now);
  void drop_gone(Steady::time_point now);
  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
  }

  const Limits limits_;
  const Read read_;
  const int wake_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // of `new_`: where the gate's thread meets this one
  std::vector<Watcher> new_;
  std::vector<Watcher> watchers_;  // the thread's own
  std::mutex stop_mutex_;
  std::thread thread_;
};

class Watchers::Place {
 public:
  explicit Place(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  ~Place() { --impl_->taken; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<Impl> impl_;
};

std::shared_ptr<Watchers::Place> Watchers::Impl::reserve() {
  if (taken.fetch_add(1) >= limits_.watchers_max) {
    --taken;
    return nullptr;
  }
  return std::make_shared<Place>(shared_from_this());
}

void Watchers::Impl::add(Watcher watcher) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      close(watcher.socket);
      return;
    }
    new_.push_back(std::move(watcher));
  }
  wake();
}

void Watchers::Impl::stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  take_new();
  for (const Watcher& watcher : watchers_) close(watcher.socket);
  watchers_.clear();
}

void Watchers::Impl::take_new() {
  const std::lock_guard lock(mutex_);
  std::move(new_.begin(), new_.end(), std::back_inserter(watchers_));
  new_.clear();
}

void Watchers::Impl::run() {
  Steady::time_point next_tick = Steady::now() + limits_.tick;
  while (!stopping_) {
    take_new();
    const auto now = Steady::now();
    tell(now, now >= next_tick);
    if (now >= next_tick) next_tick = now + limits_.tick;
    for (Watcher& watcher : watchers_) flush(watcher, now);
    drop_gone(now);
    wait(next_tick);
  }
}

// `everyone`: at a tick. Otherwise only who has just come.
void Watchers::Impl::tell(Steady::time_point now, bool everyone) {
  std::map<store::EventId, std::optional<Progress>> read;
  for (Watcher& watcher : watchers_) {
    const bool due = !watcher.over && watcher.output.empty() && (everyone || !watcher.greeted);
    if (!due) continue;
    auto found = read.find(watcher.event);
    if (found == read.end()) found = read.emplace(watcher.event, read_(watcher.event)).first;
    if (!watcher.greeted) watcher.moved = now;
    watcher.greeted = true;
    if (!found->second) continue;
    const Progress& progress = *found->second;
    watcher.output = "event: progress\ndata: " + progress.document + "\n\n";
    if (progress.over) watcher.output += "event: end\ndata: " + progress.document + "\n\n";
    watcher.over = progress.over;
  }
}

void Watchers::Impl::flush(Watcher& watcher, Steady::time_point now) {
  while (!watcher.output.empty()) {
    const ssize_t sent = send(watcher.socket, watcher.output.data(), watcher.output.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      watcher.output.erase(0, static_cast<std::size_t>(sent));
      watcher.moved = now;
    } else if (errno != EINTR) {
      const bool full = errno == EAGAIN || errno == EWOULDBLOCK;
      if (!full) close(std::exchange(watcher.socket, -1));
      return;
    }
  }
  if (watcher.over) {
    // The end of the answer. What the client still says is not worth a reset.
    shutdown(watcher.socket, SHUT_RDWR);
    close(std::exchange(watcher.socket, -1));
  }
}

void Watchers::Impl::drop_gone(Steady::time_point now) {
  for (Watcher& watcher : watchers_) {
    const bool stalled = !watcher.output.empty() && now - watcher.moved > limits_.stall_max;
    if (watcher.socket >= 0 && stalled) close(std::exchange(watcher.socket, -1));
  }
  std::erase_if(watchers_, [](const Watcher& watcher) { return watcher.socket < 0; });
}

// Until then, a newcomer, a client that left, or room in a full socket.
void Watchers::Impl::wait(Steady::time_point until) {
  std::vector<pollfd> polled{{.fd = wake_, .events = POLLIN, .revents = 0}};
  for (const Watcher& watcher : watchers_) {
    const short events = watcher.output.empty() ? POLLIN : POLLIN | POLLOUT;
    polled.push_back({.fd = watcher.socket, .events = events, .revents = 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now()).count();
  if (poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(0, left))) <= 0)
    return;
  std::uint64_t drained = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &drained, sizeof drained);
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    if ((polled[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    std::array<char, 4096> ignored;
    const ssize_t said = recv(watchers_[i].socket, ignored.data(), ignored.size(), MSG_DONTWAIT);
    const bool alive = said > 0 || (said < 0 && (errno == EAGAIN || errno == EINTR));
    if (!alive) close(std::exchange(watchers_[i].socket, -1));
  }
  std::erase_if(watchers_, [](const Watcher& watcher) { return watcher.socket < 0; });
}

Watchers::Watchers(const Limits& limits, Read read)
    : impl_(std::make_shared<Impl>(limits, std::move(read))) {}

Watchers::~Watchers() {
  stop();
}

std::shared_ptr<Watchers::Place> Watchers::reserve() {
  return impl_->reserve();
}

void Watchers::add(std::shared_ptr<Place> place, int socket, const store::EventId& event) {
  impl_->add(Watcher{.place = std::move(place),
                     .socket = socket,
                     .event = event,
                     .output = {},
                     .moved = {},
                     .greeted = false,
                     .over = false});
}

void Watchers::stop() {
  impl_->stop();
}

std::size_t Watchers::count() const {
  return impl_->taken;
}

}  // namespace carillon::api
