#include "relay/fanout/engine.h"

#include <pthread.h>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "providers/thread_slice.h"
#include "relay/fanout/dispatcher.h"
#include "relay/fanout/event_id.h"
#include "relay/fanout/inbox.h"
#include "relay/fanout/job_start.h"
#include "relay/fanout/notification_codec.h"
#include "relay/fanout/steersman.h"

namespace carillon::fanout {
namespace {

constexpr push::Platform kAllPlatforms[] = {push::Platform::kApns, push::Platform::kFcm,
                                            push::Platform::kWebPush};

// The two libraries that the relay stands on know nothing of each other; their numbers agree.
constexpr store::Platform stored(push::Platform platform) {
  return static_cast<store::Platform>(platform);
}
static_assert(stored(push::Platform::kApns) == store::Platform::kApns);
static_assert(stored(push::Platform::kFcm) == store::Platform::kFcm);
static_assert(stored(push::Platform::kWebPush) == store::Platform::kWebPush);

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

GovernedPace pace_of(const LaneTotals& totals) {
  return {.governed = totals.governed.load(std::memory_order_relaxed),
          .tokens = totals.tokens.load(std::memory_order_relaxed),
          .per_second = totals.per_second.load(std::memory_order_relaxed),
          .per_second_gained = totals.per_second_gained.load(std::memory_order_relaxed),
          .per_second_most = totals.per_second_most.load(std::memory_order_relaxed)};
}

std::int64_t to_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Refusal refusal_of(const store::Error& error) {
  switch (error.kind) {
    case store::Error::Kind::kMismatch:
      return {.kind = Refusal::Kind::kIdempotencyMismatch, .message = error.message};
    case store::Error::Kind::kFull:
      return {.kind = Refusal::Kind::kStoreFull, .message = error.message};
    case store::Error::Kind::kInvalid:
      return {.kind = Refusal::Kind::kInvalid, .message = error.message};
    default:
      return {.kind = Refusal::Kind::kStoreFailed, .message = error.message};
  }
}

}  // namespace

Clocks Clocks::system() {
  return {.calendar = [] { return std::chrono::system_clock::now(); },
          .monotonic = [] { return std::chrono::steady_clock::now(); }};
}

class Engine::Impl {
 public:
  Impl(store::Store& store, const config::Fanout& limits, Clocks clocks, std::uint64_t seed)
      : store_(store),
        limits_(limits),
        clocks_(std::move(clocks)),
        dispatcher_(
            store, limits,
            [this](std::vector<store::Checkpoint> checkpoints, std::int64_t now_ms) {
              store_.record(std::move(checkpoints), now_ms, [this](store::Result<void> result) {
                inbox_.recorded(std::move(result));
              });
            },
            seed),
        steersman_(store, inbox_, clocks_.calendar,
                   [this](const std::string& app, store::Platform platform) {
                     const Way* to = find_way(app, static_cast<push::Platform>(platform));
                     return to == nullptr ? std::nullopt : std::optional(to->lane);
                   }) {}

  ~Impl() { drain(std::chrono::milliseconds(0)); }

  void add_app(const std::string& app) {
    apps_.insert(app);
    for (const push::Platform platform : kAllPlatforms) way(app, platform);
  }

  push::VerdictSink& sink(const std::string& app, push::Platform platform) {
    return *way(app, platform).first_seat;
  }

  void add_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                    const RateGovernor::Limits& rate) {
    Way& to = way(app, provider->platform());
    to.rate = rate;
    to.provider = std::make_unique<ProviderSuccession>(std::move(provider), to.first_seat);
  }

