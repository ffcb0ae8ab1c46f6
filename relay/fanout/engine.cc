#include "relay/fanout/engine.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "providers/thread_slice.h"
#include "relay/fanout/engine_state.h"
#include "relay/fanout/event_id.h"
#include "relay/fanout/job_start.h"
#include "relay/fanout/notification_codec.h"

namespace carillon::fanout {
namespace {

std::string_view word_for(push::Platform platform) {
  switch (platform) {
    case push::Platform::kApns:
      return "apns";
    case push::Platform::kFcm:
      return "fcm";
    case push::Platform::kWebPush:
      break;
  }
  return "webpush";
}

}  // namespace

GovernedPace pace_of(const LaneTotals& totals) {
  return {.governed = totals.governed.load(std::memory_order_relaxed),
          .tokens = totals.tokens.load(std::memory_order_relaxed),
          .per_second = totals.per_second.load(std::memory_order_relaxed),
          .per_second_gained = totals.per_second_gained.load(std::memory_order_relaxed),
          .per_second_most = totals.per_second_most.load(std::memory_order_relaxed)};
}

Clocks Clocks::system() {
  return {.calendar = [] { return std::chrono::system_clock::now(); },
          .monotonic = [] { return std::chrono::steady_clock::now(); }};
}

store::Result<void> Engine::Impl::start() {
  for (auto& [key, to] : ways_) {
    to->lane = dispatcher_.add_lane(
        to->provider.get(), &to->totals,
        {.name = fmt::format("{}, {}", key.first, word_for(key.second)), .rate = to->rate});
    inbox_.add_lane();
  }
  if (auto taken_up = take_up_unfinished(); !taken_up) return taken_up;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "fanout");
    push::take_turns_of(push::kBusyThreadSlice);
    run();
  });
  return {};
}

store::Result<void> Engine::Impl::take_up_unfinished() {
  auto jobs = store_.unfinished_jobs();
  if (!jobs) return tl::unexpected(jobs.error());
  for (store::Job& job : *jobs) {
    const auto event = store_.event(job.key.event);
    if (!event) return tl::unexpected(event.error());
    auto content = decode_content(event->content);
    if (!content) {
      return tl::unexpected(
          store::Error{.kind = store::Error::Kind::kCorrupt,
                       .message = "event " + to_string(job.key.event) + ": " + content.error()});
    }
    // An app that was taken out of the config still has its events: they are suppressed.
    Way* to = find_way(job.app, static_cast<push::Platform>(job.key.platform));
    if (to == nullptr) {
      to = &way(job.app, static_cast<push::Platform>(job.key.platform));
      to->lane = dispatcher_.add_lane(nullptr, &to->totals);
      inbox_.add_lane();
    }
    dispatcher_.take_up(to->lane, job_start(std::move(job), *std::move(content)));
  }
  if (!jobs->empty()) spdlog::info("taking up {} unfinished jobs", jobs->size());
  return {};
}

Now Engine::Impl::now() const {
  return {.calendar_ms = to_ms(clocks_.calendar()),
          .monotonic_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                              clocks_.monotonic().time_since_epoch())
                              .count()};
}

