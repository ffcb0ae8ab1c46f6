#include "providers/http2/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cassert>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "providers/http2/backoff.h"
#include "providers/http2/connection.h"
#include "providers/http2/event_loop_impl.h"
#include "providers/http2/public_address.h"

namespace carillon::push::http2 {
namespace {

using asio::ip::tcp;

// Between two connections that are opened because the others are full: the first must have shown
// what it takes before the next is judged necessary.
constexpr LoopTime kGrowPause{100};
// After a connection was given up for its credential: a platform that says the same again is not to
// be asked a thousand times a second.
constexpr LoopTime kRetirePause{1'000};
// After the connection for what is doubtful has ended: the peer has had enough of such requests,
// and quick connects and disconnects look like an attack (Apple).
constexpr LoopTime kDoubtfulPause{1'000};
// Addresses that are remembered. A name has some eight at a time.
constexpr std::size_t kAddressesMax = 64;

// More urgent requests than this are a broadcast of their own: every connection takes them. About
// what one write of a connection holds.
constexpr std::size_t kUrgentCrowd = 120;

bool is_public(const asio::ip::address& address) {
  return address.is_v4() ? is_public_ipv4(address.to_v4().to_bytes())
                         : is_public_ipv6(address.to_v6().to_bytes());
}

}  // namespace

LoopTime PoolConfig::tick() const {
  const auto shortest = std::min({connect_max, request_max, stuck_after, idle_after, ping_max});
  return std::clamp(shortest / 8, LoopTime(5), LoopTime(250));
}

class Pool::Impl final : public ConnectionOwner, public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, PoolConfig config, RequestSource& source)
      : io_(io),
        config_(std::move(config)),
        source_(source),
        resolver_(io),
        tick_timer_(io),
        grace_timer_(io),
        random_(static_cast<std::minstd_rand::result_type>(config_.seed)),
        backoff_(config_.seed) {}

  ~Impl() override { assert(connections_.empty()); }

  LoopTime now() const override {
    return std::chrono::duration_cast<LoopTime>(
        std::chrono::steady_clock::now().time_since_epoch());
  }

  void pump() {
    if (closing_ || pumping_) return;
    pumping_ = true;
    serve_connections();
    connect_if_needed();
    pumping_ = false;
    arm_tick();
  }

  void expect_urgent() { urgent_until_ = now() + kUrgentKept; }

  Share share_of(const Connection& connection) const override {
    if (&connection == aside_) return Share::kDoubtful;
    const Connection* kept = kept_connection();
    if (kept == nullptr) return usual_share();
    if (kept == &connection) return Share::kUrgent;
    const bool suffices = kept->room() > 0 && source_.ready(Share::kUrgent) <= kUrgentCrowd;
    return suffices ? Share::kOthers : usual_share();
  }

  void on_started(Connection& connection) override { connection.bring(credential_, brought_at_); }

  void on_changed(Connection& connection) override {
    if (connection.state() == Connection::State::kOpen && attempt_.get() == &connection) {
      attempt_.reset();
      addresses_.clear();
      opened_at_ = now();
      // The first one serves the others, unless nothing of theirs is there.
      if (lacks_aside() && (open_count() > 1 || source_.ready(Share::kSound) == 0)) {
        aside_ = &connection;
        doubtful_at_ = opened_at_;
      }
    }
    if (connection.state() == Connection::State::kDraining) source_.on_turn_end();
    if (source_.ready(Share::kAll) > 0) pump();
  }

  void on_ended(Connection& connection, const std::string& error) override {
    const auto self = shared_from_this();
    std::erase_if(connections_, [&](const auto& held) { return held.get() == &connection; });
    if (!error.empty()) last_error_ = fmt::format("{}: {}", config_.url.authority(), error);
    if (&connection == aside_) {
      aside_ = nullptr;
      aside_not_before_ = now() + kDoubtfulPause;
    }
    if (attempt_.get() == &connection) {
      const auto attempt = std::exchange(attempt_, nullptr);
      if (!closing_ && !addresses_.empty()) {
        source_.on_turn_end();
        return connect_next_address();
      }
      back_off();
    } else if (!error.empty()) {
      if (connection.has_answered()) backoff_.on_success();
      back_off();
    }
    source_.on_turn_end();
    if (closing_) return finish_close();
    pump();
  }