  std::shared_ptr<ProviderSeat> new_seat(const std::string& app, push::Platform platform) {
    return std::make_shared<ProviderSeat>(*find_way(app, platform));
  }
  void replace_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                        std::shared_ptr<ProviderSeat> seat);
  std::size_t close_replaced();
  void set_credential_alarm(const std::string& app, push::Platform platform, std::string alarm);

  store::Result<void> start();
  void publish(Publication publication, Published done);
  tl::expected<Plan, Refusal> plan(const Publication& publication);
  void drain(std::chrono::milliseconds grace);
  EngineStats stats() const;
  Steersman& steersman() { return steersman_; }

 private:
  // An app's way to one platform, whether it has a provider or not.
  struct Way final : push::VerdictSink {
    explicit Way(Inbox& inbox_in) : inbox(inbox_in) {}
    // Of whichever provider.
    void on_verdicts(std::span<const push::Verdict> verdicts) noexcept override {
      inbox.verdicts(lane, verdicts);
    }

    Inbox& inbox;
    std::size_t lane = 0;  // set by start, before anything is submitted
    const std::shared_ptr<ProviderSeat> first_seat = std::make_shared<ProviderSeat>(*this);
    std::unique_ptr<ProviderSuccession> provider;
    RateGovernor::Limits rate;
    LaneTotals totals;
    std::atomic<std::uint64_t> replaced{0};
    std::string alarm;  // under alarm_mutex_
  };
  using WayKey = std::pair<std::string, push::Platform>;

  Way& way(const std::string& app, push::Platform platform) {
    auto& found = ways_[{app, platform}];
    if (!found) found = std::make_unique<Way>(inbox_);
    return *found;
  }
  Way* find_way(const std::string& app, push::Platform platform) {
    const auto found = ways_.find({app, platform});
    return found == ways_.end() ? nullptr : found->second.get();
  }

  std::string alarm_of(const Way& way) const;
  store::Result<void> take_up_unfinished();
  // By platform; null where the app has no provider.
  using Rendered =
      std::array<std::shared_ptr<const push::RenderedMessage>, std::size(kAllPlatforms)>;
  tl::expected<Rendered, Refusal> render(const std::string& app,
                                         const push::Notification& notification,
                                         const Localization* localization,
                                         std::chrono::system_clock::time_point now);
  // An event on its way to the store: what is needed when it is accepted.
  struct Draft {
    store::Job job;  // of any platform, and nobody targeted yet
    push::Notification notification;
    std::shared_ptr<const Localization> localization;
    bool now_or_never = false;
    Rendered rendered;
    Published done;
  };
  std::optional<Refusal> objection(const Publication& publication) const;
  void on_accepted(Draft& draft, store::Result<store::AcceptedEvent> accepted);
  std::vector<Inbox::Started> jobs_of(Draft& draft, const store::PlatformCounts& targeted);
  store::EventId next_event_id();
  Now now() const;
  void run();
  void publish_gauges();

  store::Store& store_;
  const config::Fanout limits_;
  const Clocks clocks_;
  Inbox inbox_;
  Dispatcher dispatcher_;  // the fan-out thread's alone once it runs
  Steersman steersman_;
  Planner planner_{store_};
  std::set<std::string> apps_;  // both fixed once started
  std::map<WayKey, std::unique_ptr<Way>> ways_;

  std::thread thread_;
  std::atomic<bool> draining_{false};
  std::once_flag drained_;
  std::promise<void> hands_nothing_out_;  // kept when the fan-out thread has heard of the draining
  std::atomic<std::uint64_t> events_accepted_{0};
  std::atomic<std::uint64_t> jobs_{0}, uncovered_{0}, checkpoints_{0};
  mutable std::mutex alarm_mutex_;  // guards strings that are set when a credential changes
  mutable std::mutex error_mutex_;  // guards a string that only people read
  std::string store_error_;
};

// --- intake
// ---------------------------------------------------------------------------------------

store::EventId Engine::Impl::next_event_id() {
  std::array<std::uint8_t, 10> entropy;
  if (RAND_bytes(entropy.data(), static_cast<int>(entropy.size())) != 1) std::abort();
  return make_event_id(to_ms(clocks_.calendar()), entropy);
}