void Engine::Impl::run() {
  Inbox::Contents taken;
  bool draining = false, stopping = false;
  std::int64_t wish_ms = 0;
  for (;;) {
    std::optional<std::chrono::steady_clock::time_point> deadline;
    if (wish_ms != std::numeric_limits<std::int64_t>::max()) {
      deadline = std::chrono::steady_clock::time_point(std::chrono::milliseconds(wish_ms));
    }
    inbox_.take(taken, deadline);
    const Now at = now();
    dispatcher_.notice(at);
    if (taken.recorded) dispatcher_.on_recorded(*taken.recorded, at);
    for (std::size_t lane = 0; lane < taken.verdicts.size(); ++lane) {
      if (taken.verdicts[lane].empty()) continue;
      dispatcher_.on_verdicts(lane, taken.verdicts[lane], at);
      taken.verdicts[lane].clear();
    }
    for (const std::size_t lane : taken.renewed) dispatcher_.renew_credential(lane);
    taken.renewed.clear();
    for (Inbox::Started& job : taken.started) dispatcher_.take_up(job.lane, std::move(job.start));
    taken.started.clear();
    for (SteeringRequest& request : taken.steering) dispatcher_.steer(std::move(request), at);
    taken.steering.clear();
    if (taken.draining && !draining) {
      draining = true;
      dispatcher_.drain();
      hands_nothing_out_.set_value();
    }
    if (taken.stopping && !std::exchange(stopping, true)) dispatcher_.drain();
    wish_ms = dispatcher_.turn(at);
    publish_gauges();
    // Draining ends when everything is recorded, or when the store still refuses at the deadline:
    // what is not recorded is then within the bound on repeats.
    if (!stopping || dispatcher_.recording()) continue;
    const bool gives_up =
        !dispatcher_.store_error().empty() && std::chrono::steady_clock::now() >= taken.stop_by;
    if (!gives_up && !dispatcher_.settled()) continue;
    if (!dispatcher_.settled()) {
      spdlog::error(
          "{} notifications could not be recorded and are sent again at the next start: {}",
          dispatcher_.uncovered(), dispatcher_.store_error());
    }
    dispatcher_.refuse_steering(
        {.kind = SteeringRefusal::Kind::kDraining, .message = "the relay is shutting down"});
    return;
  }
}

void Engine::Impl::publish_gauges() {
  jobs_.store(dispatcher_.jobs(), std::memory_order_relaxed);
  uncovered_.store(dispatcher_.uncovered(), std::memory_order_relaxed);
  checkpoints_.store(dispatcher_.checkpoints(), std::memory_order_relaxed);
  const std::lock_guard lock(error_mutex_);
  if (store_error_ != dispatcher_.store_error()) store_error_ = dispatcher_.store_error();
}

std::uint64_t Engine::Impl::drain(std::chrono::milliseconds grace) {
  std::call_once(drained_, [&] {
    draining_ = true;
    steersman_.drain();
    inbox_.drain();
    // What is submitted to a provider that has closed gets no verdict: nothing may be on its way.
    if (thread_.joinable()) hands_nothing_out_.get_future().wait();
    const auto deadline = std::chrono::steady_clock::now() + grace;
    for (auto& [key, to] : ways_) {
      if (!to->provider) continue;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      to->provider->close(std::max(left, std::chrono::milliseconds(0)));
    }
    // Every target has its verdict now; the fan-out records them and ends.
    inbox_.stop(deadline);
    if (thread_.joinable()) thread_.join();
  });
  return uncovered_.load(std::memory_order_relaxed);
}

// The lane is told after the change, so that whatever the old credential was refused for comes to
// it before.
void Engine::Impl::replace_provider(const std::string& app,
                                    std::unique_ptr<push::Provider> provider,
                                    std::shared_ptr<ProviderSeat> seat) {
  Way& to = *find_way(app, provider->platform());
  to.provider->succeed(std::move(provider), std::move(seat));
  to.replaced.fetch_add(1, std::memory_order_relaxed);
  inbox_.renewed(to.lane);
}

std::size_t Engine::Impl::close_replaced() {
  std::size_t left = 0;
  for (auto& [key, to] : ways_) {
    if (to->provider) left += to->provider->close_finished();
  }
  return left;
}

void Engine::Impl::set_credential_alarm(const std::string& app, push::Platform platform,
                                        std::string alarm) {
  const std::lock_guard lock(alarm_mutex_);
  find_way(app, platform)->alarm = std::move(alarm);
}

std::string Engine::Impl::alarm_of(const Way& way) const {
  {
    const std::lock_guard lock(alarm_mutex_);
    if (!way.alarm.empty()) return way.alarm;
  }
  return way.totals.credential_refused.load(std::memory_order_relaxed)
             ? "the platform refuses the credential in use"
             : "";
}