  void retire(Connection& connection) {
    retry_at_ = std::max(retry_at_, now() + kRetirePause);
    connection.drain();
  }

  void bring(const std::shared_ptr<const std::string>& credential,
             std::chrono::system_clock::time_point now, std::chrono::minutes kept) {
    brought_at_ = now;
    if (credential == credential_) return;
    credential_ = credential;
    for (const auto& connection : copy()) {
      const auto& brought = connection->credential();
      if (brought == nullptr || brought == credential_) continue;
      // A clock that was set back makes it less than nothing.
      if (now - connection->brought_since() < kept) connection->drain();
    }
  }

  PoolStats stats() const {
    PoolStats stats;
    stats.connecting = resolving_ || attempt_ != nullptr || !addresses_.empty();
    for (const auto& connection : connections_) {
      stats.in_flight += connection->open_count();
      if (connection->state() != Connection::State::kOpen) continue;
      ++stats.connections;
      stats.stream_slots += connection->stream_limit();
    }
    return stats;
  }

  const std::string& last_error() const { return last_error_; }

  void close(LoopTime grace, std::function<void()> done) {
    assert(!closing_);
    closing_ = true;
    done_ = std::move(done);
    resolver_.cancel();
    tick_timer_.cancel();
    const auto self = shared_from_this();
    grace_timer_.expires_after(grace);
    grace_timer_.async_wait([self](const asio::error_code& error) {
      if (!error) self->end_all();
    });
    for (const auto& connection : copy()) connection->drain();
    finish_close();
    if (grace <= LoopTime(0)) end_all();
    if (!connections_.empty()) arm_tick();
  }

 private:
  std::vector<std::shared_ptr<Connection>> copy() const { return connections_; }

  // The newest of several. One that has answered nothing yet is not kept idle, as the next one is
  // opened when it has shown what it takes.
  const Connection* kept_connection() const {
    if (urgent_until_ == LoopTime{} || now() >= urgent_until_) return nullptr;
    const Connection* kept = nullptr;
    std::size_t usable = 0;
    for (const auto& connection : connections_) {
      if (connection->state() != Connection::State::kOpen || !connection->has_answered()) continue;
      if (connection.get() == aside_) continue;
      kept = connection.get();
      ++usable;
    }
    return usable > 1 ? kept : nullptr;
  }

  void serve_connections() {
    const auto connections = copy();
    for (std::size_t i = 0; i < connections.size() && source_.ready(Share::kAll) > 0; ++i) {
      auto& connection = *connections[(turn_ + i) % connections.size()];
      if (connection.room() > 0) connection.service();
    }
    ++turn_;  // so that few requests do not all take the same way
  }

  Share usual_share() const { return config_.connections_max > 1 ? Share::kSound : Share::kAll; }

  std::size_t open_count() const {
    return static_cast<std::size_t>(
        std::ranges::count(connections_, Connection::State::kOpen,
                           [](const auto& connection) { return connection->state(); }));
  }

  // Something doubtful waits, and no connection is set aside for it.
  bool lacks_aside() const {
    const bool has_one = aside_ != nullptr && aside_->state() == Connection::State::kOpen;
    return config_.connections_max > 1 && !has_one && now() >= aside_not_before_ &&
           source_.ready(Share::kDoubtful) > 0;
  }

  // All places are taken: the one with the least to do gives up its own. It is not taken over, as
  // what is still under way there would suffer with the doubtful.
  void make_place_for_aside() {
    Connection* chosen = nullptr;
    for (const auto& connection : connections_) {
      if (connection->state() != Connection::State::kOpen) continue;
      if (chosen == nullptr || connection->open_count() < chosen->open_count()) {
        chosen = connection.get();
      }
    }
    chosen->drain();
  }