// A payload that no device can be sent is the publisher's to mend, now, not a million rejections.
tl::expected<Engine::Impl::Rendered, Refusal> Engine::Impl::render(
    const std::string& app, const push::Notification& notification,
    const Localization* localization, std::chrono::system_clock::time_point now) {
  Rendered messages;
  std::vector<push::RenderError> faults;
  for (const push::Platform platform : kAllPlatforms) {
    const Way* to = find_way(app, platform);
    if (to == nullptr || !to->provider) continue;
    auto rendered = to->provider->render(notification, now);
    if (rendered) {
      messages[static_cast<std::size_t>(platform) - 1] =
          std::make_shared<const push::RenderedMessage>(std::move(*rendered));
      if (localization != nullptr) {
        check_wordings(*to->provider, notification, *localization, now, faults);
      }
      continue;
    }
    faults.push_back(std::move(rendered.error()));
  }
  if (faults.empty()) return messages;
  Refusal refusal{.kind = Refusal::Kind::kInvalid,
                  .message = "the notification cannot be rendered for every platform",
                  .fields = {}};
  for (push::RenderError& fault : faults) {
    refusal.fields.push_back({std::move(fault.pointer), std::move(fault.message)});
  }
  return tl::unexpected(std::move(refusal));
}

std::optional<Refusal> Engine::Impl::objection(const Publication& publication) const {
  if (draining_) {
    return Refusal{.kind = Refusal::Kind::kDraining, .message = "the relay is shutting down"};
  }
  if (!apps_.contains(publication.app)) {
    return Refusal{.kind = Refusal::Kind::kUnknownApp,
                   .message = "there is no app '" + publication.app + "'"};
  }
  if (jobs_ >= kJobsWaitingMax) {
    return Refusal{.kind = Refusal::Kind::kBacklog,
                   .message = "too many events are waiting for their providers"};
  }
  return std::nullopt;
}

// What crashes and refusals leave:
// - before the commit: nothing happened, and the publisher got no answer.
// - after it, before `done`: the jobs are found again at the next start; the publisher got no
//   answer and repeats the request with its key.
// - the commit fails: nothing is stored, `done` hears of it, no job starts.
// - the publisher goes away: `done` is called all the same, and the event is sent.
// - the relay drains: `drain` waits for events that were handed to the store; later ones are
//   refused here.
void Engine::Impl::publish(Publication publication, Published done) {
  if (auto refusal = objection(publication)) return done(tl::unexpected(*std::move(refusal)));
  const auto now = clocks_.calendar();
  const std::int64_t accepted_ms = to_ms(now);
  const bool now_or_never = publication.ttl.count() == 0;
  store::NewEvent event{
      .id = next_event_id(),
      .app = std::move(publication.app),
      .audience = std::move(publication.audience),
      .content =
          encode_content(publication.notification, now_or_never, publication.localization.get()),
      .priority = static_cast<std::uint8_t>(publication.notification.priority),
      .accepted_ms = accepted_ms,
      .expires_ms =
          accepted_ms +
          (now_or_never ? kNowOrNeverMs : std::chrono::milliseconds(publication.ttl).count()),
      .idempotency_key = std::move(publication.idempotency_key),
      .body_digest = publication.body_digest};
  push::Notification notification = std::move(publication.notification);
  notification.event_id = to_string(event.id);
  notification.expires_at = provider_expiry(event.expires_ms, now_or_never);
  auto rendered = render(event.app, notification, publication.localization.get(), now);
  if (!rendered) return done(tl::unexpected(std::move(rendered.error())));
  if (!inbox_.expect()) {
    return done(tl::unexpected(
        Refusal{.kind = Refusal::Kind::kDraining, .message = "the relay is shutting down"}));
  }
  // As much as can be is made here, and not on the writer's thread.
  const auto draft =
      std::make_shared<Draft>(Draft{.job = {.key = {.event = event.id},
                                            .app = event.app,
                                            .priority = event.priority,
                                            .accepted_ms = accepted_ms,
                                            .expires_ms = event.expires_ms},
                                    .notification = std::move(notification),
                                    .localization = std::move(publication.localization),
                                    .now_or_never = now_or_never,
                                    .rendered = *std::move(rendered),
                                    .done = std::move(done)});
  store_.accept(std::move(event), [this, draft](store::Result<store::AcceptedEvent> accepted) {
    on_accepted(*draft, std::move(accepted));
  });
}