EngineStats Engine::Impl::stats() const {
  EngineStats stats{.events_accepted = events_accepted_.load(std::memory_order_relaxed),
                    .jobs_running = jobs_.load(std::memory_order_relaxed),
                    .handed_out = uncovered_.load(std::memory_order_relaxed),
                    .checkpoints = checkpoints_.load(std::memory_order_relaxed)};
  for (const auto& [key, to] : ways_) {
    if (!to->provider) continue;
    const auto read = [](const std::atomic<std::uint64_t>& total) {
      return total.load(std::memory_order_relaxed);
    };
    stats.lanes.push_back({.app = key.first,
                           .platform = key.second,
                           .submitted = read(to->totals.submitted),
                           .accepted = read(to->totals.accepted),
                           .rejected = read(to->totals.rejected),
                           .expired = read(to->totals.expired),
                           .dead_lettered = read(to->totals.dead_lettered),
                           .suppressed = read(to->totals.suppressed),
                           .cancelled = read(to->totals.cancelled),
                           .retried = read(to->totals.retried),
                           .tokens_removed = read(to->totals.tokens_removed),
                           .tokens_quarantined = read(to->totals.tokens_quarantined),
                           .tokens_left_alone = read(to->totals.tokens_left_alone),
                           .answers_unexpected = read(to->totals.answers_unexpected),
                           .guard = to->totals.guard.load(std::memory_order_relaxed),
                           .dead_percent = to->totals.dead_percent.load(std::memory_order_relaxed),
                           .pace = pace_of(to->totals),
                           .provider = to->provider->health(),
                           .credential_alarm = alarm_of(*to),
                           .credentials_replaced = read(to->replaced)});
  }
  const std::lock_guard lock(error_mutex_);
  stats.store_error = store_error_;
  return stats;
}

// --- the public face
// ------------------------------------------------------------------------------

Engine::Engine(store::Store& store, const config::Fanout& limits, Clocks clocks, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(store, limits, std::move(clocks), seed)) {}
Engine::~Engine() = default;
push::VerdictSink& Engine::sink(const std::string& app, push::Platform platform) {
  return impl_->sink(app, platform);
}
void Engine::add_app(const std::string& app) {
  impl_->add_app(app);
}
void Engine::add_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                          const RateGovernor::Limits& rate) {
  impl_->add_provider(app, std::move(provider), rate);
}
std::shared_ptr<ProviderSeat> Engine::new_seat(const std::string& app, push::Platform platform) {
  return impl_->new_seat(app, platform);
}
void Engine::replace_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                              std::shared_ptr<ProviderSeat> seat) {
  impl_->replace_provider(app, std::move(provider), std::move(seat));
}
std::size_t Engine::close_replaced() {
  return impl_->close_replaced();
}
void Engine::set_credential_alarm(const std::string& app, push::Platform platform,
                                  std::string alarm) {
  impl_->set_credential_alarm(app, platform, std::move(alarm));
}
store::Result<void> Engine::start() {
  return impl_->start();
}
void Engine::publish(Publication publication, Published done) {
  impl_->publish(std::move(publication), std::move(done));
}
tl::expected<store::AcceptedEvent, Refusal> Engine::publish(const Publication& publication) {
  std::promise<tl::expected<store::AcceptedEvent, Refusal>> promise;
  auto future = promise.get_future();
  impl_->publish(publication,
                 [&promise](auto accepted) { promise.set_value(std::move(accepted)); });
  return future.get();
}
tl::expected<Plan, Refusal> Engine::plan(const Publication& publication,
                                         std::shared_ptr<void> counting) {
  return impl_->plan(publication, std::move(counting));
}
void Engine::ask_channel(const std::string& app, push::ChannelRequest request,
                         push::HearChannel hear) {
  impl_->ask_channel(app, std::move(request), std::move(hear));
}
SteeringResult Engine::steer(const store::EventId& event, const Wish& wish) {
  return impl_->steersman().steer(event, wish);
}
tl::expected<store::Replayed, SteeringRefusal> Engine::replay(
    const store::EventId& event, store::ReplayWish wish, std::optional<std::chrono::seconds> ttl) {
  return impl_->steersman().replay(event, std::move(wish), ttl);
}
std::uint64_t Engine::drain(std::chrono::milliseconds grace) {
  return impl_->drain(grace);
}
EngineStats Engine::stats() const {
  return impl_->stats();
}

}  // namespace carillon::fanout