  // One that is set aside has seen many errors: it is given up, not given back.
  void release_aside(LoopTime time) {
    if (aside_ == nullptr) return;
    if (source_.ready(Share::kDoubtful) > 0 || aside_->open_count() > 0) {
      doubtful_at_ = time;
    } else if (time - doubtful_at_ >= kDoubtfulKept) {
      std::exchange(aside_, nullptr)->drain();
    }
  }

  void connect_if_needed() {
    if (closing_ || resolving_ || attempt_ != nullptr) return;
    const LoopTime time = now();
    if (time < retry_at_) return;
    if (lacks_aside() && open_count() >= config_.connections_max) make_place_for_aside();
    if (lacks_aside() || lacks_connection(time)) resolve();
  }

  bool lacks_connection(LoopTime time) const {
    if (source_.ready(usual_share()) == 0) return false;
    std::size_t usable = 0;
    for (const auto& connection : connections_) {
      if (connection->state() != Connection::State::kOpen || connection.get() == aside_) continue;
      ++usable;
      if (!connection->has_answered()) return false;  // it may soon take more than now
    }
    if (open_count() >= config_.connections_max) return false;
    return usable == 0 || time - opened_at_ >= kGrowPause;
  }

  void resolve() {
    resolving_ = true;
    if (config_.resolve) {
      std::vector<tcp::endpoint> found;
      for (const std::string& address : config_.resolve(config_.url.host)) {
        found.emplace_back(asio::ip::make_address(address), config_.url.port);
      }
      return asio::post(io_, [self = shared_from_this(), found = std::move(found)]() mutable {
        self->on_resolved({}, std::move(found));
      });
    }
    resolver_.async_resolve(
        config_.url.host, std::to_string(config_.url.port),
        [self = shared_from_this()](const asio::error_code& error,
                                    const tcp::resolver::results_type& results) {
          self->on_resolved(error, {results.begin(), results.end()});
        });
  }

  void on_resolved(const asio::error_code& error, std::vector<tcp::endpoint> found) {
    resolving_ = false;
    if (closing_) return;
    const bool named_any = !found.empty();
    if (config_.public_addresses_only) {
      std::erase_if(found, [](const auto& endpoint) { return !is_public(endpoint.address()); });
    }
    addresses_.assign(found.begin(), found.end());
    if (error || addresses_.empty()) {
      last_error_ =
          fmt::format("{}: {}", config_.url.authority(),
                      !error && named_any
                          ? "the host name resolves to private addresses alone"
                          : fmt::format("the host name cannot be resolved: {}", error.message()));
      back_off();
      source_.on_turn_end();
      return arm_tick();
    }
    if (used_.size() > kAddressesMax) {
      std::erase_if(used_, [&](const auto& known) {
        return std::ranges::find(found, known.first) == found.end();
      });
    }
    // Chance among those that were never used: relays that start together are to differ.
    std::shuffle(addresses_.begin(), addresses_.end(), random_);
    std::stable_sort(addresses_.begin(), addresses_.end(), [this](const auto& a, const auto& b) {
      return std::pair(connections_to(a), last_use_of(a)) <
             std::pair(connections_to(b), last_use_of(b));
    });
    connect_next_address();
  }

  std::uint64_t last_use_of(const tcp::endpoint& address) const {
    const auto known = used_.find(address);
    return known == used_.end() ? 0 : known->second;
  }

  std::ptrdiff_t connections_to(const tcp::endpoint& address) const {
    return std::count_if(connections_.begin(), connections_.end(),
                         [&](const auto& connection) { return connection->address() == address; });
  }

