// What the parts of the engine share: `engine.cc` runs it, `engine_intake.cc` takes events in.
// Of that folder alone.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "relay/fanout/dispatcher.h"
#include "relay/fanout/engine.h"
#include "relay/fanout/inbox.h"
#include "relay/fanout/steersman.h"

namespace carillon::fanout {

inline constexpr push::Platform kAllPlatforms[] = {push::Platform::kApns, push::Platform::kFcm,
                                                   push::Platform::kWebPush};

// The two libraries that the relay stands on know nothing of each other; their numbers agree.
constexpr store::Platform stored(push::Platform platform) {
  return static_cast<store::Platform>(platform);
}
static_assert(stored(push::Platform::kApns) == store::Platform::kApns);
static_assert(stored(push::Platform::kFcm) == store::Platform::kFcm);
static_assert(stored(push::Platform::kWebPush) == store::Platform::kWebPush);

inline std::int64_t to_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// What the lane's thread has told of its governor.
GovernedPace pace_of(const LaneTotals& totals);

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
  tl::expected<Plan, Refusal> plan(const Publication& publication, std::shared_ptr<void> counting);
  void ask_channel(const std::string& app, push::ChannelRequest request, push::HearChannel hear);
  std::uint64_t drain(std::chrono::milliseconds grace);
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

}  // namespace carillon::fanout