tl::expected<Plan, Refusal> Engine::Impl::plan(const Publication& publication) {
  if (auto refusal = objection(publication)) return tl::unexpected(*std::move(refusal));
  const auto now = clocks_.calendar();
  const bool now_or_never = publication.ttl.count() == 0;
  push::Notification notification = publication.notification;
  notification.event_id = to_string(next_event_id());
  notification.expires_at = provider_expiry(
      to_ms(now) + std::chrono::milliseconds(publication.ttl).count(), now_or_never);
  const auto messages = render(publication.app, notification, publication.localization.get(), now);
  if (!messages) return tl::unexpected(messages.error());
  std::vector<Planner::Rendered> rendered;
  for (const push::Platform platform : kAllPlatforms) {
    const Way* to = find_way(publication.app, platform);
    rendered.push_back({.platform = platform,
                        .provider = to->provider.get(),
                        .message = (*messages)[static_cast<std::size_t>(platform) - 1],
                        .pace = pace_of(to->totals)});
  }
  return planner_.plan(publication, rendered);
}

// On the writer's thread. The fan-out hears of the event first: the publisher can wait.
void Engine::Impl::on_accepted(Draft& draft, store::Result<store::AcceptedEvent> accepted) {
  std::vector<Inbox::Started> jobs;
  if (accepted && !accepted->repeated) {
    events_accepted_.fetch_add(1, std::memory_order_relaxed);
    jobs = jobs_of(draft, accepted->targeted);
    jobs_.fetch_add(jobs.size(), std::memory_order_relaxed);
  }
  inbox_.started(std::move(jobs));  // after which this engine may end
  if (!accepted) return draft.done(tl::unexpected(refusal_of(accepted.error())));
  draft.done(*std::move(accepted));
}

std::vector<Inbox::Started> Engine::Impl::jobs_of(Draft& draft,
                                                  const store::PlatformCounts& targeted) {
  std::vector<Inbox::Started> jobs;
  auto left = targeted.size() - std::count(targeted.begin(), targeted.end(), 0u);
  for (const push::Platform platform : kAllPlatforms) {
    const std::size_t place = static_cast<std::size_t>(platform) - 1;
    if (targeted[place] == 0) continue;
    store::Job job = draft.job;
    job.key.platform = stored(platform);
    job.counters.targeted = targeted[place];
    jobs.push_back(
        {.lane = find_way(job.app, platform)->lane,
         .start = {.job = std::move(job),
                   .notification = --left == 0 ? std::move(draft.notification) : draft.notification,
                   .localization = draft.localization,
                   .now_or_never = draft.now_or_never,
                   .message = draft.rendered[place],
                   .rendered_ms = draft.job.accepted_ms}});
  }
  return jobs;
}

// --- running
// --------------------------------------------------------------------------------------

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
  bool draining = false;
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
    wish_ms = dispatcher_.turn(at);
    publish_gauges();
    // Draining ends when everything is recorded, or when the store refuses: what is not recorded is
    // then within the bound on repeats.
    if (taken.stopping && !dispatcher_.recording() &&
        (dispatcher_.settled() || !dispatcher_.store_error().empty())) {
      dispatcher_.refuse_steering(
          {.kind = SteeringRefusal::Kind::kDraining, .message = "the relay is shutting down"});
      return;
    }
  }
}

void Engine::Impl::publish_gauges() {
  jobs_.store(dispatcher_.jobs(), std::memory_order_relaxed);
  uncovered_.store(dispatcher_.uncovered(), std::memory_order_relaxed);
  checkpoints_.store(dispatcher_.checkpoints(), std::memory_order_relaxed);
  const std::lock_guard lock(error_mutex_);
  if (store_error_ != dispatcher_.store_error()) store_error_ = dispatcher_.store_error();
}

void Engine::Impl::drain(std::chrono::milliseconds grace) {
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
    inbox_.stop();
    if (thread_.joinable()) thread_.join();
  });
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
tl::expected<Plan, Refusal> Engine::plan(const Publication& publication) {
  return impl_->plan(publication);
}
SteeringResult Engine::steer(const store::EventId& event, const Wish& wish) {
  return impl_->steersman().steer(event, wish);
}
tl::expected<store::Replayed, SteeringRefusal> Engine::replay(
    const store::EventId& event, store::ReplayWish wish, std::optional<std::chrono::seconds> ttl) {
  return impl_->steersman().replay(event, std::move(wish), ttl);
}
void Engine::drain(std::chrono::milliseconds grace) {
  impl_->drain(grace);
}
EngineStats Engine::stats() const {
  return impl_->stats();
}

}  // namespace carillon::fanout