  void connect_next_address() {
    const tcp::endpoint address = addresses_.front();
    addresses_.pop_front();
    used_[address] = ++uses_;
    const ConnectionTimes times{.connect_max = config_.connect_max,
                                .request_max = config_.request_max,
                                .stuck_after = config_.stuck_after,
                                .idle_after = config_.idle_after,
                                .ping_max = config_.ping_max};
    attempt_ = std::make_shared<Connection>(io_, config_.tls, config_.url.host, address,
                                            config_.streams_max, times, *this, source_);
    connections_.push_back(attempt_);
    attempt_->start();
    arm_tick();
  }

  void back_off() { retry_at_ = std::max(retry_at_, now() + backoff_.on_failure()); }

  void arm_tick() {
    if (tick_armed_) return;
    if (connections_.empty() && (closing_ || !source_.waiting())) return;
    tick_armed_ = true;
    // A retry that is due before the next tick need not wait for it.
    const LoopTime time = now();
    LoopTime wait = config_.tick();
    if (retry_at_ > time) wait = std::min(wait, retry_at_ - time);
    tick_timer_.expires_after(wait);
    tick_timer_.async_wait([weak = weak_from_this()](const asio::error_code&) {
      if (const auto self = weak.lock()) self->on_tick();
    });
  }

  void on_tick() {
    tick_armed_ = false;
    if (closing_ && connections_.empty()) return;
    const LoopTime time = now();
    for (const auto& connection : copy()) connection->on_tick(time);
    if (!closing_) {
      source_.on_tick(time);
      release_aside(time);
      pump();
    }
    arm_tick();
  }

  void end_all() {
    for (const auto& connection : copy()) connection->end("", "Closed");
  }

  void finish_close() {
    if (!connections_.empty() || !done_) return;
    grace_timer_.cancel();
    tick_timer_.cancel();
    // On a stack of its own: the source may go with `done`, and whoever called is still using it.
    asio::post(io_, std::exchange(done_, nullptr));
  }

  asio::io_context& io_;
  const PoolConfig config_;
  RequestSource& source_;
  tcp::resolver resolver_;
  asio::steady_timer tick_timer_;
  asio::steady_timer grace_timer_;
  std::minstd_rand random_;
  Backoff backoff_;

  std::vector<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<Connection> attempt_;          // the one that is connecting
  std::deque<tcp::endpoint> addresses_;          // to try if it fails
  std::map<tcp::endpoint, std::uint64_t> used_;  // with the number of its latest use
  std::uint64_t uses_ = 0;
  Connection* aside_ = nullptr;  // for what is doubtful
  LoopTime aside_not_before_{};
  LoopTime doubtful_at_{};
  bool resolving_ = false;
  bool pumping_ = false;
  bool tick_armed_ = false;
  bool closing_ = false;
  std::size_t turn_ = 0;
  LoopTime retry_at_{};
  LoopTime opened_at_{};
  LoopTime urgent_until_{};
  std::shared_ptr<const std::string> credential_;       // that requests bring
  std::chrono::system_clock::time_point brought_at_{};  // the calendar, at most a tick ago
  std::string last_error_;
  std::function<void()> done_;
};

Pool::Pool(EventLoop& loop, PoolConfig config, RequestSource& source)
    : impl_(std::make_shared<Impl>(loop.impl().io, std::move(config), source)) {}

Pool::~Pool() = default;

void Pool::pump() {
  impl_->pump();
}
void Pool::expect_urgent() {
  impl_->expect_urgent();
}
void Pool::retire(const Stream& stream) {
  impl_->retire(*stream.connection);
}
void Pool::bring(const std::shared_ptr<const std::string>& credential,
                 std::chrono::system_clock::time_point now, std::chrono::minutes kept) {
  impl_->bring(credential, now, kept);
}
PoolStats Pool::stats() const {
  return impl_->stats();
}
const std::string& Pool::last_error() const {
  return impl_->last_error();
}
LoopTime Pool::now() const {
  return impl_->now();
}
void Pool::close(LoopTime grace, std::function<void()> done) {
  impl_->close(grace, std::move(done));
}

}  // namespace carillon::push::http2
